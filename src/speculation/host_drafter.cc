#include "speculation/host_drafter.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"

namespace llmrt::speculation {
namespace {

// Weight of the newest call in what a token takes.
constexpr double kNewest = 0.2;
// At most so much slower than the calls before it a call counts.
constexpr double kSlowerMax = 4;
constexpr double kSlowUs = 1000;

}  // namespace

void HostDrafter::Welcome(StreamDrafts& stream) { stream.of_host = Acceptance::Like(of_all_); }

Offer HostDrafter::MakeOffer(StreamDrafts& stream, absl::Span<const int32_t> /*history*/) {
  if (stream.host.propose == nullptr) return {};
  return {.acceptance = &stream.of_host, .us_a_token = stream.host_us_a_token};
}

void HostDrafter::Propose(DraftTask& task) const {
  const HostDraft& host = task.stream->host;
  const auto fail = [&task](DraftFailure failure, int64_t value) {
    task.failure = failure;
    task.failure_value = value;
  };
  int64_t count = 0;
  try {
    count = host.propose(host.user, task.history.data(), static_cast<int64_t>(task.history.size()),
                         task.tokens.data(), task.granted);
  } catch (...) {
    return fail(DraftFailure::kThrew, 0);
  }
  if (count < 0) return fail(DraftFailure::kNegative, count);
  if (count > task.granted) return fail(DraftFailure::kTooMany, count);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t token = task.tokens[static_cast<size_t>(i)];
    if (token < 0 || token >= vocab_size_) return fail(DraftFailure::kNoToken, token);
  }
  task.drafted = count;
}

std::string HostDrafter::Describe(const DraftTask& task) const {
  switch (task.failure) {
    case DraftFailure::kThrew:
      return "it threw an exception";
    case DraftFailure::kNegative:
      return absl::StrCat("it returned ", task.failure_value);
    case DraftFailure::kTooMany:
      return absl::StrCat("it returned ", task.failure_value, " tokens; capacity is ",
                          task.granted);
    case DraftFailure::kNoToken:
      return absl::StrCat("it proposed ", task.failure_value, "; ids are 0 to ", vocab_size_ - 1);
    case DraftFailure::kNone:
      break;
  }
  return "";
}

absl::StatusOr<bool> HostDrafter::Draft(absl::Span<DraftTask* const> tasks,
                                        absl::FunctionRef<bool()> /*stop*/) {
  using Clock = std::chrono::steady_clock;
  for (DraftTask* const task : tasks) {
    StreamDrafts& stream = *task->stream;
    const Clock::time_point start = Clock::now();
    Propose(*task);
    const std::chrono::duration<double, std::micro> taken = Clock::now() - start;
    if (task->failure != DraftFailure::kNone) stream.host = {};
    // A first call that sets things up must not count as what every call takes.
    const double known = stream.host_us_a_token;
    const double us = taken.count() / static_cast<double>(std::max<int64_t>(1, task->drafted));
    stream.host_us_a_token += kNewest * (std::min(us, kSlowerMax * known + kSlowUs) - known);
  }
  return true;
}

void HostDrafter::Learn(StreamDrafts& stream, int64_t drafted, int64_t kept) {
  stream.of_host.Observe(drafted, kept);
  of_all_.Observe(drafted, kept);
}

}  // namespace llmrt::speculation
