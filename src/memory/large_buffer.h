// Large, aligned, tagged memory: weights, KV blocks, workspace. Every byte of it passes through one
// LargeMemory, so that the host can supply it and the budget (budget.h) can refuse it. Small
// objects live on the library's own counted heap instead (counted_heap.h). Memory that somebody
// else hands out (a device's driver) is charged here as well, so that one budget holds for
// everything.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "memory/budget.h"

namespace llmrt::memory {

enum class Tag : int32_t { kWeights = 0, kKv = 1, kWorkspace = 2 };
inline constexpr int kTagCount = 3;

// Buffers start on this boundary: a cache line, and the widest vector load.
inline constexpr int64_t kAlignment = 64;

// Host memory hooks; both may be called from any thread. `allocate` returns null when it has none.
struct HostHooks {
  void* (*allocate)(void* user, int64_t bytes, int64_t alignment, int32_t tag) = nullptr;
  void (*release)(void* user, void* pointer, int64_t bytes, int32_t tag) = nullptr;
  void* user = nullptr;
};

class LargeMemory;

// One allocation; gives its bytes back to the LargeMemory it came from, which must outlive it.
class LargeBuffer {
 public:
  LargeBuffer() = default;
  LargeBuffer(LargeBuffer&& other) noexcept { *this = std::move(other); }
  LargeBuffer& operator=(LargeBuffer&& other) noexcept;
  LargeBuffer(const LargeBuffer&) = delete;
  LargeBuffer& operator=(const LargeBuffer&) = delete;
  ~LargeBuffer();

  uint8_t* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  friend class LargeMemory;
  LargeMemory* owner_ = nullptr;
  uint8_t* data_ = nullptr;
  int64_t bytes_ = 0;
  Tag tag_ = Tag::kWorkspace;
};

// A charge for memory that lives elsewhere: on a device, or pinned by its driver. Gives the bytes
// back to the LargeMemory that it was charged to, which must outlive it; whoever holds the memory
// itself frees that first.
class ForeignMemory {
 public:
  ForeignMemory() = default;
  ForeignMemory(ForeignMemory&& other) noexcept { *this = std::move(other); }
  ForeignMemory& operator=(ForeignMemory&& other) noexcept;
  ForeignMemory(const ForeignMemory&) = delete;
  ForeignMemory& operator=(const ForeignMemory&) = delete;
  ~ForeignMemory();

  int64_t bytes() const { return bytes_; }

 private:
  friend class LargeMemory;
  LargeMemory* owner_ = nullptr;
  int64_t bytes_ = 0;
  Tag tag_ = Tag::kWorkspace;
};

// Counts what is handed out, by tag, and charges it to an account. Thread-safe.
class LargeMemory {
 public:
  // An account of its own; `limit_bytes` 0: no limit.
  explicit LargeMemory(int64_t limit_bytes, HostHooks hooks = {});
  // One that others charge, too. Not null.
  explicit LargeMemory(BudgetRef budget, HostHooks hooks = {});
  ~LargeMemory();

  // RESOURCE_EXHAUSTED when the limit or the system says no; the message names tag, size and limit.
  // The bytes are uninitialized. `bytes` 0 gives an empty buffer.
  absl::StatusOr<LargeBuffer> Allocate(int64_t bytes, Tag tag);

  // Charges memory that others allocate, before they do. RESOURCE_EXHAUSTED when the limit says no,
  // with the message of Allocate. The host's hooks are not asked: they have no such memory.
  absl::StatusOr<ForeignMemory> ChargeForeign(int64_t bytes, Tag tag);

  // Of this memory alone, whoever else charges the account.
  int64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  int64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }
  int64_t used_bytes(Tag tag) const {
    return used_by_tag_[static_cast<int>(tag)].load(std::memory_order_relaxed);
  }

 private:
  friend class LargeBuffer;
  friend class ForeignMemory;
  absl::Status Charge(int64_t bytes, Tag tag);  // OK: the account has it, the counters do not yet
  void Count(int64_t bytes, Tag tag);
  void Uncount(int64_t bytes, Tag tag);
  void Release(uint8_t* data, int64_t bytes, Tag tag);

  const BudgetRef budget_;
  const HostHooks hooks_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
  std::atomic<int64_t> used_by_tag_[kTagCount] = {};
};

}  // namespace llmrt::memory
