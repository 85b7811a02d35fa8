#include "cuda_host/async_copies.h"

#include "cuda_host/memory_map.h"

namespace llmrt::cuda_host {

void AsyncCopies::Issue(uint8_t* target, const uint8_t* source, bool read_now) {
  Copy copy = {target, source, closed_groups_, {}};
  if (source != nullptr && read_now) {
    std::memcpy(copy.bytes, source, kBytes);
    copy.source = nullptr;
  }
  std::memset(target, kPoison, kBytes);
  copies_.push_back(copy);
}

void AsyncCopies::Clear() {
  copies_.clear();
  closed_groups_ = 0;
}

}  // namespace llmrt::cuda_host
