// The embedding kernel against ops::OracleEmbed, by equality of bits.
#include "ops/embed.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "cuda/kernels/elementwise.h"
#include "ops/host_storage.h"
#include "tests/cuda/kernels/kernel_case.h"
#include "tests/ops/random_data.h"

namespace llmrt::cuda {
namespace {

using backend::WeightType;
using ops::HostMatrix;

constexpr Element ElementOf(WeightType type) {
  return type == WeightType::kF32   ? Element::kF32
         : type == WeightType::kF16 ? Element::kF16
                                    : Element::kBF16;
}

// Rows [first, first + count) of a batch of which num_rows count.
struct Rows {
  int32_t first;
  int32_t count;
  int32_t num_rows;
};

class EmbedKernelTest : public testing::TestWithParam<WeightType> {
 protected:
  std::unique_ptr<backend::Matrix> MakeTable(int64_t rows, int64_t cols,
                                             const std::vector<uint8_t>& bytes) {
    auto table = HostMatrix::Create(memory_, GetParam(), rows, cols).value();
    EXPECT_TRUE(static_cast<HostMatrix&>(*table).WriteRows(0, bytes).ok());
    return table;
  }

  void Check(const HostMatrix& table, const std::vector<int32_t>& tokens, Rows rows,
             const std::string& name) {
    const int64_t cols = table.cols();
    std::vector<int32_t> positions(tokens.size());
    const backend::Batch batch = {
        .tokens = tokens, .positions = positions, .sequences = positions, .block_tables = {}};
    std::vector<float> expected = Poisoned<float>(tokens.size() * cols);
    const int32_t end = std::min(rows.first + rows.count, rows.num_rows);
    ops::OracleEmbed({.batch = &batch, .table = &table, .out = expected.data()},
                     {rows.first, std::max(rows.first, end)});

    // Tokens of rows that do not count are nothing that a table has.
    std::vector<int32_t> device_tokens = tokens;
    for (size_t i = rows.num_rows; i < tokens.size(); ++i) device_tokens[i] = 0x7fffffff;
    const std::vector<uint8_t> bytes(table.row(0),
                                     table.row(0) + table.rows() * table.row_stride());
    ForSeeds([&](uint64_t seed) {
      DeviceArray<uint8_t> device_table(bytes);
      DeviceArray<int32_t> num_rows(std::vector<int32_t>{rows.num_rows}), ids(device_tokens);
      DeviceArray<float> out(Poisoned<float>(expected.size()));
      const EmbedArgs args = {.step = {.num_rows = num_rows.get(), .tokens = ids.get()},
                              .table = device_table.get(),
                              .row_stride = table.row_stride(),
                              .element = ElementOf(table.type()),
                              .first = rows.first,
                              .cols = cols,
                              .out = out.get()};
      Launch(KernelId::kEmbedKernel, EmbedShape(static_cast<uint32_t>(rows.count)), args);
      EXPECT_EQ(FirstDifference(out.Download(), expected), -1) << name;
      Record(seed, name, out.Download());
    });
  }

  memory::LargeMemory memory_{0};
};

TEST_P(EmbedKernelTest, EqualsTheOracle) {
  ops::Random random(1);
  for (const int64_t cols : kAwkwardDims) {
    const auto bytes = ops::RandomWeights(random, GetParam(), 40, cols, ops::Spread::kWide);
    const auto table = MakeTable(40, cols, bytes);
    std::vector<int32_t> tokens(33);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 40);
    for (const Rows rows : {Rows{0, 1, 1}, Rows{0, 33, 33}, Rows{3, 7, 33}, Rows{2, 31, 9}}) {
      Check(static_cast<const HostMatrix&>(*table), tokens, rows,
            CaseName("embed", {int64_t{static_cast<int>(GetParam())}, cols, rows.first, rows.count,
                               rows.num_rows}));
    }
  }
}

TEST_P(EmbedKernelTest, RowsThatDoNotCountAreLeftAlone) {
  ops::Random random(2);
  const auto bytes = ops::RandomWeights(random, GetParam(), 3, 20, ops::Spread::kNormal);
  const auto table = MakeTable(3, 20, bytes);
  Check(static_cast<const HostMatrix&>(*table), {2, 1, 0, 1}, {0, 4, 0},
        CaseName("embed_none", {static_cast<int>(GetParam())}));
  Check(static_cast<const HostMatrix&>(*table), {2, 1, 0, 1}, {2, 2, 1},
        CaseName("embed_behind", {static_cast<int>(GetParam())}));
}

class EmbedPatternsTest : public EmbedKernelTest {};

// All patterns of 16 bits (infinities, denormals, NaN), in rows of 4096 and of 4095 values.
TEST_P(EmbedPatternsTest, EveryPatternConverts) {
  for (const int64_t cols : {4096, 4095}) {
    const int64_t rows = 65536 / cols;
    std::vector<uint8_t> bytes;
    for (int64_t i = 0; i < rows * cols; ++i) {
      bytes.push_back(static_cast<uint8_t>(i));
      bytes.push_back(static_cast<uint8_t>(i >> 8));
    }
    std::vector<int32_t> tokens;
    for (int64_t row = 0; row < rows; ++row) tokens.push_back(static_cast<int32_t>(row));
    const auto count = static_cast<int32_t>(rows);
    Check(static_cast<const HostMatrix&>(*MakeTable(rows, cols, bytes)), tokens, {0, count, count},
          CaseName("embed_patterns", {int64_t{static_cast<int>(GetParam())}, cols}));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EmbedKernelTest,
                         testing::Values(WeightType::kF32, WeightType::kF16, WeightType::kBF16),
                         [](const auto& info) { return ElementName(ElementOf(info.param)); });
INSTANTIATE_TEST_SUITE_P(Types, EmbedPatternsTest,
                         testing::Values(WeightType::kF16, WeightType::kBF16),
                         [](const auto& info) { return ElementName(ElementOf(info.param)); });

}  // namespace
}  // namespace llmrt::cuda
