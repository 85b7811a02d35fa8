// Logits of whole models on the device against those of plain float32 arithmetic: equal where the
// CPU sums in the same order, and within what the rounding points allow where it does not.
//
// The bound. With 16-bit weights the device rounds, beyond what float32 arithmetic rounds:
//
//   - every activation of a product to the weights' type: F16 keeps 11 bits, BF16 8, so a value
//     x in [2^e, 2^(e+1)) moves by up to half a unit, 2^(e-11) or 2^(e-8);
//   - queries to the cache's type, and the weights p of attention, likewise;
//   - sums in the matrix unit, cut at 2^-25 of their largest term (2^-24 on Ampere and Ada): a
//     thousandth of the others, and not counted.
//
// K and V are rounded to the cache's type by both. The reference backend (float64 sums) runs with
// the same places disturbed at random, by a uniform move of up to half a unit: a few runs give
// the deviation of every logit under exactly that process, through all the layers, without a guess
// at how errors grow. The device's roundings are one more draw of it. So its moves are to have the
// process' mean square (they would be 8 times too large if F16 were rounded to BF16's 8 bits, and 0
// if the device did not round), and no logit lies beyond some deviations.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "formats/byte_sink.h"
#include "formats/byte_source.h"
#include "formats/gguf_writer.h"
#include "nlohmann/json.hpp"
#include "numerics/float_types.h"
#include "tests/cuda/engine/emulated_engine.h"
#include "tests/model/forwarding_backend.h"
#include "tests/model/step_runner.h"
#include "tests/shared_files.h"

namespace llmrt::testing {
namespace {

using backend::KvType;
using backend::WeightType;
using Rows = std::vector<std::vector<float>>;

RunnerOptions CpuRunner(KvType kv_type) {
  RunnerOptions options;
  options.kv_type = kv_type;
  return options;
}

std::unique_ptr<formats::ModelFile> OpenModel(const std::string& path) {
  formats::FileRange range;
  range.path = path;
  return formats::OpenModelFile(formats::OpenFile(range).value(), nullptr).value();
}

// float32 weights and cache: one class on both devices, so one result, whatever order the device
// runs its threads in.
TEST(CudaValuesTest, Float32ModelGivesTheCpusBits) {
  if (SkipWithoutEmulation()) return;
  const std::string path = SharedFile("models/stories260K-f32.gguf");
  if (SkipWithoutFile(path)) return;
  const auto file = OpenModel(path);
  // "Once upon a time, there was a", three tokens of it alone.
  const std::vector<int32_t> tokens = {1, 403, 407, 261, 378, 432, 383, 286, 261, 376};
  const std::vector<int64_t> chunks = {7, 1};
  StepRunner cpu(*file, CpuRunner(KvType::kF32));
  const Rows expected = cpu.Run(tokens, chunks);
  const std::vector<uint8_t> expected_kv = cpu.KvBytes(0);
  for (const uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    TheEmulation().set_seed(seed);
    StepRunner device(*file, CudaRunner(KvType::kF32));
    EXPECT_EQ(device.Run(tokens, chunks), expected);
    EXPECT_EQ(device.KvBytes(0), expected_kv);
  }
}

// Half a unit in the last place at `value`, for a type of `bits` significant ones.
double HalfUnit(double value, int bits) {
  if (value == 0) return 0;
  int exponent = 0;
  std::frexp(value, &exponent);  // value = [0.5, 1) * 2^exponent
  return std::ldexp(1.0, exponent - 1 - bits);
}

int BitsOf(WeightType type) { return type == WeightType::kF16 ? 11 : 8; }
int BitsOf(KvType type) { return type == KvType::kF16 ? 11 : type == KvType::kBF16 ? 8 : 24; }

// Moves what the device would round, at random.
class DisturbedBackend final : public ForwardingBackend {
 public:
  DisturbedBackend(std::unique_ptr<Backend> inner, int activation_bits, int kv_bits, uint32_t seed)
      : ForwardingBackend(std::move(inner)),
        activation_bits_(activation_bits),
        kv_bits_(kv_bits),
        random_(seed) {}

