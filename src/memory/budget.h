// One account of memory: what is used now, the most there ever was, and a limit. Accounts form a
// tree: a charge counts in its account and in all above, and any of them may refuse it. An engine
// has a root with the host's limit over everything that it takes; below it stands one account for
// its heap, and below that one for the model that it opened.
//
// Memory may outlive the object that an account was made for (a stream that is released late), so
// an account lives as long as anything refers to it: its owners, its children, and every
// allocation that was charged to it (counted_heap.h). Itself it is charged to nobody.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace llmrt::memory {

class BudgetRef;

// Thread-safe.
class Budget {
 public:
  // `limit_bytes` 0: no limit. `parent` may be null. Throws std::bad_alloc.
  static BudgetRef Create(int64_t limit_bytes, Budget* parent = nullptr);
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Takes the bytes before the memory is asked for, so that allocations racing each other never
  // pass the limit together. False: this account or one above has no room, and nothing was taken.
  // Counts towards the peak even if the system then has no such memory. Where there is a limit,
  // `keep_free_bytes` of it must stay free for others.
  bool Charge(int64_t bytes, int64_t keep_free_bytes = 0);
  // After the memory is back: the count never says less than what is held.
  void Refund(int64_t bytes);

  int64_t limit_bytes() const { return limit_bytes_; }
  int64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  int64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }
  // The tightest account on the way up, which is the one that refuses first: itself, if no account
  // has a limit.
  const Budget& limiting() const;

  void Retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void Release();

 private:
  Budget(int64_t limit_bytes, Budget* parent) : limit_bytes_(limit_bytes), parent_(parent) {}

  bool Take(int64_t bytes, int64_t keep_free_bytes);  // without the peak

  const int64_t limit_bytes_;
  Budget* const parent_;  // retained
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
  std::atomic<int64_t> references_{1};
};

// One reference to an account; null when default-constructed.
class BudgetRef {
 public:
  BudgetRef() = default;
  BudgetRef(const BudgetRef& other) : budget_(other.budget_) {
    if (budget_ != nullptr) budget_->Retain();
  }
  BudgetRef(BudgetRef&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)) {}
  BudgetRef& operator=(BudgetRef other) noexcept {
    std::swap(budget_, other.budget_);
    return *this;
  }
  ~BudgetRef() {
    if (budget_ != nullptr) budget_->Release();
  }

  Budget* get() const { return budget_; }
  Budget& operator*() const { return *budget_; }
  Budget* operator->() const { return budget_; }

 private:
  friend class Budget;
  explicit BudgetRef(Budget* budget) : budget_(budget) {}  // takes the reference over
  Budget* budget_ = nullptr;
};

// A process has 2^47 bytes of addresses; allocators are not asked for more, since rounding such a
// size up could overflow, and checking ones treat the question itself as a fault.
inline constexpr int64_t kAddressSpaceBytes = int64_t{1} << 47;

}  // namespace llmrt::memory
