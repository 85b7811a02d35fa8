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
#include "numerics/fp_mode.h"

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
  if (!HasAvx2()) GTEST_SKIP() << "this processor has no AVX2";
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
  Sweep([](float x) { return numerics::Exp(x); }, ExpAvx2, true);
}

TEST(VectorFunctionsTest, SiluHasTheBitsOfItsDefinition) {
  Sweep([](float x) { return numerics::Silu(x); }, SiluAvx2, false);
}

#endif

}  // namespace
}  // namespace llmrt::cpu
