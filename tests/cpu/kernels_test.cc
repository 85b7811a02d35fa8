// The kernel tables themselves.
#include <set>

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

// Vector kernels read quantized rows packed, and all others as they are; a kernel without the
// packing that it counts on would read from nowhere, one with another type's from wrong places.
TEST(KernelsTest, KernelsThatReadPackedRowsHaveAPacking) {
  for (const Packing& packing : kPortableKernels.packing) {
    EXPECT_TRUE(packing.tile == nullptr && packing.pack == nullptr);
  }
#if defined(__x86_64__)
  for (const KernelTable* table : {&kAvx2Kernels, &kAvx512Kernels, &kVnniKernels, &kAmxKernels}) {
    std::set<RowTile (*)(int64_t)> tiles;
    std::set<void (*)(const PackTask&)> packs;
    int quantized_types = 0;
    for (int i = 0; i < backend::kWeightTypeCount; ++i) {
      const bool quantized = backend::IsQuantized(static_cast<backend::WeightType>(i));
      EXPECT_EQ(table->packing[i].tile != nullptr, quantized) << i;
      EXPECT_EQ(table->packing[i].pack != nullptr, quantized) << i;
      quantized_types += quantized;
      if (!quantized) continue;
      tiles.insert(table->packing[i].tile);
      packs.insert(table->packing[i].pack);
      // The kernels of the tiers above read the tiles of avx512.
      if (table == &kAvx2Kernels) continue;
      EXPECT_EQ(table->packing[i].tile, kAvx512Kernels.packing[i].tile) << i;
      EXPECT_EQ(table->packing[i].pack, kAvx512Kernels.packing[i].pack) << i;
    }
    EXPECT_EQ(tiles.size(), static_cast<size_t>(quantized_types));
    EXPECT_EQ(packs.size(), static_cast<size_t>(quantized_types));
  }
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
