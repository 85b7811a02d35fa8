// Vector code of functions against their definition in numerics/exact_math.h, over all exponents,
// signs, infinities, denormals and NaN.
#include "tests/cpu/vector_functions.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "numerics/exact_math.h"
#include "numerics/float_types.h"
#include "numerics/fp_mode.h"
#include "numerics/lanes.h"

namespace llmrt::cpu {
namespace {

#if defined(__x86_64__)

using numerics::BitsToFloat;
using numerics::FloatBits;

// A prime, so that the low bits of the arguments take every value; LLMRT_EXHAUSTIVE=1 takes all.
uint64_t Stride() { return std::getenv("LLMRT_EXHAUSTIVE") != nullptr ? 1 : 509; }

// Compares bits for every argument, in the mode that kernels run in. Where NaN comes out,
// `nan_bits` says whether its bits are part of the definition.
template <typename Scalar>
void Sweep(Scalar scalar, void (*vector)(const float*, int64_t, float*), bool nan_bits) {
  numerics::ScopedFpMode mode;
  constexpr uint64_t kEnd = uint64_t{1} << 32;
  std::vector<float> in(4096), out(in.size());
  for (uint64_t bits = 0; bits < kEnd;) {
    for (float& x : in) {
      x = BitsToFloat(static_cast<uint32_t>(std::min(bits, kEnd - 1)));
      bits += Stride();
    }
    vector(in.data(), static_cast<int64_t>(in.size()), out.data());
    for (size_t i = 0; i < in.size(); ++i) {
      const float expected = scalar(in[i]);
      if (!nan_bits && std::isnan(expected) && std::isnan(out[i])) continue;
      ASSERT_EQ(FloatBits(out[i]), FloatBits(expected)) << "argument " << in[i];
    }
  }
}

TEST(VectorFunctionsTest, ExpHasTheBitsOfItsDefinition) {
  if (!HasAvx2()) GTEST_SKIP() << "this processor has no AVX2";
  Sweep([](float x) { return numerics::Exp(x); }, ExpAvx2, true);
}

TEST(VectorFunctionsTest, SiluHasTheBitsOfItsDefinition) {
  if (!HasAvx2()) GTEST_SKIP() << "this processor has no AVX2";
  Sweep([](float x) { return numerics::Silu(x); }, SiluAvx2, false);
}

TEST(VectorFunctionsTest, ExpInAvx512HasTheBitsOfItsDefinition) {
  if (!HasAvx512()) GTEST_SKIP() << "this processor has no AVX-512";
  Sweep([](float x) { return numerics::Exp(x); }, ExpAvx512, true);
}

TEST(VectorFunctionsTest, SiluInAvx512HasTheBitsOfItsDefinition) {
  if (!HasAvx512()) GTEST_SKIP() << "this processor has no AVX-512";
  Sweep([](float x) { return numerics::Silu(x); }, SiluAvx512, false);
}

TEST(VectorFunctionsTest, ConversionsInAvx512HaveTheBitsOfTheirDefinitions) {
  if (!HasAvx512()) GTEST_SKIP() << "this processor has no AVX-512";
  numerics::ScopedFpMode mode;
  std::vector<uint16_t> all(1 << 16), f16(4096), bf16(4096);
  std::vector<float> wide_f16(all.size()), wide_bf16(all.size()), in(4096);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  WidenAvx512(all.data(), static_cast<int64_t>(all.size()), wide_f16.data(), wide_bf16.data());
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(FloatBits(wide_f16[i]), FloatBits(numerics::F16ToF32(all[i]))) << i;
    ASSERT_EQ(FloatBits(wide_bf16[i]), FloatBits(numerics::BF16ToF32(all[i]))) << i;
  }
  for (uint64_t bits = 0; bits < uint64_t{1} << 32;) {
    for (float& x : in) {
      x = BitsToFloat(static_cast<uint32_t>(bits));
      bits += 4 * Stride() + 1;
    }
    NarrowAvx512(in.data(), 4096, f16.data(), bf16.data());
    for (size_t i = 0; i < in.size(); ++i) {
      // VCVTPS2PH takes denormals for zero in this mode, and so does every half that is near.
      ASSERT_EQ(f16[i], numerics::F32ToF16(in[i])) << in[i];
      ASSERT_EQ(bf16[i], numerics::F32ToBF16(in[i])) << in[i];
    }
  }
}

TEST(VectorFunctionsTest, LoadsAndStoresInAvx512TouchTheirElementsOnly) {
  if (!HasAvx512()) GTEST_SKIP() << "this processor has no AVX-512";
  for (int64_t count = 0; count <= 48; ++count) {
    // Of its own length, so that a read beyond its end is one beyond its memory.
    std::vector<uint16_t> in(static_cast<size_t>(count), uint16_t{0x3f80});
    std::vector<float> f16(64, -7.0f), bf16(64, -7.0f);
    WidenAvx512(in.data(), count, f16.data(), bf16.data());
    const std::vector<float> floats(bf16.begin(), bf16.begin() + count);
    std::vector<uint16_t> narrow_f16(64, uint16_t{9}), narrow_bf16(64, uint16_t{9});
    NarrowAvx512(floats.data(), count, narrow_f16.data(), narrow_bf16.data());
    for (size_t i = 0; i < 64; ++i) {
      const bool inside = i < static_cast<size_t>(count);
      ASSERT_EQ(bf16[i], inside ? 1.0f : -7.0f) << count;
      ASSERT_EQ(f16[i], inside ? 1.875f : -7.0f) << count;
      ASSERT_EQ(narrow_bf16[i], inside ? 0x3f80 : 9) << count;
      ASSERT_EQ(narrow_f16[i], inside ? 0x3c00 : 9) << count;
    }
  }
}

TEST(VectorFunctionsTest, SumsInAvx512FollowTheTree) {
  if (!HasAvx512()) GTEST_SKIP() << "this processor has no AVX-512";
  float lanes[64], sums[4];
  for (int i = 0; i < 64; ++i) lanes[i] = (i % 2 == 0 ? 1.0f : -1.0f) / static_cast<float>(3 + i);
  FourSumsAvx512(lanes, sums);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(FloatBits(TreeSumAvx512(lanes + i * 16)),
              FloatBits(numerics::TreeSum16(lanes + i * 16)));
    EXPECT_EQ(FloatBits(sums[i]), FloatBits(numerics::TreeSum16(lanes + i * 16)));
    EXPECT_EQ(TreeMaxAvx512(lanes + i * 16), numerics::TreeMax16(lanes + i * 16));
  }
}

#endif

}  // namespace
}  // namespace llmrt::cpu