  absl::Status Prepare(const backend::PrepareParams& params, backend::Range rows) override {
    backend::PrepareParams moved = params;
    moved.in = Moved(params.in, params.cols, rows, activation_bits_);
    return inner().Prepare(moved, rows);
  }
  absl::Status RmsNorm(const backend::RmsNormParams& params, backend::Range rows) override {
    backend::RmsNormParams plain = params;
    plain.prepared = {};
    absl::Status status = inner().RmsNorm(plain, rows);
    return status.ok() ? PrepareMoved(params.out, params.dim, params.prepared, rows) : status;
  }
  absl::Status SwiGlu(const backend::SwiGluParams& params, backend::Range rows) override {
    backend::SwiGluParams plain = params;
    plain.prepared = {};
    absl::Status status = inner().SwiGlu(plain, rows);
    return status.ok() ? PrepareMoved(params.out, params.dim, params.prepared, rows) : status;
  }
  absl::Status Attention(const backend::AttentionParams& params, backend::Range heads) override {
    const int64_t dim = params.cache->shape().head_dim;
    backend::AttentionParams moved = params;
    moved.q = Moved(params.q, dim, heads, kv_bits_);
    absl::Status status = inner().Attention(moved, heads);
    // out_i = sum p_t v_ti / l: moves of the p_t add up to at most one of a value that is as large
    // as out's largest. Their own size is not known here; the head's root mean square stands for
    // it.
    for (int64_t head = heads.begin; head < heads.end; ++head) {
      float* out = params.out + head * dim;
      double squares = 0;
      for (int64_t i = 0; i < dim; ++i) squares += double{out[i]} * out[i];
      const double size = std::sqrt(squares / static_cast<double>(dim));
      for (int64_t i = 0; i < dim; ++i) out[i] = Move(out[i], HalfUnit(size, kv_bits_));
    }
    return status;
  }

