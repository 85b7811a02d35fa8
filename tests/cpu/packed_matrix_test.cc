// Matrices of panels: rows come in any order and any number, and come back as they were.
#include "cpu/packed_matrix.h"

#include <algorithm>
#include <string>
#include <vector>

#include "cpu/panel_layout.h"
#include "gtest/gtest.h"
#include "quant/dequantize.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::WeightType;

std::unique_ptr<backend::Matrix> Create(WeightType type, int64_t rows, int64_t cols) {
  return PackedMatrix::Create(TestMemory(), type, rows, cols).value();
}

int64_t ColsOf(WeightType type) {
  const int64_t block = backend::GeometryOf(type).values;
  return block == 256 ? 512 : block == 32 ? 96 : 45;
}

TEST(PackedMatrixTest, RowsWrittenInAnyOrderComeBack) {
  ops::Random random(41);
  for (const WeightType type : ops::kAllWeightTypes) {
    const int64_t cols = ColsOf(type), row_bytes = backend::RowBytes(type, cols).value();
    for (const int64_t rows : {1, 15, 16, 17, 50}) {
      const auto matrix = Create(type, rows, cols);
      auto& packed = static_cast<PackedMatrix&>(*matrix);
      const std::vector<uint8_t> bytes =
          ops::RandomWeights(random, type, rows, cols, ops::Spread::kWide);
      // Runs of one to five rows, the last run first.
      for (int64_t end = rows; end > 0;) {
        const int64_t begin = std::max<int64_t>(0, end - 1 - static_cast<int64_t>(random() % 5));
        const absl::Span<const uint8_t> run(bytes.data() + begin * row_bytes,
                                            (end - begin) * row_bytes);
        ASSERT_TRUE(packed.WriteRows(begin, run).ok());
        end = begin;
      }
      for (int64_t row = 0; row < rows; ++row) {
        std::vector<float> expected(cols), out(cols);
        const absl::Span<const uint8_t> file(bytes.data() + row * row_bytes, row_bytes);
        ASSERT_TRUE(quant::DequantizeRow(type, file, absl::MakeSpan(expected)).ok());
        packed.DequantizeRow(row, out.data());
        ASSERT_EQ(ops::FirstDifference(out, expected), -1)
            << backend::GeometryOf(type).name << " row " << row << " of " << rows;
      }
    }
  }
}

TEST(PackedMatrixTest, FeaturesThatTheLastPanelLacksAreZero) {
  const auto matrix = Create(WeightType::kF32, 19, 16);
  const auto& packed = static_cast<const PackedMatrix&>(*matrix);
  const auto* last = reinterpret_cast<const float*>(packed.panels() + packed.panel_bytes());
  for (int64_t i = 3 * 16; i < kPanelRows * 16; ++i) ASSERT_EQ(last[i], 0.0f);
}

TEST(PackedMatrixTest, BytesCountWholePanelsAndGroups) {
  EXPECT_EQ(PackedMatrix::Bytes(WeightType::kQ4_0, 16, 64).value(), 576);
  EXPECT_EQ(PackedMatrix::Bytes(WeightType::kQ4_0, 17, 96).value(), 2 * 2 * 576);
  EXPECT_EQ(PackedMatrix::Bytes(WeightType::kF32, 1, 1).value(), 1024);
  const auto matrix = Create(WeightType::kQ8_0, 33, 32);
  EXPECT_EQ(static_cast<const PackedMatrix&>(*matrix).panel_bytes(), 1088);
  EXPECT_EQ(matrix->rows(), 33);
  EXPECT_EQ(matrix->cols(), 32);
}

TEST(PackedMatrixTest, ImpossibleShapesAreRefused) {
  EXPECT_FALSE(PackedMatrix::Bytes(WeightType::kQ4_0, 16, 33).ok()) << "half a block";
  EXPECT_FALSE(PackedMatrix::Bytes(WeightType::kQ6_K, 16, 32).ok());
  EXPECT_FALSE(PackedMatrix::Bytes(WeightType::kF32, -1, 32).ok());
  EXPECT_FALSE(PackedMatrix::Bytes(WeightType::kF32, int64_t{1} << 40, int64_t{1} << 40).ok());
}

TEST(PackedMatrixTest, RowsOutsideTheMatrixAreRefused) {
  const auto matrix = Create(WeightType::kQ4_0, 20, 32);
  auto& packed = static_cast<PackedMatrix&>(*matrix);
  const std::vector<uint8_t> rows(18 * 21);
  const auto write = [&](int64_t first, int64_t bytes) {
    return packed.WriteRows(first, absl::MakeConstSpan(rows).first(bytes)).code();
  };
  EXPECT_EQ(write(0, 18 * 20), absl::StatusCode::kOk);
  EXPECT_EQ(write(20, 0), absl::StatusCode::kOk) << "no row at all";
  EXPECT_EQ(write(0, 18 * 21), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(write(20, 18), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(write(-1, 18), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(write(21, 0), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(write(3, 17), absl::StatusCode::kOutOfRange) << "part of a row";
  const absl::Status status = packed.WriteRows(20, absl::MakeConstSpan(rows).first(18));
  EXPECT_NE(status.message().find("20 rows"), std::string::npos) << "says the limit";
}

}  // namespace
}  // namespace llmrt::cpu
