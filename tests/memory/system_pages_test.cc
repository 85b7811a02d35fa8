// Pages are there to the last byte, and the system's again at once.
#include "memory/system_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "memory/counted_heap.h"
#include "memory/large_buffer.h"

namespace llmrt::memory {
namespace {

TEST(SystemPagesTest, EverySizeIsAlignedAndWritableToItsEnd) {
  for (const int64_t bytes :
       {int64_t{1}, int64_t{63}, int64_t{4097}, (int64_t{256} << 10) - 1, int64_t{256} << 10,
        (int64_t{256} << 10) + 1, (int64_t{5} << 20) + 13}) {
    auto* const data = static_cast<uint8_t*>(AllocatePages(bytes));
    ASSERT_NE(data, nullptr) << bytes;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % kAlignment, 0u) << bytes;
    data[0] = 1;
    data[bytes - 1] = 2;
    EXPECT_EQ(data[bytes - 1], 2);
    ReleasePages(data, bytes);
  }
}

TEST(SystemPagesTest, MoreThanTheAddressesIsNull) {
  if (!HeapIsCounted()) GTEST_SKIP() << "a sanitizer ends a program that asks for so much";
  EXPECT_EQ(AllocatePages(int64_t{1} << 48), nullptr);
}

TEST(SystemPagesTest, LargeMemoryIsGoneWhenItIsReleased) {
  if (!HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps freed memory";
  constexpr int64_t kBytes = 8 << 20;
  auto* const data = static_cast<uint8_t*>(AllocatePages(kBytes));
  ASSERT_NE(data, nullptr);
  for (int64_t i = 0; i < kBytes; i += 4096) data[i] = 1;
  unsigned char resident = 0;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  EXPECT_EQ(mincore(data, page, &resident), 0);
  ReleasePages(data, kBytes);
  EXPECT_NE(mincore(data, page, &resident), 0);
  EXPECT_EQ(errno, ENOMEM);
}

}  // namespace
}  // namespace llmrt::memory
