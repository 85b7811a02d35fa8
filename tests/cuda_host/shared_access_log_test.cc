#include "cuda_host/shared_access_log.h"

#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

constexpr auto kNobody = SharedAccessLog::kNobody;
constexpr auto kWarp = SharedAccessLog::kWarpBit;

class SharedAccessLogTest : public ::testing::Test {
 protected:
  void SetUp() override { log_.BeginBlock(); }
  SharedAccessLog log_{1024};
};

TEST_F(SharedAccessLogTest, AReadOfAnotherThreadsWriteNeedsABarrier) {
  EXPECT_EQ(log_.Write(16, 4, 3, false), kNobody);
  EXPECT_EQ(log_.Read(16, 4, 3), kNobody);
  EXPECT_EQ(log_.Read(18, 2, 4), 3u);
  EXPECT_EQ(log_.Read(20, 4, 4), kNobody);  // other bytes
  log_.SyncBlock();
  EXPECT_EQ(log_.Read(16, 4, 40), kNobody);
}

TEST_F(SharedAccessLogTest, AWarpsBarrierOrdersThatWarpAlone) {
  log_.Write(0, 8, 3, false);
  log_.SyncWarp(1);
  EXPECT_EQ(log_.Read(0, 8, 4), 3u);
  log_.SyncWarp(0);
  EXPECT_EQ(log_.Read(0, 8, 4), kNobody);
  EXPECT_EQ(log_.Read(0, 8, 40), 3u);
}

TEST_F(SharedAccessLogTest, AWriteWaitsForAllReaders) {
  log_.Read(0, 4, 1);
  log_.Read(0, 4, 2);
  EXPECT_NE(log_.Write(0, 4, 2, false), kNobody);
  EXPECT_NE(log_.Write(0, 4, 1, false), kNobody);
  log_.SyncWarp(0);
  EXPECT_EQ(log_.Write(0, 4, 2, false), kNobody);
  log_.Read(4, 4, 1);
  log_.Read(4, 4, 40);
  log_.SyncWarp(1);
  EXPECT_NE(log_.Write(4, 4, 41, false), kNobody);
  log_.SyncBlock();
  EXPECT_EQ(log_.Write(4, 4, 41, false), kNobody);
}

TEST_F(SharedAccessLogTest, ThreadsMayWriteOneValueTogether) {
  log_.Write(0, 4, 1, false);
  EXPECT_EQ(log_.Write(0, 4, 2, true), kNobody);
  EXPECT_EQ(log_.Write(0, 4, 3, false), 2u);
}

TEST_F(SharedAccessLogTest, WhatAWarpReadsTogetherItsLanesMustNotHaveJustWritten) {
  log_.Write(0, 16, 5, false);
  EXPECT_EQ(log_.Read(0, 16, 5 | kWarp), 5u);
  log_.SyncWarp(0);
  EXPECT_EQ(log_.Read(0, 16, 5 | kWarp), kNobody);
  EXPECT_EQ(log_.Write(0, 16, 5, false), 5u);
}

TEST_F(SharedAccessLogTest, ABlockDoesNotSeeTheOneBefore) {
  log_.Write(0, 16, 5, false);
  log_.BeginBlock();
  EXPECT_EQ(log_.Read(0, 16, 6), kNobody);
}

using RaceTest = EmulationTest;

TEST_F(RaceTest, AMissingBarrierFailsTheLaunchInEveryOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* in = Device(std::vector<uint32_t>(64));
    EXPECT_EQ(Run("ReverseKernel", 1, 64, {in, in, 0, 1}), cuda::kCuLaunchFailed);
    EXPECT_NE(message().find("races with thread"), std::string::npos) << message();
    Restart();
    // Values that are equal to what is there do not race; these are not.
    in = Device(std::vector<uint32_t>(32, 5));
    EXPECT_EQ(Run("ReverseWarpKernel", 1, 32, {in, in, 0, 1}), cuda::kCuLaunchFailed);
    Restart();
  }
}

}  // namespace
}  // namespace llmrt::cuda_host
