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
