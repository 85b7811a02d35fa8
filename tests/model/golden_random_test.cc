// Random models of odd shapes (grouped heads 1, 3, 4, 7; head dims 20, 64, 80, 128; vocabularies
// and widths that nothing divides) against an independent float64 computation and PyTorch's float32
// one. Tolerances come with the golden files; tools/reference/README.md derives them.

#include <gtest/gtest.h>

#include <algorithm>
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

std::string GoldenDir() { return std::string(LLMRT_TEST_DATA_DIR) + "/golden_random"; }

std::vector<std::string> ModelNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(GoldenDir())) {
    if (entry.path().extension() == ".gguf") names.push_back(entry.path().stem().string());
  }
  return names;
}

double Float32Tolerance(const nlohmann::json& position) {
  return position.at("tolerance_float32").get<double>();
}

double WorstError(const std::vector<float>& row, const nlohmann::json& expected) {
  EXPECT_EQ(row.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(row.size(), expected.size()); ++i) {
    const double error = std::abs(double{row[i]} - expected[i].get<double>());
    worst = error <= worst ? worst : error;  // NaN counts
  }
  return worst;
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

  // What the class of the weights rounds: float32 everywhere, and the inputs of products.
  double ClassTolerance(const nlohmann::json& position) const {
    const double float32 = Float32Tolerance(position);
    if (quantized()) return std::hypot(float32, position.at("tolerance_int8").get<double>());
    if (weights_ != "bf16") return float32;
    return std::hypot(float32, position.at("tolerance_bf16").get<double>());
  }

  template <typename Limit>
  void Compare(const llmrt::testing::RunnerOptions& options, int64_t chunk, Limit limit) {
    int compared = 0;
    for (const nlohmann::json& prompt : golden_.at("prompts")) {
      llmrt::testing::StepRunner runner(*file_, options);
      const auto rows = runner.Run(prompt.at("tokens").get<std::vector<int32_t>>(), chunk);
      for (const nlohmann::json& position : prompt.at("positions")) {
        const std::vector<float>& row = rows[position.at("position").get<size_t>()];
        EXPECT_LE(WorstError(row, position.at("float64")), limit(position))
            << "position " << position.at("position");
        ++compared;
        if (!position.contains("float32")) continue;
        // PyTorch's own distance from the truth comes on top.
        EXPECT_LE(WorstError(row, position.at("float32")),
                  limit(position) + position.at("error_float32").get<double>())
            << "PyTorch, position " << position.at("position");
        ++compared_with_pytorch_;
      }
    }
    EXPECT_GE(compared, 4);
    EXPECT_GE(compared_with_pytorch_, 1);
  }

  // The class' promise in every tier of this machine.
  template <typename Limit>
  void CompareTiers(llmrt::testing::RunnerOptions options, int64_t chunk, Limit limit) {
    for (const backend::CpuTier tier : llmrt::testing::TiersHere()) {
      SCOPED_TRACE(llmrt::testing::NameOfTier(tier));
      options.tier = tier;
      Compare(options, chunk, limit);
    }
  }

  int compared_with_pytorch_ = 0;
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

TEST_P(GoldenRandomTest, ReferenceNumericsAreFloat32Exact) {
  llmrt::testing::RunnerOptions options;
  options.numerics = backend::NumericMode::kReference;
  options.kv_type = backend::KvType::kF32;
  Compare(options, 300, Float32Tolerance);
}

TEST_P(GoldenRandomTest, ExactNumericsWithFloat32KvStayWithinTheirClass) {
  llmrt::testing::RunnerOptions options;
  options.kv_type = backend::KvType::kF32;
  CompareTiers(options, 300,
               [this](const nlohmann::json& position) { return ClassTolerance(position); });
}

TEST_P(GoldenRandomTest, ExactNumericsWithF16KvStayWithinTheirClass) {
  CompareTiers({}, 37, [this](const nlohmann::json& position) {
    return std::hypot(ClassTolerance(position), position.at("tolerance_f16_kv").get<double>());
  });
}

TEST(GoldenRandomFilesTest, AllModelsAreThere) { EXPECT_EQ(ModelNames().size(), 9u); }

}  // namespace
}  // namespace llmrt::model
