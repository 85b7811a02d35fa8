#include "cuda_host/async_copies.h"

#include <numeric>

#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

class AsyncCopiesTest : public EmulationTest {
 protected:
  static constexpr uint32_t kWords = 128;

  cuda::CuResult Copy(uint32_t wrong, bool valid = true) {
    std::vector<uint32_t> words(kWords);
    std::iota(words.begin(), words.end(), 1u);
    in_ = Device(words);
    out_ = Device(std::vector<uint32_t>(kWords));
    return Run("CopyKernel", 1, 32, {in_, out_, valid ? 1 : 0, wrong}, 32 * 16 + 16);
  }

  uint32_t* in_ = nullptr;
  uint32_t* out_ = nullptr;
};

using cuda::kCuIllegalAddress;
using cuda::kCuLaunchFailed;
using cuda::kCuMisalignedAddress;
using cuda::kCuSuccess;

TEST_F(AsyncCopiesTest, ACopyLandsWhenItIsWaitedFor) {
  ASSERT_EQ(Copy(0), kCuSuccess) << message();
  EXPECT_EQ(Words(out_, kWords), Words(in_, kWords));
}

TEST_F(AsyncCopiesTest, ACopyThatIsNotValidWritesZerosAndReadsNothing) {
  ASSERT_EQ(Copy(0, false), kCuSuccess) << message();
  EXPECT_EQ(Words(out_, kWords), std::vector<uint32_t>(kWords));
  EXPECT_EQ(Copy(5, false), kCuSuccess) << message();
}

TEST_F(AsyncCopiesTest, BeforeTheWaitTheTargetIsPoison) {
  ASSERT_EQ(Copy(1), kCuSuccess) << message();
  EXPECT_EQ(Words(out_, kWords), std::vector<uint32_t>(kWords, 0xffffffffu));
}

TEST_F(AsyncCopiesTest, CopiesThatNobodyWaitsForFailTheLaunch) {
  EXPECT_EQ(Copy(2), kCuLaunchFailed);
  EXPECT_NE(message().find("CopyAsync16 at test_kernels.cu"), std::string::npos) << message();
  EXPECT_NE(message().find("pending"), std::string::npos) << message();
  Restart();
  EXPECT_EQ(Copy(3), kCuLaunchFailed);  // a copy in no group is waited for by nobody
}

TEST_F(AsyncCopiesTest, AddressesOfCopiesAreChecked) {
  EXPECT_EQ(Copy(4), kCuMisalignedAddress);
  Restart();
  EXPECT_EQ(Copy(5), kCuIllegalAddress);
  Restart();
  EXPECT_EQ(Copy(6), kCuIllegalAddress);
  EXPECT_NE(message().find("outside of this block's shared memory"), std::string::npos);
}

TEST_F(AsyncCopiesTest, TheNewestGroupsMayStillBeOnTheirWay) {
  uint32_t* in = Device({1, 2, 3, 4, 5, 6, 7, 8});
  uint32_t* out = Device({0, 0, 0});
  ASSERT_EQ(Run("TwoGroupsKernel", 1, 32, {in, out}), kCuSuccess) << message();
  EXPECT_EQ(Words(out, 3), (std::vector<uint32_t>{1, 0xffffffffu, 5}));
}

// A kernel that changes what a copy reads finds either value.
TEST_F(AsyncCopiesTest, TheSourceIsReadEarlyOrLate) {
  bool early = false, late = false;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    llmrt_emulation_set_seed(seed);
    uint32_t* out = Device({0});
    ASSERT_EQ(Run("LateSourceKernel", 1, 32, {Device({1, 2, 3, 4}), out}), kCuSuccess);
    const uint32_t word = Words(out, 1)[0];
    early = early || word == 1;
    late = late || word == 99;
  }
  EXPECT_TRUE(early && late);
}

}  // namespace
}  // namespace llmrt::cuda_host
