// First in, first out, in memory that is taken once: a push neither allocates nor fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace llmrt::engine {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(int64_t capacity) : slots_(static_cast<size_t>(capacity)) {}

  int64_t capacity() const { return static_cast<int64_t>(slots_.size()); }
  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // By age, the oldest at 0.
  const T& operator[](int64_t index) const { return slots_[Slot(index)]; }

  // There must be room.
  void Push(T value) { slots_[Slot(size_++)] = std::move(value); }
  // There must be one.
  void DropOldest() {
    first_ = (first_ + 1) % capacity();
    --size_;
  }

 private:
  size_t Slot(int64_t index) const { return static_cast<size_t>((first_ + index) % capacity()); }

  std::vector<T> slots_;
  int64_t first_ = 0;  // slot of the oldest
  int64_t size_ = 0;
};

}  // namespace llmrt::engine
