// Checks of what a host passes in, and the ways in which results go back: text and arrays into a
// caller's buffer, structs as far as they fit. Every check happens before anything is done.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace llmrt::abi {

// INVALID_ARGUMENT when an output pointer is null.
absl::Status CheckOutput(const void* output, std::string_view name);

// INVALID_ARGUMENT unless capacity is 0 or more, and 0 where the buffer is null.
absl::Status CheckBuffer(const void* buffer, int64_t capacity, std::string_view name);

// INVALID_ARGUMENT below -1.
absl::Status CheckTimeout(int64_t timeout, std::string_view name);

// An array that the caller passes in: null only where count is 0.
absl::Status CheckArray(const void* array, int64_t count, std::string_view name);

// A text that the caller passes in; length -1: up to its NUL.
absl::StatusOr<std::string_view> InputText(const char* text, int64_t length, std::string_view name);
// The same for names and paths, which the system takes as NUL-terminated.
absl::StatusOr<std::string_view> InputName(const char* text, int64_t length, std::string_view name);

// The buffer, its capacity and where the full length goes, of every call that returns text. Check
// comes before the work, Copy after it.
struct TextOutput {
  void* buffer;
  int64_t capacity;
  int64_t* length;

  absl::Status Check() const;
  // Writes `length` in any case and the text, with a NUL where there is room, if it fits;
  // OUT_OF_RANGE where it does not. A null buffer only asks for the length.
  absl::Status Copy(std::string_view text) const;
};

// OUT_OF_RANGE when `capacity` values do not hold `count`; a null buffer only asks.
absl::Status CheckCapacity(const void* buffer, int64_t capacity, int64_t count,
                           std::string_view name);

// INVALID_ARGUMENT unless there is a struct with room for its own struct_size.
template <typename Struct>
absl::Status CheckStruct(const Struct* out, std::string_view name) {
  if (absl::Status status = CheckOutput(out, name); !status.ok()) return status;
  if (out->struct_size >= static_cast<int32_t>(sizeof(int32_t))) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, "->struct_size is ", out->struct_size,
                                                 "; at least 4; set it to sizeof *", name, ", ",
                                                 sizeof(Struct), " here"));
}

// Writes the fields that fit into what the caller knows of the struct; struct_size stays the
// caller's, so that it knows which of its own fields an older library left alone.
template <typename Struct>
void WriteStruct(const Struct& value, Struct* out) {
  const int64_t bytes = std::min<int64_t>(out->struct_size, sizeof(Struct));
  constexpr int64_t kFirst = sizeof(int32_t);
  std::memcpy(reinterpret_cast<char*>(out) + kFirst, reinterpret_cast<const char*>(&value) + kFirst,
              static_cast<size_t>(bytes - kFirst));
}

}  // namespace llmrt::abi
