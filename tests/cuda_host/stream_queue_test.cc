// Work is done when it is waited for and not before.
#include <atomic>
#include <thread>

#include "cuda_host/driver_state.h"
#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;

class StreamQueueTest : public EmulationTest {
 protected:
  static CuDevicePointer Address(const uint32_t* device) {
    return reinterpret_cast<CuDevicePointer>(device);
  }
};

TEST_F(StreamQueueTest, ASourceThatIsUsedAgainTooEarlyIsReadAsItIsThen) {
  uint32_t* device = Device({0});
  uint32_t staging = 1;
  ASSERT_EQ(driver_.copy_to_device(Address(device), &staging, 4, stream_), kCuSuccess);
  staging = 2;
  EXPECT_EQ(Words(device, 1)[0], 2u);
}

TEST_F(StreamQueueTest, AResultIsPoisonUntilItIsWaitedFor) {
  uint32_t* device = Device({5});
  uint32_t host = 0;
  ASSERT_EQ(driver_.copy_to_host(&host, Address(device), 4, stream_), kCuSuccess);
  EXPECT_EQ(host, 0xffffffffu);
  ASSERT_EQ(Synchronize(), kCuSuccess);
  EXPECT_EQ(host, 5u);
}

TEST_F(StreamQueueTest, ArgumentsAreTakenAtTheLaunch) {
  uint32_t* out = Device(std::vector<uint32_t>(32));
  TestArgs args = {nullptr, out, 3, 0};
  ASSERT_EQ(Queue("IncrementKernel", 1, 32, args), kCuSuccess);
  args = {};
  ASSERT_EQ(Synchronize(), kCuSuccess) << message();
  EXPECT_EQ(Words(out, 1)[0], 3u);
}

TEST_F(StreamQueueTest, AQuerySaysNotReadyAtFirstAndReadyInTheEnd) {
  int not_ready = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* out = Device(std::vector<uint32_t>(32));
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(Queue("IncrementKernel", 1, 32, {nullptr, out, 1, 0}), kCuSuccess);
    }
    CuResult result;
    while ((result = driver_.stream_query(stream_)) == kCuNotReady) ++not_ready;
    ASSERT_EQ(result, kCuSuccess);
    EXPECT_EQ(Words(out, 1)[0], 3u);
  }
  EXPECT_GT(not_ready, 10);
}

TEST_F(StreamQueueTest, AnEventWaitsForWhatWasQueuedBeforeIt) {
  uint32_t* device = Device({1, 2});
  uint32_t before = 0, after = 0;
  CuEvent event = nullptr, end = nullptr;
  ASSERT_EQ(driver_.event_create(&event, kCuEventDefault), kCuSuccess);
  ASSERT_EQ(driver_.event_create(&end, kCuEventDefault), kCuSuccess);
  ASSERT_EQ(driver_.copy_to_host(&before, Address(device), 4, stream_), kCuSuccess);
  ASSERT_EQ(driver_.event_record(event, stream_), kCuSuccess);
  ASSERT_EQ(driver_.copy_to_host(&after, Address(device + 1), 4, stream_), kCuSuccess);
  ASSERT_EQ(driver_.event_record(end, stream_), kCuSuccess);
  ASSERT_EQ(driver_.event_synchronize(event), kCuSuccess);
  EXPECT_EQ(before, 1u);
  EXPECT_EQ(after, 0xffffffffu);
  float milliseconds = -1;
  EXPECT_EQ(driver_.event_elapsed(&milliseconds, event, end), kCuNotReady);
  ASSERT_EQ(Synchronize(), kCuSuccess);
  EXPECT_EQ(after, 2u);
  EXPECT_EQ(driver_.event_elapsed(&milliseconds, event, end), kCuSuccess);
  EXPECT_GT(milliseconds, 0.0f);
}

TEST_F(StreamQueueTest, MemoryThatIsFreedBeforeItsCopyIsDoneBreaksTheContext) {
  uint32_t* device = Device({1});
  uint32_t host = 0;
  ASSERT_EQ(driver_.copy_to_host(&host, Address(device), 4, stream_), kCuSuccess);
  ASSERT_EQ(driver_.release(Address(device)), kCuSuccess);
  EXPECT_EQ(Synchronize(), kCuIllegalAddress);
  Restart();
  void* pinned = nullptr;
  ASSERT_EQ(driver_.allocate_host(&pinned, 4, 0), kCuSuccess);
  device = Device({1});
  ASSERT_EQ(driver_.copy_to_device(Address(device), pinned, 4, stream_), kCuSuccess);
  ASSERT_EQ(driver_.release_host(pinned), kCuSuccess);
  EXPECT_EQ(Synchronize(), kCuIllegalAddress);
  EXPECT_NE(message().find("host memory that was freed"), std::string::npos) << message();
}

TEST_F(StreamQueueTest, StreamsGetOnIndependently) {
  CuStream other = nullptr;
  ASSERT_EQ(driver_.stream_create(&other, kCuStreamNonBlocking), kCuSuccess);
  uint32_t* device = Device({7});
  bool done = false, open = false;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t host = 0;
    ASSERT_EQ(driver_.copy_to_host(&host, Address(device), 4, other), kCuSuccess);
    ASSERT_EQ(Synchronize(), kCuSuccess);  // of the first stream
    done = done || host == 7;
    open = open || host != 7;
    ASSERT_EQ(driver_.stream_synchronize(other), kCuSuccess);
    EXPECT_EQ(host, 7u);
  }
  EXPECT_TRUE(done && open);
}

TEST_F(StreamQueueTest, ThreadsWithContextsOfTheirOwnDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      CuContext context = nullptr;
      CuStream stream = nullptr;
      CuDevicePointer pointer = 0;
      driver_.context_create(&context, 0, device_);
      driver_.stream_create(&stream, kCuStreamNonBlocking);
      driver_.allocate(&pointer, 4096);
      for (uint8_t value = 1; value < 100; ++value) {
        std::vector<uint8_t> bytes(4096);
        driver_.fill(pointer, value, bytes.size(), stream);
        driver_.copy_to_host(bytes.data(), pointer, bytes.size(), stream);
        driver_.stream_synchronize(stream);
        if (bytes != std::vector<uint8_t>(4096, value)) ++wrong;
      }
      if (driver_.context_destroy(context) != kCuSuccess) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(StreamQueueTest, AFaultStaysUntilTheContextIsDestroyed) {
  uint32_t* device = Device({0});
  ASSERT_EQ(Run("AccessKernel", 1, 32, {device, device, 5, 0}), kCuIllegalAddress);
  CuDevicePointer pointer = 0;
  CuStream stream = nullptr;
  CuEvent event = nullptr;
  EXPECT_EQ(driver_.allocate(&pointer, 4), kCuIllegalAddress);
  EXPECT_EQ(driver_.release(Address(device)), kCuIllegalAddress);
  EXPECT_EQ(driver_.stream_create(&stream, 0), kCuIllegalAddress);
  EXPECT_EQ(driver_.event_create(&event, 0), kCuIllegalAddress);
  EXPECT_EQ(Synchronize(), kCuIllegalAddress);
  Restart();
  EXPECT_EQ(driver_.allocate(&pointer, 4), kCuSuccess);
}

}  // namespace
}  // namespace llmrt::cuda_host
