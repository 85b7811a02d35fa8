// Accesses that a device would not survive, or would survive by luck.
#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

class AccessTest : public EmulationTest {
 protected:
  // Runs the kernel on 8 words of input and one of output.
  cuda::CuResult Access(uint32_t wrong, int64_t n) {
    if (llmrt_emulation_last_message()[0] != 0) Restart();
    llmrt_emulation_clear_message();
    uint32_t* in = Device({0, 1, 2, 3, 4, 5, 6, 7});
    out_ = Device({100});
    return Run("AccessKernel", 1, 32, {in, out_, n, wrong}, 64);
  }
  bool Says(const char* part) { return message().find(part) != std::string::npos; }

  uint32_t* out_ = nullptr;
};

using cuda::kCuIllegalAddress;
using cuda::kCuMisalignedAddress;
using cuda::kCuSuccess;

TEST_F(AccessTest, TheLastElementIsInsideAndTheNextIsNot) {
  EXPECT_EQ(Access(0, 7), kCuSuccess);
  EXPECT_EQ(Words(out_, 1)[0], 7u);
  EXPECT_EQ(Access(0, 8), kCuIllegalAddress);
  EXPECT_TRUE(Says("Load at test_kernels.cu:")) << message();
  EXPECT_TRUE(Says("byte 32 of an allocation of 32")) << message();
  EXPECT_EQ(Access(0, -1), kCuIllegalAddress);
  EXPECT_EQ(Access(1, 0), kCuSuccess);
  EXPECT_EQ(Access(1, 1), kCuIllegalAddress);
  EXPECT_TRUE(Says("Store at test_kernels.cu:")) << message();
}

TEST_F(AccessTest, AddressesAreAlignedToTheWidthOfTheType) {
  EXPECT_EQ(Access(2, 4), kCuSuccess);
  EXPECT_EQ(Access(2, 2), kCuMisalignedAddress);
  EXPECT_TRUE(Says("not aligned to 4 bytes")) << message();
  EXPECT_EQ(Access(3, 16), kCuSuccess);
  EXPECT_EQ(Words(out_, 1)[0], 7u);
  EXPECT_EQ(Access(3, 8), kCuMisalignedAddress);
  EXPECT_TRUE(Says("not aligned to 16 bytes")) << message();
}

TEST_F(AccessTest, NullAndHostMemoryAreReported) {
  EXPECT_EQ(Access(4, 0), kCuIllegalAddress);
  EXPECT_TRUE(Says("null pointer")) << message();
  EXPECT_EQ(Access(7, 0), kCuIllegalAddress);
}

TEST_F(AccessTest, SharedMemoryEndsWhereTheLaunchSaysAndBeginsAsNaN) {
  EXPECT_EQ(Access(5, 15), kCuSuccess);
  EXPECT_EQ(Access(5, 16), kCuIllegalAddress);
  EXPECT_TRUE(Says("byte 64 of 64")) << message();
  EXPECT_EQ(Access(6, 0), kCuSuccess);
  EXPECT_EQ(Words(out_, 1)[0], 0xffffffffu);
}

TEST_F(AccessTest, FreedMemoryIsOutside) {
  uint32_t* in = Device({1, 2});
  uint32_t* out = Device({0});
  ASSERT_EQ(driver_.release(reinterpret_cast<cuda::CuDevicePointer>(in)), kCuSuccess);
  EXPECT_EQ(Run("AccessKernel", 1, 32, {in, out, 0, 0}), kCuIllegalAddress);
}

}  // namespace
}  // namespace llmrt::cuda_host
