// An account's limit holds whatever races, and a charge counts all the way up or nowhere.
#include "memory/budget.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace llmrt::memory {
namespace {

TEST(BudgetTest, LimitCanBeFilledToTheByteAndNotPassed) {
  const BudgetRef budget = Budget::Create(1000);
  EXPECT_TRUE(budget->Charge(600));
  EXPECT_FALSE(budget->Charge(401));
  EXPECT_TRUE(budget->Charge(400));
  EXPECT_FALSE(budget->Charge(1));
  budget->Refund(1000);
  EXPECT_EQ(budget->used_bytes(), 0);
  EXPECT_EQ(budget->peak_bytes(), 1000);
}

TEST(BudgetTest, WithoutALimitEverythingFits) {
  const BudgetRef budget = Budget::Create(0);
  EXPECT_TRUE(budget->Charge(kAddressSpaceBytes));
  EXPECT_FALSE(budget->Charge(std::numeric_limits<int64_t>::max()));  // the count would overflow
  EXPECT_EQ(budget->used_bytes(), kAddressSpaceBytes);
}

TEST(BudgetTest, AChargeCountsInEveryAccountAboveOrInNone) {
  const BudgetRef root = Budget::Create(100);
  const BudgetRef heap = Budget::Create(0, root.get());
  const BudgetRef model = Budget::Create(50, heap.get());
  EXPECT_TRUE(model->Charge(40));
  EXPECT_TRUE(heap->Charge(30));
  EXPECT_EQ(root->used_bytes(), 70);
  EXPECT_EQ(heap->used_bytes(), 70);
  EXPECT_FALSE(model->Charge(20));  // its own limit
  EXPECT_FALSE(heap->Charge(31));   // the root's
  EXPECT_EQ(root->used_bytes(), 70);
  EXPECT_EQ(heap->used_bytes(), 70);
  EXPECT_EQ(model->used_bytes(), 40);
  model->Refund(40);
  heap->Refund(30);
  EXPECT_EQ(root->used_bytes(), 0);
  EXPECT_EQ(root->peak_bytes(), 70);
}

TEST(BudgetTest, TheTightestAccountIsTheOneThatRefuses) {
  const BudgetRef root = Budget::Create(100);
  const BudgetRef heap = Budget::Create(0, root.get());
  const BudgetRef model = Budget::Create(50, heap.get());
  EXPECT_EQ(&heap->limiting(), root.get());
  EXPECT_EQ(&model->limiting(), model.get());
  EXPECT_TRUE(heap->Charge(80));
  EXPECT_EQ(&model->limiting(), root.get());
  const BudgetRef free = Budget::Create(0);
  EXPECT_EQ(&free->limiting(), free.get());
}

TEST(BudgetTest, ChildrenKeepTheirParents) {
  BudgetRef root = Budget::Create(100);
  const BudgetRef leaf = Budget::Create(0, root.get());
  BudgetRef copy = root;
  root = BudgetRef();
  EXPECT_TRUE(copy->Charge(10));
  const BudgetRef moved = std::move(copy);
  EXPECT_TRUE(leaf->Charge(90));
  EXPECT_FALSE(leaf->Charge(1));
  EXPECT_EQ(moved->used_bytes(), 100);
}

TEST(BudgetTest, RacingChargesNeverPassTheLimitTogether) {
  constexpr int64_t kLimit = 1000, kEach = 7;
  const BudgetRef root = Budget::Create(kLimit);
  std::atomic<int64_t> refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const BudgetRef leaf = Budget::Create(0, root.get());
      int64_t held = 0;
      for (int i = 0; i < 20000; ++i) {
        if (leaf->Charge(kEach)) {
          ++held;
        } else {
          ++refused;
        }
        if (i % 3 == 0 && held > 0) {
          leaf->Refund(kEach);
          --held;
        }
      }
      EXPECT_EQ(leaf->used_bytes(), held * kEach);
      leaf->Refund(held * kEach);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(root->used_bytes(), 0);
  EXPECT_LE(root->peak_bytes(), kLimit);
  EXPECT_GT(root->peak_bytes(), kLimit - kEach);
  EXPECT_GT(refused.load(), 0);
}

}  // namespace
}  // namespace llmrt::memory
