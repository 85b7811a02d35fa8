#include "speculation/lookup_drafter.h"

#include <cstddef>

namespace llmrt::speculation {
namespace {

// Two or three tokens agree by chance more often than four, four more often than eight.
size_t ClassOf(int64_t match_length) { return match_length < 4 ? 0 : match_length < 8 ? 1 : 2; }

// Tokens that an offer may read: what a step can have added, some microseconds.
constexpr int64_t kReadInOffer = 64;

}  // namespace

void LookupDrafter::Welcome(StreamDrafts& stream) {
  for (size_t i = 0; i < of_all_.size(); ++i) stream.by_match[i] = Acceptance::Like(of_all_[i]);
}

void LookupDrafter::Prepare(StreamDrafts& stream, absl::Span<const int32_t> history) const {
  if (stream.lookup != nullptr) stream.lookup->Extend(history);
}

Offer LookupDrafter::MakeOffer(StreamDrafts& stream, absl::Span<const int32_t> history) {
  if (stream.lookup == nullptr) return {};
  // Behind by a prompt: Prepare catches up, which is not called with a lock held.
  if (static_cast<int64_t>(history.size()) > stream.lookup->num_tokens() + kReadInOffer) return {};
  Prepare(stream, history);
  stream.match = stream.lookup->Find(history);
  if (stream.match.length == 0) return {};
  return {.acceptance = &stream.by_match[ClassOf(stream.match.length)], .us_a_token = 0};
}

absl::StatusOr<bool> LookupDrafter::Draft(absl::Span<DraftTask* const> tasks,
                                          absl::FunctionRef<bool()> /*stop*/) {
  for (DraftTask* const task : tasks) {
    PromptLookup::Continue(task->history, task->stream->match,
                           absl::MakeSpan(task->tokens).first(static_cast<size_t>(task->granted)));
    task->drafted = task->granted;
  }
  return true;
}

void LookupDrafter::Learn(StreamDrafts& stream, int64_t drafted, int64_t kept) {
  const size_t match = ClassOf(stream.match.length);
  stream.by_match[match].Observe(drafted, kept);
  of_all_[match].Observe(drafted, kept);
}

}  // namespace llmrt::speculation
