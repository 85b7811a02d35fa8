// Random models of odd shapes (grouped heads 1, 3, 4, 7; head dims 20, 64, 80, 128; vocabularies
// and widths that nothing divides) against an independent float64 computation. Tolerances come with
// the golden files; tools/reference/README.md derives them.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "formats/byte_source.h"
#include "nlohmann/json.hpp"
#include "tests/model/step_runner.h"

namespace llmrt::model {
namespace {

// An error field is one correct implementation's largest deviation; another's is of the same
// distribution.
constexpr double kOtherImplementation = 3;

// Rounding activations to bfloat16 moves a value by 2^-7 / sqrt(12) of itself at most (root mean
// square), int8 blocks of normal values by 2.4 / 127 / sqrt(12).
constexpr double kBf16OverInt8 = 0.0078125 / (2.4 / 127);

std::string GoldenDir() { return std::string(LLMRT_TEST_DATA_DIR) + "/golden_random"; }

std::vector<std::string> ModelNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(GoldenDir())) {
    if (entry.path().extension() == ".gguf") names.push_back(entry.path().stem().string());
  }
  return names;
}

class GoldenRandomTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string base = GoldenDir() + "/" + GetParam();
    formats::FileRange range;
    range.path = base + ".gguf";
    file_ = formats::OpenModelFile(formats::OpenFile(range).value(), nullptr).value();
    std::ifstream in(base + ".json");
    golden_ = nlohmann::json::parse(in);
    weights_ = golden_.at("shape").at("weights").get<std::string>();
  }

  bool quantized() const { return weights_[0] == 'q'; }

  // What the class rounds beyond float32, by the golden file's account of this position.
  double ClassError(const nlohmann::json& position) const {
    const double int8 = position.at("error_int8_activations").get<double>();
    if (quantized()) return int8;
    return weights_ == "bf16" ? int8 * kBf16OverInt8 : 0;
  }

  template <typename Limit>
  void Compare(const llmrt::testing::RunnerOptions& options, int64_t chunk, Limit limit) {
    int compared = 0;
    for (const nlohmann::json& prompt : golden_.at("prompts")) {
      llmrt::testing::StepRunner runner(*file_, options);
      const auto rows = runner.Run(prompt.at("tokens").get<std::vector<int32_t>>(), chunk);
      for (const nlohmann::json& position : prompt.at("positions")) {
        const auto expected = position.at("float64").get<std::vector<double>>();
        const std::vector<float>& row = rows[position.at("position").get<size_t>()];
        ASSERT_EQ(row.size(), expected.size());
        double worst = 0;
        for (size_t i = 0; i < row.size(); ++i) {
          worst = std::max(worst, std::abs(double{row[i]} - expected[i]));
        }
        EXPECT_LE(worst, limit(position)) << "position " << position.at("position");
        ++compared;
      }
    }
    EXPECT_GE(compared, 4);
  }

  std::unique_ptr<formats::ModelFile> file_;
  nlohmann::json golden_;
  std::string weights_;
};

INSTANTIATE_TEST_SUITE_P(Models, GoldenRandomTest, ::testing::ValuesIn(ModelNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) {
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           }
                           return name;
                         });

double Float32Tolerance(const nlohmann::json& position) {
  return position.at("tolerance_float32").get<double>();
}

TEST_P(GoldenRandomTest, ReferenceNumericsAreFloat32Exact) {
  llmrt::testing::RunnerOptions options;
  options.numerics = backend::NumericMode::kReference;
  options.kv_type = backend::KvType::kF32;
  Compare(options, 300, Float32Tolerance);
}

TEST_P(GoldenRandomTest, ExactNumericsWithFloat32KvStayWithinTheirClass) {
  llmrt::testing::RunnerOptions options;
  options.kv_type = backend::KvType::kF32;
  Compare(options, 300, [this](const nlohmann::json& position) {
    return Float32Tolerance(position) + kOtherImplementation * ClassError(position);
  });
}

TEST_P(GoldenRandomTest, ExactNumericsWithF16KvStayWithinTheirClass) {
  llmrt::testing::RunnerOptions options;
  Compare(options, 37, [this](const nlohmann::json& position) {
    return Float32Tolerance(position) +
           kOtherImplementation *
               (ClassError(position) + position.at("error_f16_kv").get<double>());
  });
}

TEST(GoldenRandomFilesTest, AllModelsAreThere) { EXPECT_EQ(ModelNames().size(), 9u); }

}  // namespace
}  // namespace llmrt::model
