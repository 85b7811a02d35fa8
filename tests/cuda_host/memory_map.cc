#include "cuda_host/memory_map.h"

namespace llmrt::cuda_host {

void MemoryMap::Remove(uintptr_t begin) {
  ranges_.erase(begin);
  for (AddressRange& range : recent_) range = {};
}

bool MemoryMap::Before(uintptr_t address, AddressRange* range) const {
  auto it = ranges_.upper_bound(address);
  if (it == ranges_.begin()) return false;
  --it;
  *range = {it->first, it->second};
  return true;
}

bool MemoryMap::Find(uintptr_t address, size_t bytes) {
  AddressRange range;
  if (!Before(address, &range) || !range.Holds(address, bytes)) return false;
  recent_[next_recent_++ % 4] = range;
  return true;
}

MemoryMap& DeviceMemory() {
  static MemoryMap memory;
  return memory;
}

}  // namespace llmrt::cuda_host
