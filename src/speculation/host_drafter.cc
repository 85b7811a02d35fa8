#include "speculation/host_drafter.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"

namespace llmrt::speculation {
namespace {

// Weight of the newest call in what a token takes.
constexpr double kNewest = 0.2;

}  // namespace

void HostDrafter::Welcome(StreamDrafts& stream) { stream.of_host = Acceptance::Like(of_all_); }

Offer HostDrafter::MakeOffer(StreamDrafts& stream, absl::Span<const int32_t> /*history*/) {
  if (stream.host.propose == nullptr) return {};
  return {.acceptance = &stream.of_host, .us_a_token = stream.host_us_a_token};
}

absl::Status HostDrafter::Propose(DraftTask& task) const {
  const HostDraft& host = task.stream->host;
  int64_t count = 0;
  try {
    count = host.propose(host.user, task.history.data(), static_cast<int64_t>(task.history.size()),
                         task.tokens.data(), task.granted);
  } catch (...) {
    return absl::InternalError("it threw an exception");
  }
  if (count < 0) return absl::InternalError(absl::StrCat("it returned ", count));
  if (count > task.granted) {
    return absl::OutOfRangeError(
        absl::StrCat("it returned ", count, " tokens; capacity is ", task.granted));
  }
  for (int64_t i = 0; i < count; ++i) {
    const int32_t token = task.tokens[static_cast<size_t>(i)];
    if (token >= 0 && token < vocab_size_) continue;
    return absl::OutOfRangeError(
        absl::StrCat("it proposed ", token, "; ids are 0 to ", vocab_size_ - 1));
  }
  task.drafted = count;
  return absl::OkStatus();
}

absl::StatusOr<bool> HostDrafter::Draft(absl::Span<DraftTask* const> tasks,
                                        absl::FunctionRef<bool()> /*stop*/) {
  using Clock = std::chrono::steady_clock;
  for (DraftTask* const task : tasks) {
    StreamDrafts& stream = *task->stream;
    const Clock::time_point start = Clock::now();
    task->status = Propose(*task);
    const std::chrono::duration<double, std::micro> taken = Clock::now() - start;
    if (!task->status.ok()) stream.host = {};
    const auto tokens = static_cast<double>(std::max<int64_t>(1, task->drafted));
    stream.host_us_a_token += kNewest * (taken.count() / tokens - stream.host_us_a_token);
  }
  return true;
}

void HostDrafter::Learn(StreamDrafts& stream, int64_t drafted, int64_t kept) {
  stream.of_host.Observe(drafted, kept);
  of_all_.Observe(drafted, kept);
}

}  // namespace llmrt::speculation
