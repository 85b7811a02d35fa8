#include "ops/host_storage.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "quant/dequantize.h"
#include "tests/ops/random_data.h"

namespace llmrt::ops {
namespace {

using backend::WeightType;

TEST(HostStorageTest, MatrixBytesAreWhatIsAllocated) {
  for (const WeightType type : kAllWeightTypes) {
    memory::LargeMemory memory(0);
    auto matrix = HostMatrix::Create(memory, type, 7, 256).value();
    EXPECT_EQ(memory.used_bytes(memory::Tag::kWeights), HostMatrix::Bytes(type, 7, 256).value());
    EXPECT_EQ(matrix->type(), type);
    EXPECT_EQ(matrix->rows(), 7);
    EXPECT_EQ(matrix->cols(), 256);
  }
}

TEST(HostStorageTest, RowsArePaddedWithZerosAndReadBackAsWritten) {
  memory::LargeMemory memory(0);
  Random random(1);
  for (const WeightType type : kAllWeightTypes) {
    const int64_t cols = backend::IsQuantized(type) ? 256 : 20;
    auto owned = HostMatrix::Create(memory, type, 5, cols).value();
    auto& matrix = static_cast<HostMatrix&>(*owned);
    const auto bytes = RandomWeights(random, type, 5, cols, Spread::kNormal);
    const int64_t row_bytes = backend::RowBytes(type, cols).value();
    const absl::Span<const uint8_t> all(bytes);
    ASSERT_TRUE(matrix.WriteRows(3, all.subspan(3 * row_bytes)).ok());
    ASSERT_TRUE(matrix.WriteRows(0, all.subspan(0, 3 * row_bytes)).ok());
    for (int64_t row = 0; row < 5; ++row) {
      EXPECT_EQ(std::memcmp(matrix.row(row), bytes.data() + row * row_bytes, row_bytes), 0);
      for (int64_t i = row_bytes; i < matrix.row_stride(); ++i) EXPECT_EQ(matrix.row(row)[i], 0);
      std::vector<float> expected(cols), out(cols);
      ASSERT_TRUE(quant::DequantizeRow(type, all.subspan(row * row_bytes, row_bytes),
                                       absl::MakeSpan(expected))
                      .ok());
      matrix.DequantizeRow(row, out.data());
      EXPECT_EQ(FirstDifference(out, expected), -1);
      const int64_t half = backend::GeometryOf(type).values == 256 ? 0 : cols / 2;
      matrix.DequantizePart(row, {half, cols}, out.data());
      EXPECT_EQ(std::memcmp(out.data(), expected.data() + half,
                            static_cast<size_t>(cols - half) * sizeof(float)),
                0);
    }
    // Vector loads read whole lanes of 64 bytes where values are not packed in blocks.
    EXPECT_TRUE(backend::IsQuantized(type) || matrix.row_stride() % 64 == 0);
  }
}

TEST(HostStorageTest, RowsOutsideTheMatrixAreRefused) {
  memory::LargeMemory memory(0);
  auto owned = HostMatrix::Create(memory, WeightType::kQ8_0, 2, 32).value();
  auto& matrix = static_cast<HostMatrix&>(*owned);
  const std::vector<uint8_t> bytes(34 * 3);
  const absl::Span<const uint8_t> all(bytes);
  EXPECT_TRUE(matrix.WriteRows(0, all.subspan(0, 68)).ok());
  EXPECT_TRUE(matrix.WriteRows(2, {}).ok());
  EXPECT_FALSE(matrix.WriteRows(0, all).ok());
  EXPECT_FALSE(matrix.WriteRows(1, all.subspan(0, 68)).ok());
  EXPECT_FALSE(matrix.WriteRows(0, all.subspan(0, 33)).ok());
  EXPECT_FALSE(matrix.WriteRows(-1, all.subspan(0, 34)).ok());
}

TEST(HostStorageTest, RowsMayComeFromSeveralThreads) {
  memory::LargeMemory memory(0);
  Random random(2);
  constexpr int64_t kRows = 64;
  auto owned = HostMatrix::Create(memory, WeightType::kQ4_0, kRows, 64).value();
  auto& matrix = static_cast<HostMatrix&>(*owned);
  const auto bytes = RandomWeights(random, WeightType::kQ4_0, kRows, 64, Spread::kNormal);
  const absl::Span<const uint8_t> all(bytes);
  std::vector<std::thread> writers;
  for (int64_t w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      for (int64_t row = w; row < kRows; row += 4) {
        EXPECT_TRUE(matrix.WriteRows(row, all.subspan(row * 36, 36)).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(std::memcmp(matrix.row(0), bytes.data(), bytes.size()), 0);
}

TEST(HostStorageTest, ImpossibleShapesAreRefused) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(HostMatrix::Bytes(WeightType::kQ8_0, 1, 33).ok());
  EXPECT_FALSE(HostMatrix::Bytes(WeightType::kQ4_K, 1, 128).ok());
  EXPECT_FALSE(HostMatrix::Bytes(WeightType::kF32, 1, 0).ok());
  EXPECT_FALSE(HostMatrix::Bytes(WeightType::kF32, -1, 4).ok());
  EXPECT_FALSE(HostMatrix::Bytes(WeightType::kF32, kHuge, 4).ok());
  EXPECT_FALSE(HostMatrix::Bytes(WeightType::kF32, 4, kHuge).ok());
  EXPECT_FALSE(HostMatrix::Bytes(WeightType::kF32, int64_t{1} << 40, int64_t{1} << 40).ok());
  EXPECT_EQ(HostMatrix::Bytes(WeightType::kQ8_0, 0, 32).value(), 0);
  memory::LargeMemory memory(0);
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  EXPECT_FALSE(HostKvCache::Create(memory, {}, 1).ok());
  EXPECT_FALSE(
      HostKvCache::Create(memory, {.num_layers = 1, .num_kv_heads = 1, .head_dim = 8}, -1).ok());
  EXPECT_FALSE(
      HostKvCache::Create(
          memory, {.num_layers = kMost, .num_kv_heads = kMost, .head_dim = kMost, .block_size = 32},
          kMost)
          .ok());
  EXPECT_FALSE(HostBuffer::Create(memory, -1, memory::Tag::kWorkspace).ok());
}

TEST(HostStorageTest, TilesOfABlockFollowEachOtherAndCopiesTakeWholeBlocks) {
  memory::LargeMemory memory(0);
  const backend::KvShape shape = {.num_layers = 2, .num_kv_heads = 3, .head_dim = 8};
  auto owned = HostKvCache::Create(memory, shape, 4).value();
  auto& cache = static_cast<HostKvCache&>(*owned);
  EXPECT_EQ(cache.Tile(0, 0, 0, 0), cache.data());
  EXPECT_EQ(cache.Tile(0, 0, 0, 1) - cache.data(), shape.TileBytes());
  EXPECT_EQ(cache.Tile(0, 0, 1, 0) - cache.data(), 3 * shape.TileBytes());
  EXPECT_EQ(cache.Tile(0, 1, 0, 0) - cache.data(), 6 * shape.TileBytes());
  EXPECT_EQ(cache.Tile(3, 1, 1, 2) - cache.data(), 4 * shape.BlockBytes() - shape.TileBytes());

  for (int32_t b = 0; b < 4; ++b) {
    std::memset(cache.data() + b * shape.BlockBytes(), b, shape.BlockBytes());
  }
  ASSERT_TRUE(cache.CopyBlocks({{1, 3}, {2, 2}, {3, 0}}).ok()) << "in order";
  std::vector<uint8_t> block(shape.BlockBytes());
  for (const int32_t b : {0, 1, 3}) {
    ASSERT_TRUE(cache.ReadBlock(b, absl::MakeSpan(block)).ok());
    EXPECT_EQ(std::count(block.begin(), block.end(), 1), shape.BlockBytes());
  }
  EXPECT_FALSE(cache.CopyBlocks({{0, 4}}).ok());
  EXPECT_FALSE(cache.CopyBlocks({{-1, 0}}).ok());
  EXPECT_FALSE(cache.ReadBlock(4, absl::MakeSpan(block)).ok());
  EXPECT_FALSE(cache.ReadBlock(0, absl::MakeSpan(block).subspan(1)).ok());
}

TEST(HostStorageTest, TransfersStayInsideTheBuffer) {
  memory::LargeMemory memory(0);
  auto buffer = HostBuffer::Create(memory, 8, memory::Tag::kWorkspace).value();
  std::vector<uint8_t> in = {1, 2, 3, 4}, out(4);
  EXPECT_TRUE(UploadToHost(*buffer, 4, in).ok());
  EXPECT_TRUE(DownloadFromHost(*buffer, 4, absl::MakeSpan(out)).ok());
  EXPECT_EQ(in, out);
  EXPECT_FALSE(UploadToHost(*buffer, 5, in).ok());
  EXPECT_FALSE(UploadToHost(*buffer, -1, in).ok());
  EXPECT_FALSE(
      DownloadFromHost(*buffer, std::numeric_limits<int64_t>::max(), absl::MakeSpan(out)).ok());
  EXPECT_TRUE(UploadToHost(*buffer, 8, {}).ok());
}

}  // namespace
}  // namespace llmrt::ops
