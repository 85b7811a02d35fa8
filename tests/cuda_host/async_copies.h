// The asynchronous copies of one thread (cp.async): groups that are open, closed and landed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace llmrt::cuda_host {

class AsyncCopies {
 public:
  static constexpr size_t kBytes = 16;

  // The target is poisoned at once and stays so until the copy lands. `source` is null for zeros;
  // `read_now`: the source is read here and not when the copy lands (the machine does it at some
  // time between).
  void Issue(uint8_t* target, const uint8_t* source, bool read_now);
  // Closes the group of the copies issued since the last one.
  void Commit() { ++closed_groups_; }
  // Lands all groups but the `newest` last that were closed, in order; landed(target) after each
  // copy.
  template <typename Landed>
  void Wait(uint64_t newest, Landed landed) {
    size_t count = 0;
    for (; count < copies_.size() && copies_[count].group + newest < closed_groups_; ++count) {
      const Copy& copy = copies_[count];
      std::memcpy(copy.target, copy.source != nullptr ? copy.source : copy.bytes, kBytes);
      landed(copy.target);
    }
    copies_.erase(copies_.begin(), copies_.begin() + static_cast<ptrdiff_t>(count));
  }
  bool pending() const { return !copies_.empty(); }
  void Clear();

 private:
  struct Copy {
    uint8_t* target;
    const uint8_t* source;  // null: `bytes` has it
    uint64_t group;
    uint8_t bytes[kBytes];
  };
  std::vector<Copy> copies_;  // oldest first
  uint64_t closed_groups_ = 0;
};

}  // namespace llmrt::cuda_host
