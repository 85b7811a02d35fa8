#include "cuda/plugin/error.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace llmrt::cuda {
namespace {

using backend::PluginError;

CuResult NameOf(CuResult error, const char** name) {
  *name = error == kCuOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY" : nullptr;
  return *name != nullptr ? kCuSuccess : kCuInvalidValue;
}

DriverTable Driver() {
  DriverTable driver;
  driver.error_name = NameOf;
  return driver;
}

TEST(ErrorTest, StickyResultsAreThoseOfABrokenContext) {
  for (const CuResult result :
       {kCuDeinitialized, kCuEccUncorrectable, kCuIllegalAddress, kCuLaunchTimeout,
        kCuContextIsDestroyed, kCuAssert, kCuHardwareStackError, kCuIllegalInstruction,
        kCuMisalignedAddress, kCuInvalidAddressSpace, kCuInvalidPc, kCuLaunchFailed, kCuUnknown}) {
    EXPECT_TRUE(IsSticky(result)) << result;
  }
  for (const CuResult result :
       {kCuSuccess, kCuInvalidValue, kCuOutOfMemory, kCuNotInitialized, kCuNoDevice,
        kCuInvalidDevice, kCuInvalidImage, kCuInvalidContext, kCuNoBinaryForGpu, kCuNotFound,
        kCuNotReady, kCuLaunchOutOfResources, static_cast<CuResult>(12345)}) {
    EXPECT_FALSE(IsSticky(result)) << result;
  }
}

TEST(ErrorTest, SuccessTouchesNothing) {
  PluginError error = {.code = 77, .text = "before"};
  EXPECT_EQ(Check(Driver(), kCuSuccess, "cuInit", &error), 0);
  EXPECT_EQ(error.code, 77);
  EXPECT_STREQ(error.text, "before");
}

TEST(ErrorTest, ResultsBecomeCodes) {
  const struct {
    CuResult result;
    int32_t code;
  } cases[] = {{kCuOutOfMemory, kResourceExhausted},
               {kCuNoDevice, kNotFound},
               {kCuInvalidDevice, kNotFound},
               {kCuNoBinaryForGpu, kFailedPrecondition},
               {kCuInvalidImage, kFailedPrecondition},
               {kCuInvalidValue, kInternal},
               {kCuIllegalAddress, backend::kPluginDeviceLost},
               {kCuUnknown, backend::kPluginDeviceLost}};
  for (const auto& c : cases) {
    PluginError error = {};
    EXPECT_EQ(Check(Driver(), c.result, "cuLaunchKernelEx", &error), c.code);
    EXPECT_EQ(error.code, c.code);
    // The call and the number, whatever else.
    EXPECT_NE(std::string(error.text).find("cuLaunchKernelEx"), std::string::npos);
    EXPECT_NE(std::string(error.text).find(std::to_string(static_cast<int>(c.result))),
              std::string::npos);
  }
}

TEST(ErrorTest, NameIsTheDriversOrUnknown) {
  PluginError error = {};
  Check(Driver(), kCuOutOfMemory, "cuMemAlloc", &error);
  EXPECT_STREQ(error.text, "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (2)");
  Check(Driver(), static_cast<CuResult>(4711), "cuMemAlloc", &error);
  EXPECT_STREQ(error.text, "cuMemAlloc: unknown error (4711)");
}

TEST(ErrorTest, LongTextIsCutAndEnded) {
  PluginError error;
  std::memset(&error, 'x', sizeof error);
  const std::string word(1000, 'w');
  EXPECT_EQ(Fail(&error, kInternal, "%s", word.c_str()), kInternal);
  EXPECT_EQ(std::strlen(error.text), sizeof error.text - 1);
}

}  // namespace
}  // namespace llmrt::cuda
