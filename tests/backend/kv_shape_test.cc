// The cache's layout and the planner's formula for its bytes.
#include "backend/kv_shape.h"

#include <vector>

#include "gtest/gtest.h"

namespace llmrt::backend {
namespace {

// 2 (K and V) * layers * KV heads * head dim * bytes: Llama-2-70B in F16 takes 2.62 MB a token with
// 64 KV heads and 0.33 MB with its real 8.
TEST(KvShapeTest, TokenBytesFollowTheFormula) {
  KvShape shape{.num_layers = 80, .num_kv_heads = 64, .head_dim = 128};
  EXPECT_EQ(shape.TokenBytes(), 2621440);
  shape.num_kv_heads = 8;
  EXPECT_EQ(shape.TokenBytes(), 327680);
  shape.type = KvType::kF32;
  EXPECT_EQ(shape.TokenBytes(), 655360);
}

TEST(KvShapeTest, TilesCoverTheBlockWithoutGapOrOverlap) {
  const KvShape shape{.num_layers = 3, .num_kv_heads = 5, .head_dim = 20, .block_size = 32};
  int64_t expected = 0;
  for (int32_t layer = 0; layer < 3; ++layer) {
    for (int32_t kv = 0; kv < 2; ++kv) {
      for (int32_t head = 0; head < 5; ++head) {
        EXPECT_EQ(shape.TileOffset(layer, kv, head), expected);
        expected += shape.TileBytes();
      }
    }
  }
  EXPECT_EQ(expected, shape.BlockBytes());
}

TEST(KvShapeTest, LargeShapesDoNotOverflow) {
  const KvShape shape{.num_layers = 1000, .num_kv_heads = 1000, .head_dim = 1000, .block_size = 32};
  EXPECT_EQ(shape.BlockBytes(), int64_t{128} * 1000 * 1000 * 1000);
}

TEST(KvShapeTest, ElementBytesAndNamesMatch) {
  EXPECT_EQ(KvElementBytes(KvType::kF32), 4);
  EXPECT_EQ(KvElementBytes(KvType::kF16), 2);
  EXPECT_EQ(KvElementBytes(KvType::kBF16), 2);
  EXPECT_EQ(KvTypeName(KvType::kF32), "f32");
  EXPECT_EQ(KvTypeName(KvType::kF16), "f16");
  EXPECT_EQ(KvTypeName(KvType::kBF16), "bf16");
}

}  // namespace
}  // namespace llmrt::backend
