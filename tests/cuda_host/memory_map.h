// The memory that a kernel may touch: live device allocations and its own block's shared memory.
// Everything else is an error that is reported instead of a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace llmrt::cuda_host {

// What fresh device memory, fresh shared memory and the targets of pending copies hold: a NaN in
// every floating-point type.
inline constexpr int kPoison = 0xff;

struct AddressRange {
  uintptr_t begin = 0;
  size_t bytes = 0;

  bool Holds(uintptr_t address, size_t count) const {
    return count <= bytes && address - begin <= bytes - count;
  }
};

// Allocations of the emulated device by address. The owner of the memory adds and removes them.
class MemoryMap {
 public:
  void Add(AddressRange range) { ranges_[range.begin] = range.bytes; }
  void Remove(uintptr_t begin);
  // Whether [address, address + bytes) lies in one allocation.
  bool Holds(uintptr_t address, size_t bytes) {
    for (const AddressRange& range : recent_) {
      if (range.Holds(address, bytes)) return true;
    }
    return Find(address, bytes);
  }
  // The allocation that `address` lies in or is closest behind; false if there is none.
  bool Before(uintptr_t address, AddressRange* range) const;

 private:
  bool Find(uintptr_t address, size_t bytes);

  std::map<uintptr_t, size_t> ranges_;
  AddressRange recent_[4];  // where accesses were found last
  size_t next_recent_ = 0;
};

// The one device's memory.
MemoryMap& DeviceMemory();

}  // namespace llmrt::cuda_host
