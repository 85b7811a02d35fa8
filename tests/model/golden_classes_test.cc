// The default numeric classes against an independent float64 computation on real trained models:
// golden tokens are fed (teacher forcing), so one different token does not hide the steps behind
// it.
//
// The bound on a logit. Let s be the root mean square of a model's logits and r the relative error
// (root mean square) of the row that the output matrix multiplies. Errors of rounding are many and
// independent, so a logit's error is close to normal with deviation r * s, and among the 260 values
// that a golden file records none should pass 5 deviations: bound = 5 * r * s.
//
//   int8 blocks: a value is rounded to a grid of amax / 127, an error of amax / 127 / sqrt(12). Of
//   32 normal values amax is 2.4 deviations, so e = 2.4 / 127 / sqrt(12) = 0.0055 relative.
//   Whatever a sublayer adds has passed two such roundings (before its first and its last product)
//   and the output matrix' input a third: r = e * sqrt(3). float lanes: what is rounded is KV in
//   F16, to 11 bits: relative 2^-11 / sqrt(12) at the grid's coarsest, that is e = 1.4e-4; K acts
//   through the scores and V directly: r = e * sqrt(2).
//
// Where the argmax differs, the golden gap between the two best must be under twice the bound; and
// such steps must be few, or the test would not be testing.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "formats/byte_source.h"
#include "nlohmann/json.hpp"
#include "tests/model/step_runner.h"

namespace llmrt::model {
namespace {

using Rows = std::vector<std::vector<float>>;

struct Model {
  const char* name;
  bool quantized;
};

constexpr Model kModels[] = {{"stories260K-f32", false},      {"tinystories-1.4M-f16", false},
                             {"tinystories-1.4M-q8_0", true}, {"tinystories-3.8M-f16", false},
                             {"tinystories-3.8M-q4_0", true}, {"tinystories-3.8M-q4_k_m", true},
                             {"tinystories-3.8M-q6_k", true}, {"tinystories-3.8M-q8_0", true}};

// What a model's five continuations showed.
struct Observed {
  double worst_error = 0;
  double sum_of_squares = 0;  // of all logits
  int64_t num_logits = 0;
  int64_t steps = 0;
  std::vector<double> gaps_where_different;
};

class GoldenClassesTest : public ::testing::TestWithParam<Model> {
 protected:
  static std::string Path(const std::string& name) {
    return std::string(LLMRT_SHARED_DIR) + "/models/" + name;
  }

  void SetUp() override {
    const std::string path = Path(std::string(GetParam().name) + ".gguf");
    if (!std::filesystem::exists(path)) {
      if (std::getenv("CI") != nullptr) FAIL() << "no " << path;
      GTEST_SKIP() << "no " << path;
    }
    formats::FileRange range;
    range.path = path;
    file_ = formats::OpenModelFile(formats::OpenFile(range).value(), nullptr).value();
    std::ifstream in(Path("golden/" + std::string(GetParam().name) + ".json"));
    golden_ = nlohmann::json::parse(in).at("results");
  }

  // Logits of every step, the golden tokens being fed.
  Rows Follow(const nlohmann::json& result, backend::CpuTier tier) {
    auto tokens = result.at("prompt_tokens").get<std::vector<int32_t>>();
    const auto greedy = result.at("greedy_tokens").get<std::vector<int32_t>>();
    const size_t before = tokens.size() - 1;
    tokens.insert(tokens.end(), greedy.begin(), greedy.end() - 1);
    llmrt::testing::RunnerOptions options;
    options.tier = tier;
    llmrt::testing::StepRunner runner(*file_, options);
    const Rows all = runner.Run(tokens, 300);
    return Rows(all.begin() + static_cast<int64_t>(before), all.end());
  }

  void Observe(const nlohmann::json& result, const Rows& rows, Observed& seen) {
    const auto greedy = result.at("greedy_tokens").get<std::vector<int32_t>>();
    for (size_t step = 0; step < rows.size(); ++step, ++seen.steps) {
      const auto best = std::max_element(rows[step].begin(), rows[step].end());
      if (best - rows[step].begin() != greedy[step]) {
        seen.gaps_where_different.push_back(result.at("gaps")[step].get<double>());
      }
      for (const float logit : rows[step]) seen.sum_of_squares += double{logit} * logit;
      seen.num_logits += static_cast<int64_t>(rows[step].size());
    }
    for (const nlohmann::json& recorded : result.at("logits")) {
      const std::vector<float>& row = rows[recorded.at("step").get<size_t>()];
      const auto compare = [&](size_t token, double expected) {
        seen.worst_error = std::max(seen.worst_error, std::abs(row[token] - expected));
      };
      for (const auto& pair : recorded.at("top5")) {
        compare(pair[0].get<size_t>(), pair[1].get<double>());
      }
      for (size_t i = 0; i < 8; ++i) compare(i, recorded.at("logits_first8")[i].get<double>());
    }
  }

  std::unique_ptr<formats::ModelFile> file_;
  nlohmann::json golden_;
};

INSTANTIATE_TEST_SUITE_P(Models, GoldenClassesTest, ::testing::ValuesIn(kModels),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           for (char& c : name) {
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           }
                           return name;
                         });

TEST_P(GoldenClassesTest, DefaultNumericsStayWithinTheDerivedBound) {
  const auto tier = llmrt::testing::HasTier(backend::CpuTier::kAvx2) ? backend::CpuTier::kAvx2
                                                                     : backend::CpuTier::kPortable;
  Observed seen;
  for (const nlohmann::json& result : golden_) Observe(result, Follow(result, tier), seen);

  const double rms = std::sqrt(seen.sum_of_squares / static_cast<double>(seen.num_logits));
  const double relative = GetParam().quantized
                              ? 2.4 / 127 / std::sqrt(12.0) * std::sqrt(3.0)
                              : std::ldexp(1, -10) / std::sqrt(12.0) * std::sqrt(2.0);
  const double bound = 5 * relative * rms;
  RecordProperty("worst_error", std::to_string(seen.worst_error));
  RecordProperty("bound", std::to_string(bound));
  EXPECT_LE(seen.worst_error, bound);
  // A bound far above what happens would prove nothing either.
  EXPECT_GE(seen.worst_error, bound / 20);
  for (const double gap : seen.gaps_where_different) EXPECT_LT(gap, 2 * bound);
  EXPECT_LE(static_cast<double>(seen.gaps_where_different.size()),
            0.05 * static_cast<double>(seen.steps));
  EXPECT_EQ(seen.steps, GetParam().quantized ? 320 : 500);
}

}  // namespace
}  // namespace llmrt::model
