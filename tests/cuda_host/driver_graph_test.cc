// Capture and replay.
#include <functional>
#include <thread>

#include "cuda_host/driver_state.h"
#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;

class DriverGraphTest : public EmulationTest {
 protected:
  void Begin() { ASSERT_EQ(driver_.begin_capture(stream_, kCuCaptureModeThreadLocal), kCuSuccess); }
  CuResult End(CuGraph* graph) { return driver_.end_capture(stream_, graph); }
  static CuDevicePointer Address(const uint32_t* device) {
    return reinterpret_cast<CuDevicePointer>(device);
  }
};

TEST_F(DriverGraphTest, ACaptureRunsNothingAndAReplayRunsAll) {
  uint32_t* out = Device(std::vector<uint32_t>(32));
  uint32_t staging = 10;
  uint32_t result = 0;
  Begin();
  EXPECT_EQ(driver_.copy_to_device(Address(out), &staging, 4, stream_), kCuSuccess);
  EXPECT_EQ(Queue("IncrementKernel", 1, 32, {nullptr, out, 1, 0}), kCuSuccess);
  EXPECT_EQ(driver_.copy_to_host(&result, Address(out), 4, stream_), kCuSuccess);
  CuGraph graph = nullptr;
  ASSERT_EQ(End(&graph), kCuSuccess);
  ASSERT_EQ(Synchronize(), kCuSuccess);
  EXPECT_EQ(result, 0u);  // not even poisoned

  CuGraphExec exec = nullptr;
  ASSERT_EQ(driver_.graph_instantiate(&exec, graph, 0), kCuSuccess);
  EXPECT_EQ(driver_.graph_destroy(graph), kCuSuccess);
  EXPECT_EQ(driver_.graph_upload(exec, stream_), kCuSuccess);
  for (uint32_t i = 0; i < 3; ++i) {
    staging = 20 + i;  // read when the replay is done
    ASSERT_EQ(driver_.graph_launch(exec, stream_), kCuSuccess);
    EXPECT_EQ(result, 0xffffffffu);
    ASSERT_EQ(Synchronize(), kCuSuccess);
    EXPECT_EQ(result, 21u + i);
  }
  EXPECT_EQ(Words(out, 2)[1], 3u);
  LlmrtEmulationCounts counts;
  llmrt_emulation_counts(&counts);
  EXPECT_EQ(counts.graphs, 0u);
  EXPECT_EQ(counts.graph_execs, 1u);
  EXPECT_EQ(driver_.graph_exec_destroy(exec), kCuSuccess);
  EXPECT_EQ(driver_.graph_launch(exec, stream_), kInvalidHandle);
}

TEST_F(DriverGraphTest, CallsThatCouldWaitEndTheCapture) {
  uint32_t* device = Device({0});
  CuDevicePointer pointer = 0;
  void* host = nullptr;
  CuModule module = nullptr;
  const std::vector<std::function<CuResult()>> calls = {
      [&] { return driver_.allocate(&pointer, 4); },
      [&] { return driver_.release(Address(device)); },
      [&] { return driver_.allocate_host(&host, 4, 0); },
      [&] { return driver_.module_load(&module, "image"); },
      [&] { return driver_.stream_synchronize(stream_); },
      [&] { return driver_.stream_query(stream_); },
  };
  for (const auto& call : calls) {
    Begin();
    EXPECT_EQ(call(), kCaptureUnsupported);
    CuGraph graph = nullptr;
    EXPECT_EQ(End(&graph), kCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
  }
  EXPECT_EQ(driver_.release(Address(device)), kCuSuccess);  // it was not freed above
  EXPECT_EQ(Synchronize(), kCuSuccess);
}

TEST_F(DriverGraphTest, OtherThreadsMayAllocateMeanwhile) {
  Begin();
  CuResult allocated = kCuUnknown, synchronized = kCuUnknown, ended = kCuUnknown;
  std::thread([&] {
    driver_.context_push(context_);
    CuDevicePointer pointer = 0;
    CuStream other = nullptr;
    allocated = driver_.allocate(&pointer, 4);
    driver_.stream_create(&other, 0);
    synchronized = driver_.stream_synchronize(other);
    CuGraph graph = nullptr;
    ended = driver_.end_capture(stream_, &graph);
  }).join();
  EXPECT_EQ(allocated, kCuSuccess);
  EXPECT_EQ(synchronized, kCuSuccess);
  EXPECT_EQ(ended, kCaptureWrongThread);
  CuGraph graph = nullptr;
  EXPECT_EQ(End(&graph), kCuSuccess);
}

TEST_F(DriverGraphTest, AnEventOfACaptureCannotBeWaitedFor) {
  CuEvent event = nullptr;
  ASSERT_EQ(driver_.event_create(&event, kCuEventDisableTiming), kCuSuccess);
  Begin();
  EXPECT_EQ(driver_.event_record(event, stream_), kCuSuccess);
  CuGraph graph = nullptr;
  ASSERT_EQ(End(&graph), kCuSuccess);
  EXPECT_EQ(driver_.event_synchronize(event), kCapturedEvent);
}

TEST_F(DriverGraphTest, AStreamIsCapturedOnce) {
  CuGraph graph = nullptr;
  EXPECT_EQ(End(&graph), kCuInvalidValue);
  Begin();
  EXPECT_EQ(driver_.begin_capture(stream_, kCuCaptureModeThreadLocal), kCuInvalidValue);
  EXPECT_EQ(End(&graph), kCuSuccess);
  EXPECT_EQ(driver_.begin_capture(nullptr, kCuCaptureModeThreadLocal), kCaptureUnsupported);
}

TEST_F(DriverGraphTest, AReplayAfterItsMemoryWasFreedIsAFault) {
  uint32_t* out = Device(std::vector<uint32_t>(32));
  Begin();
  EXPECT_EQ(Queue("IncrementKernel", 1, 32, {nullptr, out, 1, 0}), kCuSuccess);
  CuGraph graph = nullptr;
  ASSERT_EQ(End(&graph), kCuSuccess);
  CuGraphExec exec = nullptr;
  ASSERT_EQ(driver_.graph_instantiate(&exec, graph, 0), kCuSuccess);
  ASSERT_EQ(driver_.release(Address(out)), kCuSuccess);
  ASSERT_EQ(driver_.graph_launch(exec, stream_), kCuSuccess);
  EXPECT_EQ(Synchronize(), kCuIllegalAddress);
}

}  // namespace
}  // namespace llmrt::cuda_host
