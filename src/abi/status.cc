#include "abi/status.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "absl/strings/cord.h"
#include "engine/engine.h"
#include "memory/counted_heap.h"
#include "text/utf8.h"

namespace llmrt::abi {
namespace {

// The public codes are absl's, number by number.
constexpr bool Same(llmrt_status ours, absl::StatusCode theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}
static_assert(Same(LLMRT_STATUS_OK, absl::StatusCode::kOk));
static_assert(Same(LLMRT_STATUS_CANCELLED, absl::StatusCode::kCancelled));
static_assert(Same(LLMRT_STATUS_UNKNOWN, absl::StatusCode::kUnknown));
static_assert(Same(LLMRT_STATUS_INVALID_ARGUMENT, absl::StatusCode::kInvalidArgument));
static_assert(Same(LLMRT_STATUS_DEADLINE_EXCEEDED, absl::StatusCode::kDeadlineExceeded));
static_assert(Same(LLMRT_STATUS_NOT_FOUND, absl::StatusCode::kNotFound));
static_assert(Same(LLMRT_STATUS_ALREADY_EXISTS, absl::StatusCode::kAlreadyExists));
static_assert(Same(LLMRT_STATUS_PERMISSION_DENIED, absl::StatusCode::kPermissionDenied));
static_assert(Same(LLMRT_STATUS_RESOURCE_EXHAUSTED, absl::StatusCode::kResourceExhausted));
static_assert(Same(LLMRT_STATUS_FAILED_PRECONDITION, absl::StatusCode::kFailedPrecondition));
static_assert(Same(LLMRT_STATUS_ABORTED, absl::StatusCode::kAborted));
static_assert(Same(LLMRT_STATUS_OUT_OF_RANGE, absl::StatusCode::kOutOfRange));
static_assert(Same(LLMRT_STATUS_UNIMPLEMENTED, absl::StatusCode::kUnimplemented));
static_assert(Same(LLMRT_STATUS_INTERNAL, absl::StatusCode::kInternal));
static_assert(Same(LLMRT_STATUS_UNAVAILABLE, absl::StatusCode::kUnavailable));
static_assert(Same(LLMRT_STATUS_DATA_LOSS, absl::StatusCode::kDataLoss));

// Whatever a terminal or a log takes for something else than text on this line.
constexpr bool IsControl(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

constexpr std::string_view kInvalidHandlePayload = "llmrt/invalid_handle";

// Trivial, so that neither a thread's end nor the library's unloading has anything to do.
struct ThreadMessage {
  size_t bytes;
  char text[kMessageBytesMax];
};
constinit thread_local ThreadMessage thread_message = {};

}  // namespace

absl::Status InvalidHandleError(std::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kInvalidHandlePayload, absl::Cord());
  return status;
}

llmrt_status StatusCode(const absl::Status& status) {
  if (status.ok()) return LLMRT_STATUS_OK;
  if (engine::IsUnhealthy(status)) return LLMRT_STATUS_ENGINE_UNHEALTHY;
  if (status.GetPayload(kInvalidHandlePayload)) return LLMRT_STATUS_INVALID_HANDLE;
  const int code = static_cast<int>(status.code());
  return code <= LLMRT_STATUS_DATA_LOSS ? static_cast<llmrt_status>(code) : LLMRT_STATUS_UNKNOWN;
}

size_t WriteOneLine(std::string_view from, char* out, size_t capacity) {
  size_t written = 0;
  while (!from.empty()) {
    const text::DecodedCharacter character = text::DecodeUtf8(from);
    const bool invalid = character.value == text::kReplacementCharacter && character.size == 1;
    const bool plain = !invalid && !IsControl(character.value);
    const size_t size = plain ? character.size : 1;
    if (size > capacity - written) break;
    if (plain) {
      std::memcpy(out + written, from.data(), size);
    } else {
      out[written] = invalid ? '?' : ' ';
    }
    written += size;
    from.remove_prefix(character.size);
  }
  return written;
}

void ClearMessage() { thread_message.bytes = 0; }

std::string_view Message() { return {thread_message.text, thread_message.bytes}; }

std::string_view Words(const absl::Status& status) {
  if (status.ok() || !status.message().empty()) return status.message();
  if (status.code() == absl::StatusCode::kResourceExhausted) return kNoMemory;
  return "failed, and no reason was given; report it";
}

llmrt_status Report(llmrt_status status, std::string_view message) {
  thread_message.bytes = WriteOneLine(message, thread_message.text, kMessageBytesMax);
  return status;
}

llmrt_status ReportNoMemory() {
  const memory::HeapRefusal refusal = memory::LastHeapRefusal();
  if (refusal.limit_bytes == 0) return Report(LLMRT_STATUS_RESOURCE_EXHAUSTED, kNoMemory);
  char line[256];  // on the stack: there is no other memory
  const int bytes =
      std::snprintf(line, sizeof line,
                    "the heap needs %" PRId64 " bytes; %" PRId64 " of the budget of %" PRId64
                    " bytes are used; raise memory_budget_bytes or release sessions and streams",
                    refusal.bytes, refusal.used_bytes, refusal.limit_bytes);
  return Report(LLMRT_STATUS_RESOURCE_EXHAUSTED, {line, static_cast<size_t>(std::max(0, bytes))});
}

llmrt_status Report(const absl::Status& status) {
  return status.ok() ? LLMRT_STATUS_OK : Report(StatusCode(status), Words(status));
}

}  // namespace llmrt::abi
