#include "cuda_host/async_copies.h"

#include <cstring>

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

void AsyncCopies::Wait(uint64_t newest) {
  size_t landed = 0;
  for (; landed < copies_.size() && copies_[landed].group + newest < closed_groups_; ++landed) {
    const Copy& copy = copies_[landed];
    std::memcpy(copy.target, copy.source != nullptr ? copy.source : copy.bytes, kBytes);
  }
  copies_.erase(copies_.begin(), copies_.begin() + static_cast<ptrdiff_t>(landed));
}

void AsyncCopies::Clear() {
  copies_.clear();
  closed_groups_ = 0;
}

}  // namespace llmrt::cuda_host
