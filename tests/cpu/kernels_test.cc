// The kernel tables themselves.
#include "cpu/cpu_features.h"
#include "cpu/kernel_table.h"
#include "gtest/gtest.h"
#include "ops/attention.h"

namespace llmrt::cpu {
namespace {

void ExpectComplete(const KernelTable& table) {
  for (const auto kernel : table.matmul) EXPECT_NE(kernel, nullptr);
  for (const auto kernel : table.attention) EXPECT_NE(kernel, nullptr);
  for (const auto kernel : table.store_kv) EXPECT_NE(kernel, nullptr);
  for (const auto kernel : table.prepare) EXPECT_NE(kernel, nullptr);
  EXPECT_NE(table.rms_norm, nullptr);
  EXPECT_NE(table.rope, nullptr);
  EXPECT_NE(table.swiglu, nullptr);
}

TEST(KernelsTest, EveryTierHasEveryKernel) {
  ExpectComplete(kPortableKernels);
#if defined(__x86_64__)
  ExpectComplete(kAvx2Kernels);
  ExpectComplete(kAvx512Kernels);
  ExpectComplete(kVnniKernels);
  ExpectComplete(kAmxKernels);
#endif
}

TEST(KernelsTest, TiersShareNoMatrixKernel) {
#if defined(__x86_64__)
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    EXPECT_NE(kPortableKernels.matmul[i], kAvx2Kernels.matmul[i]);
    EXPECT_NE(kAvx2Kernels.matmul[i], kAvx512Kernels.matmul[i]);
    // VNNI multiplies bytes; floats it takes from the tier below.
    const bool quantized = backend::IsQuantized(static_cast<backend::WeightType>(i));
    EXPECT_EQ(kAvx512Kernels.matmul[i] != kVnniKernels.matmul[i], quantized);
    // AMX multiplies bfloat16 as well.
    const bool pairs = static_cast<backend::WeightType>(i) == backend::WeightType::kBF16;
    EXPECT_EQ(kVnniKernels.matmul[i] != kAmxKernels.matmul[i], quantized || pairs);
  }
#endif
}

}  // namespace
}  // namespace llmrt::cpu
