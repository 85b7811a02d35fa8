#include "cuda/test_device.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "cuda/kernels/elementwise.h"
#include "temp_folder.h"

namespace llmrt::cuda {
namespace {

class TestDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(device_.ok()) << device_.problem(); }
  // out = swiglu of zeros and `up`.
  std::string RunSwiGlu(const DeviceArray<float>& up, const DeviceArray<float>& out,
                        int64_t count) {
    const DeviceArray<float> gate(std::vector<float>(up.size()));
    const SwiGluArgs args = {gate.get(), up.get(), count, out.get()};
    return device_.Launch(KernelId::kSwiGluKernel, SwiGluShape(args), args);
  }
  TestDevice& device_ = TestDevice::Get();
};

TEST_F(TestDeviceTest, ThereIsADevice) { EXPECT_GE(device_.major(), 8); }

TEST_F(TestDeviceTest, FreshArraysHoldNans) {
  const DeviceArray<uint32_t> array(3);
  EXPECT_EQ(array.Download(), std::vector<uint32_t>(3, 0xffffffffu));
}

TEST_F(TestDeviceTest, WhatWasUploadedComesBack) {
  const std::vector<float> values = {1.0f, -2.0f, 3.5f};
  EXPECT_EQ(DeviceArray<float>(values).Download(), values);
}

TEST_F(TestDeviceTest, ALaunchIsOverWhenItReturns) {
  const DeviceArray<float> up(std::vector<float>(300, 1.0f)), out(300);
  EXPECT_EQ(RunSwiGlu(up, out, 300), "");
  EXPECT_EQ(out.Download(), std::vector<float>(300, 0.0f));
}

TEST_F(TestDeviceTest, AFaultIsToldAndTheNextTestStartsAfresh) {
  if (device_.emulation() == nullptr) GTEST_SKIP() << "a real GPU need not notice";
  {
    const DeviceArray<float> up(std::vector<float>(300)), out(299);
    const std::string problem = RunSwiGlu(up, out, 300);
    EXPECT_NE(problem.find("CUDA_ERROR_ILLEGAL_ADDRESS"), std::string::npos) << problem;
    EXPECT_NE(problem.find("SwiGluKernel: block (1, 0, 0), thread 43, Store at "),
              std::string::npos)
        << problem;
    EXPECT_NE(RunSwiGlu(up, out, 1), "");  // this context is lost
  }
  const DeviceArray<float> up(std::vector<float>(3)), out(3);
  EXPECT_EQ(RunSwiGlu(up, out, 3), "");
  EXPECT_EQ(out.Download(), std::vector<float>(3));
}

TEST_F(TestDeviceTest, TheArchitectureCanBeChanged) {
  if (device_.emulation() == nullptr) GTEST_SKIP() << "a real GPU is what it is";
  ASSERT_EQ(device_.emulation()->set_architecture(8, 6), 1);
  device_.Restart();
  EXPECT_EQ(device_.major() * 10 + device_.minor(), 86);
  ASSERT_EQ(device_.emulation()->set_architecture(9, 0), 1);
  device_.Restart();
  EXPECT_EQ(device_.major() * 10 + device_.minor(), 90);
}

TEST(RecordHashTest, ARunIsComparedWithAnEarlierOne) {
  const testing::TempFolder folder;
  const std::string file = folder / "hashes";
  const std::vector<uint32_t> values = {1, 2};
  ::setenv("LLMRT_TEST_HASHES_READ", file.c_str(), 1);
  EXPECT_NE(RecordHash("a case", values), "");  // nothing is there yet
  ::unsetenv("LLMRT_TEST_HASHES_READ");
  ::setenv("LLMRT_TEST_HASHES_WRITE", file.c_str(), 1);
  EXPECT_EQ(RecordHash("a case", values), "");
  ::unsetenv("LLMRT_TEST_HASHES_WRITE");
  ::setenv("LLMRT_TEST_HASHES_READ", file.c_str(), 1);
  EXPECT_EQ(RecordHash("a case", values), "");
  EXPECT_NE(RecordHash("a case", std::vector<uint32_t>{1, 3}), "");
  EXPECT_NE(RecordHash("another case", values), "");
  ::unsetenv("LLMRT_TEST_HASHES_READ");
  EXPECT_EQ(RecordHash("another case", values), "");
  std::ifstream written(file);
  std::string line;
  std::getline(written, line);
  EXPECT_EQ(line, "{\"case\": \"a case\", \"fnv1a\": \"c9c28939c99668c6\"}");
}

}  // namespace
}  // namespace llmrt::cuda
