// Prompt lookup as a drafter.
#pragma once

#include "speculation/drafter.h"

namespace llmrt::speculation {

class LookupDrafter : public Drafter {
 public:
  void Welcome(StreamDrafts& stream) override;
  // Reads `history`, so that an offer need not: a long prompt takes a millisecond.
  void Prepare(StreamDrafts& stream, absl::Span<const int32_t> history) const;
  Offer MakeOffer(StreamDrafts& stream, absl::Span<const int32_t> history) override;
  absl::StatusOr<bool> Draft(absl::Span<DraftTask* const> tasks,
                             absl::FunctionRef<bool()> stop) override;
  void Learn(StreamDrafts& stream, int64_t drafted, int64_t kept) override;

 private:
  std::array<Acceptance, StreamDrafts::kMatchClasses> of_all_;  // of all streams
};

}  // namespace llmrt::speculation
