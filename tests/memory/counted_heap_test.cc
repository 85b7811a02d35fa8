// Every form of new and delete is counted, balances, and can be made to fail.
#include "memory/counted_heap.h"

#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace llmrt::memory {
namespace {

// Allocates before main: the counters must work during static initialization.
const std::string kMadeBeforeMain(1000, 'x');  // NOLINT

class CountedHeapTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  }
  void TearDown() override { FailHeapAllocation(-1); }
};

struct alignas(256) Wide {
  char bytes[256];
};

// Called as a function: a new-expression could be optimized away with its delete.
struct FreeBlock {
  void operator()(void* block) const { ::operator delete(block); }
};
using Block = std::unique_ptr<void, FreeBlock>;
Block MakeBlock(std::size_t bytes) { return Block(::operator new(bytes)); }

TEST_F(CountedHeapTest, AllocationsBeforeMainAreCounted) {
  EXPECT_GE(HeapBytes(), static_cast<int64_t>(kMadeBeforeMain.size()));
}

TEST_F(CountedHeapTest, LiveBytesRiseAndFallBack) {
  const int64_t before = HeapBytes();
  {
    auto block = std::make_unique<char[]>(100000);
    block[0] = 1;
    EXPECT_GE(HeapBytes() - before, 100000);
    EXPECT_LT(HeapBytes() - before, 110000);
  }
  EXPECT_EQ(HeapBytes(), before);
}

TEST_F(CountedHeapTest, PeakStaysUntilItIsReset) {
  ResetHeapPeak();
  const int64_t before = HeapBytes();
  { std::vector<char> block(1 << 20); }
  EXPECT_GE(HeapPeakBytes(), before + (1 << 20));
  ResetHeapPeak();
  EXPECT_LT(HeapPeakBytes(), before + (1 << 19));
}

TEST_F(CountedHeapTest, EveryFormOfNewAndDeleteBalances) {
  const int64_t before = HeapBytes();
  const int64_t allocations = HeapAllocations();
  const std::align_val_t align{256};
  // Called as functions: a new-expression could be optimized away with its delete.
  ::operator delete(::operator new(10));
  ::operator delete[](::operator new[](10));
  ::operator delete (::operator new(10), std::size_t{10});
  ::operator delete[](::operator new[](10), std::size_t{10});
  ::operator delete(::operator new(10, align), align);
  ::operator delete[](::operator new[](10, align), align);
  ::operator delete (::operator new(10, align), std::size_t{10}, align);
  ::operator delete[](::operator new[](10, align), std::size_t{10}, align);
  ::operator delete(::operator new(10, std::nothrow), std::nothrow);
  ::operator delete[](::operator new[](10, std::nothrow), std::nothrow);
  ::operator delete(::operator new(10, align, std::nothrow), align, std::nothrow);
  ::operator delete[](::operator new[](10, align, std::nothrow), align, std::nothrow);
  EXPECT_EQ(HeapBytes(), before);
  EXPECT_EQ(HeapAllocations() - allocations, 12);
}

TEST_F(CountedHeapTest, AlignedObjectsAreAligned) {
  const auto wide = std::make_unique<Wide>();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(wide.get()) % 256, 0u);
}

TEST_F(CountedHeapTest, ZeroBytesGiveDistinctAddresses) {
  void* a = ::operator new(0);
  void* b = ::operator new(0);
  EXPECT_NE(a, b);
  ::operator delete(a);
  ::operator delete(b);
  ::operator delete(nullptr);
}

TEST_F(CountedHeapTest, ImpossibleSizeThrowsOrGivesNull) {
  volatile std::size_t huge = std::size_t{1} << 62;
  EXPECT_THROW(::operator delete(::operator new(huge)), std::bad_alloc);
  EXPECT_EQ(::operator new(huge, std::nothrow), nullptr);
  EXPECT_EQ(::operator new (huge, std::align_val_t{64}, std::nothrow), nullptr);
}

TEST_F(CountedHeapTest, ChosenAllocationFailsOnceAndOnlyInItsThread) {
  FailHeapAllocation(1);
  std::thread([] { ::operator delete(::operator new(8)); }).join();  // takes none or several here
  FailHeapAllocation(1);
  void* first = ::operator new(8);
  void* second = ::operator new(8, std::nothrow);
  void* third = ::operator new(8);
  FailHeapAllocation(0);
  EXPECT_THROW(::operator delete(::operator new(8)), std::bad_alloc);
  EXPECT_NE(first, nullptr);
  EXPECT_EQ(second, nullptr);
  EXPECT_NE(third, nullptr);
  ::operator delete(first);
  ::operator delete(third);
}

