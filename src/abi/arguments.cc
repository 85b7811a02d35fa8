#include "abi/arguments.h"

namespace llmrt::abi {

absl::Status CheckOutput(const void* output, std::string_view name) {
  if (output != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is NULL; the result needs a place; pass a pointer"));
}

absl::Status CheckBuffer(const void* buffer, int64_t capacity, std::string_view name) {
  if (capacity < 0) {
    return absl::InvalidArgumentError(absl::StrCat("the capacity of ", name, " is ", capacity,
                                                   "; at least 0; pass what it has room for"));
  }
  if (buffer == nullptr && capacity > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is NULL with capacity ", capacity, "; pass capacity 0 with NULL"));
  }
  return absl::OkStatus();
}

absl::Status CheckTimeout(int64_t timeout, std::string_view name) {
  if (timeout >= -1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", timeout, "; -1 is without limit, ",
                                                 "0 does not wait; pass -1 or more"));
}

absl::Status CheckArray(const void* array, int64_t count, std::string_view name) {
  if (count < 0) {
    return absl::InvalidArgumentError(absl::StrCat("the count of ", name, " is ", count,
                                                   "; at least 0; pass how many there are"));
  }
  if (array == nullptr && count > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is NULL with count ", count, "; pass count 0 with NULL"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> InputText(const char* text, int64_t length,
                                           std::string_view name) {
  if (length < -1) {
    return absl::InvalidArgumentError(absl::StrCat("the length of ", name, " is ", length,
                                                   "; -1 means NUL-terminated; pass -1 or more"));
  }
  if (text == nullptr) {
    if (length == 0) return std::string_view();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is NULL with length ", length, "; pass length 0 with NULL"));
  }
  return std::string_view(text, length < 0 ? std::strlen(text) : static_cast<size_t>(length));
}

absl::StatusOr<std::string_view> InputName(const char* text, int64_t length,
                                           std::string_view name) {
  absl::StatusOr<std::string_view> input = InputText(text, length, name);
  if (!input.ok()) return input;
  if (input->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is empty; pass at least one character"));
  }
  if (const size_t position = input->find('\0'); position != input->npos) {
    return absl::InvalidArgumentError(absl::StrCat(name, " of ", input->size(),
                                                   " bytes holds a NUL at byte ", position,
                                                   "; a name ends there; pass its own length"));
  }
  return input;
}

absl::Status TextOutput::Check() const {
  if (absl::Status status = CheckOutput(length, "length"); !status.ok()) return status;
  return CheckBuffer(buffer, capacity, "buffer");
}

absl::Status TextOutput::Copy(std::string_view text) const {
  const int64_t bytes = static_cast<int64_t>(text.size());
  *length = bytes;
  if (absl::Status status = CheckCapacity(buffer, capacity, bytes, "buffer"); !status.ok()) {
    return status;
  }
  if (buffer == nullptr) return absl::OkStatus();
  if (!text.empty()) std::memcpy(buffer, text.data(), text.size());
  if (bytes < capacity) static_cast<char*>(buffer)[bytes] = '\0';
  return absl::OkStatus();
}

absl::Status CheckCapacity(const void* buffer, int64_t capacity, int64_t count,
                           std::string_view name) {
  if (buffer == nullptr || count <= capacity) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("the capacity of ", name, " is ", capacity, "; ", count,
                                            " are needed; pass a larger one"));
}

}  // namespace llmrt::abi
