#include "memory/budget.h"

#include <limits>

#include "memory/counted_heap.h"

namespace llmrt::memory {
namespace {

void RaiseTo(std::atomic<int64_t>& peak, int64_t value) {
  int64_t seen = peak.load(std::memory_order_relaxed);
  while (seen < value && !peak.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

BudgetRef Budget::Create(int64_t limit_bytes, Budget* parent) {
  const ScopedHeapAccount none(nullptr);  // an account that held itself would never end
  Budget* const budget = new Budget(limit_bytes, parent);
  if (parent != nullptr) parent->Retain();
  return BudgetRef(budget);
}

void Budget::Release() {
  // Acquire and release: whatever others did to the account lies before its end.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Budget* const parent = parent_;
  delete this;
  if (parent != nullptr) parent->Release();
}

bool Budget::Charge(int64_t bytes, int64_t keep_free_bytes) {
  if (!Take(bytes, keep_free_bytes)) return false;
  // What is used by now, not what was used then: the memory for this charge is yet to be asked for,
  // so others' that has gone in between was never there together with it.
  for (Budget* budget = this; budget != nullptr; budget = budget->parent_) {
    RaiseTo(budget->peak_, budget->used_bytes());
  }
  return true;
}

bool Budget::Take(int64_t bytes, int64_t keep_free_bytes) {
  const int64_t limit =
      limit_bytes_ > 0 ? limit_bytes_ - keep_free_bytes : std::numeric_limits<int64_t>::max();
  int64_t used = used_.load(std::memory_order_relaxed);
  do {
    // Written as a subtraction: used + bytes could overflow, limit - used cannot.
    if (bytes > limit - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  if (parent_ == nullptr || parent_->Take(bytes, keep_free_bytes)) return true;
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

void Budget::Refund(int64_t bytes) {
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  if (parent_ != nullptr) parent_->Refund(bytes);
}

const Budget& Budget::limiting() const {
  const Budget* tightest = this;
  for (const Budget* budget = this; budget != nullptr; budget = budget->parent_) {
    if (budget->limit_bytes_ == 0) continue;
    const bool tighter =
        tightest->limit_bytes_ == 0 || budget->limit_bytes_ - budget->used_bytes() <
                                           tightest->limit_bytes_ - tightest->used_bytes();
    if (tighter) tightest = budget;
  }
  return *tightest;
}

}  // namespace llmrt::memory
