// Launches test kernels on the emulated driver, which is linked into the program.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "cuda/driver/driver_table.h"
#include "cuda_host/control.h"
#include "cuda_host/test_kernels.h"

namespace llmrt::cuda_host {

// The driver's functions without a library.
const cuda::DriverTable& LinkedDriver();

// A context with a stream on a freshly reset emulation; nothing may be left in the end.
class EmulationTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Device memory with these words; freed with the context.
  uint32_t* Device(const std::vector<uint32_t>& words);
  std::vector<uint32_t> Words(const uint32_t* device, size_t count);

  // Queues a launch of one-dimensional blocks.
  cuda::CuResult Queue(const char* kernel, uint32_t blocks, uint32_t threads,
                       const cuda::TestArgs& args, uint32_t shared_bytes = 4096);
  // The same, and waits for it.
  cuda::CuResult Run(const char* kernel, uint32_t blocks, uint32_t threads,
                     const cuda::TestArgs& args, uint32_t shared_bytes = 4096);
  cuda::CuResult Synchronize() { return driver_.stream_synchronize(stream_); }
  std::string message() const { return llmrt_emulation_last_message(); }
  // A context that a fault has broken makes place for a new one.
  void Restart();

  const cuda::DriverTable& driver_ = LinkedDriver();
  cuda::CuDevice device_ = 0;
  cuda::CuContext context_ = nullptr;
  cuda::CuStream stream_ = nullptr;
  cuda::CuModule module_ = nullptr;
};

}  // namespace llmrt::cuda_host
