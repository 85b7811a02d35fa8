#include "cuda/test_device.h"

#include <gtest/gtest.h>

namespace llmrt::cuda {
namespace {

TEST(TestDeviceTest, ThereIsADevice) {
  ASSERT_TRUE(TestDevice::Get().ok()) << TestDevice::Get().problem();
  EXPECT_GE(TestDevice::Get().major(), 8);
}

TEST(TestDeviceTest, FreshArraysHoldNans) {
  const DeviceArray<uint32_t> array(3);
  EXPECT_EQ(array.Download(), std::vector<uint32_t>(3, 0xffffffffu));
}

TEST(TestDeviceTest, WhatWasUploadedComesBack) {
  const std::vector<float> values = {1.0f, -2.0f, 3.5f};
  EXPECT_EQ(DeviceArray<float>(values).Download(), values);
}

}  // namespace
}  // namespace llmrt::cuda
