#include "cuda_host/driver_state.h"
#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;

using DriverMemoryTest = EmulationTest;

TEST_F(DriverMemoryTest, FreshMemoryIsPoison) {
  CuDevicePointer pointer = 0;
  ASSERT_EQ(driver_.allocate(&pointer, 12), kCuSuccess);
  EXPECT_EQ(Words(reinterpret_cast<uint32_t*>(pointer), 3), std::vector<uint32_t>(3, 0xffffffffu));
  void* host = nullptr;
  ASSERT_EQ(driver_.allocate_host(&host, 4, 0), kCuSuccess);
  EXPECT_EQ(*static_cast<uint32_t*>(host), 0xffffffffu);
  EXPECT_EQ(driver_.release_host(host), kCuSuccess);
}

TEST_F(DriverMemoryTest, AllocationsCountAgainstTheTotal) {
  size_t before = 0, after = 0, total = 0;
  driver_.memory_info(&before, &total);
  CuDevicePointer pointer = 0;
  ASSERT_EQ(driver_.allocate(&pointer, 1000), kCuSuccess);
  driver_.memory_info(&after, &total);
  EXPECT_EQ(before - after, 1000u);
  CuDevicePointer more = 0;
  EXPECT_EQ(driver_.allocate(&more, after + 1), kCuOutOfMemory);
  EXPECT_EQ(driver_.allocate(&more, 0), kCuInvalidValue);
  EXPECT_EQ(driver_.release(pointer), kCuSuccess);
  driver_.memory_info(&after, &total);
  EXPECT_EQ(before, after);
}

TEST_F(DriverMemoryTest, AnAllocationIsFreedOnceByItsAddress) {
  CuDevicePointer pointer = 0;
  ASSERT_EQ(driver_.allocate(&pointer, 16), kCuSuccess);
  EXPECT_EQ(driver_.release(pointer + 4), kCuInvalidValue);
  EXPECT_EQ(driver_.release(pointer), kCuSuccess);
  EXPECT_EQ(driver_.release(pointer), kCuInvalidValue);
  EXPECT_EQ(driver_.release(0), kCuSuccess);
  EXPECT_EQ(driver_.release_host(&pointer), kCuInvalidValue);
}

TEST_F(DriverMemoryTest, CopiesAndFillsStayInOneAllocation) {
  CuDevicePointer a = 0, b = 0;
  ASSERT_EQ(driver_.allocate(&a, 16), kCuSuccess);
  ASSERT_EQ(driver_.allocate(&b, 8), kCuSuccess);
  uint8_t host[32] = {};
  EXPECT_EQ(driver_.copy_to_device(a, host, 17, stream_), kCuInvalidValue);
  EXPECT_EQ(driver_.copy_to_device(a + 8, host, 9, stream_), kCuInvalidValue);
  EXPECT_EQ(driver_.copy_to_host(host, b + 8, 1, stream_), kCuInvalidValue);
  EXPECT_EQ(driver_.copy_on_device(b, a, 9, stream_), kCuInvalidValue);
  EXPECT_EQ(driver_.copy_on_device(a, b, 9, stream_), kCuInvalidValue);
  EXPECT_EQ(driver_.fill(b, 1, 9, stream_), kCuInvalidValue);
  EXPECT_EQ(driver_.copy_to_device(a, nullptr, 4, stream_), kCuInvalidValue);
  EXPECT_EQ(driver_.fill(a, 0x11, 16, stream_), kCuSuccess);
  EXPECT_EQ(driver_.fill(b, 0x22, 8, stream_), kCuSuccess);
  EXPECT_EQ(driver_.copy_on_device(a + 4, b + 4, 4, stream_), kCuSuccess);
  EXPECT_EQ(Words(reinterpret_cast<uint32_t*>(a), 3),
            (std::vector<uint32_t>{0x11111111u, 0x22222222u, 0x11111111u}));
}

TEST_F(DriverMemoryTest, CountsShowWhatIsLeft) {
  LlmrtEmulationCounts counts;
  llmrt_emulation_counts(&counts);
  EXPECT_EQ(counts.contexts, 1u);
  EXPECT_EQ(counts.modules, 1u);
  EXPECT_EQ(counts.streams, 1u);
  EXPECT_EQ(counts.allocations, 0u);
  CuDevicePointer pointer = 0;
  void* host = nullptr;
  CuEvent event = nullptr;
  ASSERT_EQ(driver_.allocate(&pointer, 100), kCuSuccess);
  ASSERT_EQ(driver_.allocate_host(&host, 50, 0), kCuSuccess);
  ASSERT_EQ(driver_.event_create(&event, kCuEventDefault), kCuSuccess);
  llmrt_emulation_counts(&counts);
  EXPECT_EQ(counts.allocations, 1u);
  EXPECT_EQ(counts.allocated_bytes, 100u);
  EXPECT_EQ(counts.host_allocations, 1u);
  EXPECT_EQ(counts.host_bytes, 50u);
  EXPECT_EQ(counts.events, 1u);
  // A context takes everything with it.
  ASSERT_EQ(driver_.context_destroy(context_), kCuSuccess);
  context_ = nullptr;
  llmrt_emulation_counts(&counts);
  EXPECT_EQ(counts.contexts + counts.modules + counts.streams + counts.events, 0u);
  EXPECT_EQ(counts.allocations + counts.allocated_bytes, 0u);
  EXPECT_EQ(counts.host_allocations + counts.host_bytes, 0u);
}

}  // namespace
}  // namespace llmrt::cuda_host
