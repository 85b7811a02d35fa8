// What the host proposes, stream by stream: templates, completions, scripts of a game.
#pragma once

#include <string>

#include "speculation/drafter.h"

namespace llmrt::speculation {

class HostDrafter : public Drafter {
 public:
  explicit HostDrafter(int32_t vocab_size) : vocab_size_(vocab_size) {}

  void Welcome(StreamDrafts& stream) override;
  Offer MakeOffer(StreamDrafts& stream, absl::Span<const int32_t> history) override;
  // A host's drafter that fails, throws, or proposes what is no token is dropped; the task says
  // why. No text is made here: memory that runs out must not end the step for the other streams.
  absl::StatusOr<bool> Draft(absl::Span<DraftTask* const> tasks,
                             absl::FunctionRef<bool()> stop) override;
  std::string Describe(const DraftTask& task) const;
  void Learn(StreamDrafts& stream, int64_t drafted, int64_t kept) override;

 private:
  void Propose(DraftTask& task) const;

  const int32_t vocab_size_;
  Acceptance of_all_;  // of all streams
};

}  // namespace llmrt::speculation
