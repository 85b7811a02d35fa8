// What every C entry point goes through: it clears the thread's message, catches whatever is thrown
// and turns an absl::Status into an llmrt_status with one line of text. The message is kept in a
// fixed array of the thread, so that reporting "no memory" needs none.
#pragma once

#include <cstddef>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/host_fp_mode.h"
#include "llmrt.h"
#include "memory/counted_heap.h"

namespace llmrt::abi {

// A stale, foreign or mistyped handle. absl has no such code: a payload marks it.
absl::Status InvalidHandleError(std::string_view message);

// The code alone; for fields of output structs.
llmrt_status StatusCode(const absl::Status& status);

// Why it failed, in words even where the status has none: one that was made of an exception when
// memory ran out. Empty for OK.
std::string_view Words(const absl::Status& status);

// One line of whole UTF-8 characters: control characters become spaces, invalid bytes question
// marks. At most `capacity` bytes, cut at a character; returns how many were written.
size_t WriteOneLine(std::string_view from, char* out, size_t capacity);

inline constexpr std::string_view kNoMemory =
    "no memory for a small object; free some or raise memory_budget_bytes, and call again";

// This thread's message.
inline constexpr size_t kMessageBytesMax = 1023;
void ClearMessage();
std::string_view Message();

// Sets the message and returns the code.
llmrt_status Report(const absl::Status& status);
llmrt_status Report(llmrt_status status, std::string_view message);
// RESOURCE_EXHAUSTED: of the budget, with its numbers, if that refused this thread the memory; else
// of the system.
llmrt_status ReportNoMemory();

// Runs the body of an entry point, which returns an absl::Status. The host's floating-point mode is
// put back at the end: a host that unmasked exceptions would otherwise die of our arithmetic.
template <typename Body>
llmrt_status Enter(Body&& body) {
  const engine::ScopedEntryFpMode fp_mode;
  ClearMessage();
  memory::ForgetHeapRefusal();
  try {
    return Report(std::forward<Body>(body)());
  } catch (const std::bad_alloc&) {
    return ReportNoMemory();
  } catch (...) {
    return Report(LLMRT_STATUS_INTERNAL, "an exception was caught inside the library; report it");
  }
}

// The same for releases: they tell nothing and leave the message alone.
template <typename Body>
void EnterRelease(Body&& body) {
  const engine::ScopedEntryFpMode fp_mode;
  try {
    std::forward<Body>(body)();
  } catch (...) {
    // Nothing a host could do about it; the handle is stale all the same.
  }
}

}  // namespace llmrt::abi

// Returns from the enclosing function unless `expression` is OK.
#define ABI_RETURN_IF_ERROR(expression)                                              \
  do {                                                                               \
    if (absl::Status abi_status = (expression); !abi_status.ok()) return abi_status; \
  } while (false)

// Declares or assigns `target` from a StatusOr, or returns its status.
#define ABI_ASSIGN_OR_RETURN(target, expression) \
  ABI_ASSIGN_OR_RETURN_(ABI_JOIN_(abi_result_, __LINE__), target, expression)
#define ABI_ASSIGN_OR_RETURN_(result, target, expression) \
  auto result = (expression);                             \
  if (!result.ok()) return std::move(result).status();    \
  target = *std::move(result)
#define ABI_JOIN_(a, b) ABI_JOIN_AGAIN_(a, b)
#define ABI_JOIN_AGAIN_(a, b) a##b
