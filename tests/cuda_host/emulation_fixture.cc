#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {

using namespace cuda;

// Each function under the driver's symbol.
#define LLMRT_CUDA_LINKED(member, symbol, parameters) \
  extern "C" CuResult linked_##member parameters __asm__(symbol);
LLMRT_CUDA_DRIVER_ENTRIES(LLMRT_CUDA_LINKED)

const DriverTable& LinkedDriver() {
#define LLMRT_CUDA_LINKED_MEMBER(member, symbol, parameters) .member = linked_##member,
  static const DriverTable table = {LLMRT_CUDA_DRIVER_ENTRIES(LLMRT_CUDA_LINKED_MEMBER)};
  return table;
}

void EmulationTest::SetUp() {
  llmrt_emulation_reset();
  ASSERT_EQ(driver_.init(0), kCuSuccess);
  ASSERT_EQ(driver_.device_get(&device_, 0), kCuSuccess);
  Restart();
}

void EmulationTest::TearDown() {
  llmrt_emulation_fail_no_call();
  if (context_ != nullptr) {
    EXPECT_EQ(driver_.context_destroy(context_), kCuSuccess);
  }
  LlmrtEmulationCounts counts;
  llmrt_emulation_counts(&counts);
  EXPECT_EQ(counts.contexts, 0u);
  EXPECT_EQ(counts.allocations, 0u);
}

void EmulationTest::Restart() {
  if (context_ != nullptr) {
    ASSERT_EQ(driver_.context_destroy(context_), kCuSuccess);
  }
  ASSERT_EQ(driver_.context_create(&context_, 0, device_), kCuSuccess);
  ASSERT_EQ(driver_.stream_create(&stream_, kCuStreamNonBlocking), kCuSuccess);
  ASSERT_EQ(driver_.module_load(&module_, "image"), kCuSuccess);
}

uint32_t* EmulationTest::Device(const std::vector<uint32_t>& words) {
  CuDevicePointer pointer = 0;
  EXPECT_EQ(driver_.allocate(&pointer, words.size() * 4), kCuSuccess);
  EXPECT_EQ(driver_.copy_to_device(pointer, words.data(), words.size() * 4, stream_), kCuSuccess);
  EXPECT_EQ(Synchronize(), kCuSuccess);
  return reinterpret_cast<uint32_t*>(pointer);
}

std::vector<uint32_t> EmulationTest::Words(const uint32_t* device, size_t count) {
  std::vector<uint32_t> words(count);
  driver_.copy_to_host(words.data(), reinterpret_cast<CuDevicePointer>(device), count * 4, stream_);
  Synchronize();
  return words;
}

CuResult EmulationTest::Queue(const char* kernel, uint32_t blocks, uint32_t threads,
                              const TestArgs& args, uint32_t shared_bytes) {
  CuFunction function = nullptr;
  if (const CuResult result = driver_.module_function(&function, module_, kernel);
      result != kCuSuccess) {
    return result;
  }
  const CuLaunchConfig config = {.grid_x = blocks,
                                 .grid_y = 1,
                                 .grid_z = 1,
                                 .block_x = threads,
                                 .block_y = 1,
                                 .block_z = 1,
                                 .shared_bytes = shared_bytes,
                                 .stream = stream_,
                                 .attributes = nullptr,
                                 .num_attributes = 0};
  void* arguments[] = {const_cast<TestArgs*>(&args)};
  return driver_.launch(&config, function, arguments, nullptr);
}

CuResult EmulationTest::Run(const char* kernel, uint32_t blocks, uint32_t threads,
                            const TestArgs& args, uint32_t shared_bytes) {
  const CuResult result = Queue(kernel, blocks, threads, args, shared_bytes);
  return result == kCuSuccess ? Synchronize() : result;
}

}  // namespace llmrt::cuda_host