TEST_F(CountedHeapTest, AChunkIsWhatGlibcTakesForIt) {
  EXPECT_EQ(ChunkBytes(0), 32);
  EXPECT_EQ(ChunkBytes(24), 32);
  EXPECT_EQ(ChunkBytes(25), 48);
  EXPECT_EQ(ChunkBytes(1000), 1008);
  EXPECT_EQ(HeapBytesOf(1000), 1024);
  const int64_t before = HeapBytes();
  void* block = ::operator new(1000);
  EXPECT_EQ(HeapBytes() - before, HeapBytesOf(1000));
  ::operator delete(block);
}

TEST_F(CountedHeapTest, AScopeChargesItsAccountAndItsEndTheOneBefore) {
  const BudgetRef outer = Budget::Create(0);
  const BudgetRef inner = Budget::Create(0, outer.get());
  Block a, b, c, nobodys;
  {
    const ScopedHeapAccount scope(outer);
    a = MakeBlock(100);
    {
      const ScopedHeapAccount nested(inner);
      b = MakeBlock(200);
      const ScopedHeapAccount none(nullptr);
      nobodys = MakeBlock(400);
    }
    c = MakeBlock(300);
  }
  EXPECT_EQ(inner->used_bytes(), HeapBytesOf(200));
  EXPECT_EQ(outer->used_bytes(), HeapBytesOf(100) + HeapBytesOf(200) + HeapBytesOf(300));
  b.reset();
  a.reset();
  c.reset();
  EXPECT_EQ(outer->used_bytes(), 0);
  EXPECT_EQ(outer->peak_bytes(), HeapBytesOf(100) + HeapBytesOf(200) + HeapBytesOf(300));
}

TEST_F(CountedHeapTest, OtherThreadsFreeIntoTheAccountThatWasCharged) {
  const BudgetRef account = Budget::Create(0);
  const BudgetRef others = Budget::Create(0);
  std::vector<std::unique_ptr<Wide>> blocks(100);
  {
    const ScopedHeapAccount scope(account);
    for (auto& block : blocks) block = std::make_unique<Wide>();
  }
  EXPECT_EQ(account->used_bytes(), 100 * ChunkBytes(2 * sizeof(Wide)));
  std::thread([&] {
    const ScopedHeapAccount scope(others);
    for (auto& block : blocks) block.reset();
  }).join();
  EXPECT_EQ(account->used_bytes(), 0);
  EXPECT_EQ(others->peak_bytes(), 0);
}

// The last allocation frees the account; the process' count shows whether it did.
TEST_F(CountedHeapTest, AnAccountLivesAsLongAsWhatWasChargedToIt) {
  const int64_t before = HeapBytes();
  Block survivor;
  {
    const BudgetRef root = Budget::Create(1 << 20);
    const BudgetRef leaf = Budget::Create(0, root.get());
    const ScopedHeapAccount scope(leaf);
    survivor = MakeBlock(100);
  }
  EXPECT_GT(HeapBytes() - before, HeapBytesOf(100));
  survivor.reset();
  EXPECT_EQ(HeapBytes(), before);
}

TEST_F(CountedHeapTest, ARefusedAllocationIsOutOfMemoryAndLeavesItsNumbers) {
  const BudgetRef root = Budget::Create(1000);
  const BudgetRef leaf = Budget::Create(0, root.get());
  ForgetHeapRefusal();
  {
    const ScopedHeapAccount scope(leaf);
    const Block held = MakeBlock(500);
    EXPECT_THROW(::operator delete(::operator new(500)), std::bad_alloc);
    EXPECT_EQ(::operator new(500, std::nothrow), nullptr);
    EXPECT_EQ(::operator new (500, std::align_val_t{64}, std::nothrow), nullptr);
  }
  EXPECT_EQ(LastHeapRefusal().bytes, ChunkBytes(564));
  EXPECT_EQ(LastHeapRefusal().used_bytes, HeapBytesOf(500));
  EXPECT_EQ(LastHeapRefusal().limit_bytes, 1000);
  ForgetHeapRefusal();
  EXPECT_EQ(LastHeapRefusal().limit_bytes, 0);
  EXPECT_EQ(root->used_bytes(), 0);
  ::operator delete(::operator new(5000));  // no scope, no limit
}

TEST_F(CountedHeapTest, WhatMallocRefusesIsNotCharged) {
  const BudgetRef account = Budget::Create(0);
  const ScopedHeapAccount scope(account);
  volatile std::size_t huge = std::size_t{1} << 46;
  EXPECT_EQ(::operator new(huge, std::nothrow), nullptr);
  EXPECT_EQ(account->used_bytes(), 0);
}

TEST_F(CountedHeapTest, ThreadsBalance) {
  const int64_t before = HeapBytes();
  {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 1; i < 5000; ++i) std::make_unique<char[]>(i)[0] = 1;
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(HeapBytes(), before);
}

}  // namespace
}  // namespace llmrt::memory
