// Version numbers and the thread's last message.

#include <cstring>

#include "abi/arguments.h"
#include "abi/status.h"
#include "engine/build_name.h"
#include "llmrt.h"

using llmrt::abi::Enter;
using llmrt::abi::TextOutput;

int32_t llmrt_abi_version(void) {
  llmrt::abi::ClearMessage();
  return LLMRT_ABI_VERSION;
}

llmrt_status llmrt_version(char* buffer, int64_t capacity, int64_t* length) {
  return Enter([&]() -> absl::Status {
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    return output.Copy(llmrt::engine::BuildName());
  });
}

// Not through Enter: what went wrong here must not replace what the host wants to read.
llmrt_status llmrt_last_message(char* buffer, int64_t capacity, int64_t* length) {
  if (length == nullptr || capacity < 0 || (buffer == nullptr && capacity > 0)) {
    return LLMRT_STATUS_INVALID_ARGUMENT;
  }
  const std::string_view message = llmrt::abi::Message();
  const int64_t bytes = static_cast<int64_t>(message.size());
  *length = bytes;
  if (buffer == nullptr) return LLMRT_STATUS_OK;
  if (bytes > capacity) return LLMRT_STATUS_OUT_OF_RANGE;
  std::memcpy(buffer, message.data(), message.size());
  if (bytes < capacity) buffer[bytes] = '\0';
  return LLMRT_STATUS_OK;
}