 private:
  absl::Status PrepareMoved(const float* in, int64_t cols,
                            absl::Span<const backend::PreparedRows> prepared, backend::Range rows) {
    for (const backend::PreparedRows& output : prepared) {
      absl::Status status =
          Prepare({.in = in, .cols = cols, .format = output.format, .out = output.rows}, rows);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  float Move(double value, double half_unit) {
    return static_cast<float>(value + half_unit * uniform_(random_));
  }
  const float* Moved(const float* in, int64_t cols, backend::Range rows, int bits) {
    scratch_.resize(static_cast<size_t>(rows.end * cols));
    for (int64_t i = rows.begin * cols; i < rows.end * cols; ++i) {
      scratch_[static_cast<size_t>(i)] = Move(in[i], HalfUnit(in[i], bits));
    }
    return scratch_.data();
  }

  const int activation_bits_;
  const int kv_bits_;
  std::mt19937 random_;
  std::uniform_real_distribution<double> uniform_{-1, 1};
  std::vector<float> scratch_;
};

// The same model with its F16 matrices in BF16.
std::unique_ptr<formats::ModelFile> InBFloat16(const formats::ModelFile& file) {
  formats::GgufWriter writer;
  EXPECT_TRUE(writer.AddMetadataOf(file).ok());
  for (const formats::TensorInfo& tensor : file.tensors()) {
    const bool half = tensor.type == WeightType::kF16;
    const int64_t values = tensor.rows() * tensor.cols();
    std::vector<uint8_t> bytes(static_cast<size_t>(values * (half ? 2 : 4)));
    EXPECT_TRUE(file.ReadTensor(tensor, 0, absl::MakeSpan(bytes)).ok());
    auto* words = reinterpret_cast<uint16_t*>(bytes.data());
    for (int64_t i = 0; half && i < values; ++i) {
      words[i] = numerics::F32ToBF16(numerics::F16ToF32(words[i]));
    }
    EXPECT_TRUE(writer
                    .AddTensor(tensor.name, half ? WeightType::kBF16 : tensor.type,
                               {tensor.dims, static_cast<size_t>(tensor.num_dims)},
                               std::move(bytes))
                    .ok());
  }
  formats::MemorySink sink;
  EXPECT_TRUE(writer.Write(sink).ok());
  return formats::OpenModelFile(formats::CopyMemory(sink.bytes()), nullptr).value();
}

struct Case {
  const char* name;
  WeightType weights;
  KvType kv;
};
constexpr Case kCases[] = {{"Float16", WeightType::kF16, KvType::kF16},
                           {"Float16WithBFloat16Cache", WeightType::kF16, KvType::kBF16},
                           {"BFloat16", WeightType::kBF16, KvType::kBF16}};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr int kDraws = 8;

class CudaRoundingTest : public ::testing::TestWithParam<Case> {
 protected:
  static constexpr char kModel[] = "tinystories-1.4M-f16";

  void SetUp() override {
    if (SkipWithoutEmulation()) return;
    const std::string path = SharedFile(std::string("models/") + kModel + ".gguf");
    if (SkipWithoutFile(path)) return;
    file_ = OpenModel(path);
    if (GetParam().weights == WeightType::kBF16) file_ = InBFloat16(*file_);
    std::ifstream in(SharedFile(std::string("models/golden/") + kModel + ".json"));
    golden_ = nlohmann::json::parse(in).at("results");
    RunnerOptions options;
    options.numerics = backend::NumericMode::kReference;
    options.kv_type = GetParam().kv;
    plain_ = std::make_unique<StepRunner>(*file_, options);
    device_ = std::make_unique<StepRunner>(*file_, CudaRunner(GetParam().kv));
    for (int draw = 0; draw < kDraws; ++draw) {
      options.wrap = [draw](std::unique_ptr<backend::Backend> inner) {
        return std::make_unique<DisturbedBackend>(std::move(inner), BitsOf(GetParam().weights),
                                                  BitsOf(GetParam().kv), draw + 1);
      };
      disturbed_.push_back(std::make_unique<StepRunner>(*file_, options));
    }
  }

  // All rows of one step, from nothing.
  static Rows Run(StepRunner& runner, const std::vector<int32_t>& tokens) {
    runner.Rewind(0, 0);
    return runner.Step({{0, tokens}});
  }

  std::unique_ptr<formats::ModelFile> file_;
  nlohmann::json golden_;
  std::unique_ptr<StepRunner> plain_, device_;
  std::vector<std::unique_ptr<StepRunner>> disturbed_;
};

INSTANTIATE_TEST_SUITE_P(Types, CudaRoundingTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

int64_t Argmax(const std::vector<float>& row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

TEST_P(CudaRoundingTest, LogitsMoveAsTheRoundingPointsMoveThem) {
  if (device_ == nullptr) return;
  double squares = 0, expected_squares = 0, worst = 0;
  int64_t steps = 0, different = 0;
  {
    // What the model said, fed to it: one different token does not hide the steps behind it.
    const nlohmann::json& result = golden_.at(2);
    auto tokens = result.at("prompt_tokens").get<std::vector<int32_t>>();
    const auto answer = result.at("greedy_tokens").get<std::vector<int32_t>>();
    tokens.insert(tokens.end(), answer.begin(), answer.begin() + 32);
    const Rows plain = Run(*plain_, tokens), device = Run(*device_, tokens);
    std::vector<Rows> disturbed;
    for (const auto& runner : disturbed_) disturbed.push_back(Run(*runner, tokens));
    for (size_t row = 0; row < tokens.size(); ++row, ++steps) {
      double row_squares = 0, row_worst = 0;
      for (size_t i = 0; i < plain[row].size(); ++i) {
        const double moved = double{device[row][i]} - plain[row][i];
        squares += moved * moved;
        row_worst = std::max(row_worst, std::abs(moved));
        for (const Rows& rows : disturbed) {
          const double move = double{rows[row][i]} - plain[row][i];
          row_squares += move * move / kDraws;
        }
      }
      expected_squares += row_squares;
      const double deviation = std::sqrt(row_squares / static_cast<double>(plain[row].size()));
      worst = std::max(worst, row_worst / deviation);
      // Two tokens change places only where they were as close as that.
      const int64_t best = Argmax(plain[row]), got = Argmax(device[row]);
      if (best == got) continue;
      ++different;
      EXPECT_LT(plain[row][best] - plain[row][got], 8 * deviation) << row;
    }
  }
  const double ratio = std::sqrt(squares / expected_squares);
  std::printf(
      "%s: root mean square %.3f of the process', worst %.1f deviations, %lld of %lld "
      "tokens differ\n",
      GetParam().name, ratio, worst, static_cast<long long>(different),
      static_cast<long long>(steps));
  EXPECT_GT(ratio, 0.75);
  EXPECT_LT(ratio, 1.33);
  EXPECT_LT(worst, 9);
  EXPECT_LE(different, steps / 10);
}

}  // namespace
}  // namespace llmrt::testing
