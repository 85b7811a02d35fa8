// The default numeric classes against an independent float64 computation on real trained models:
// golden tokens are fed (teacher forcing), so one different token does not hide the steps behind
// it.
//
// How far a class may move a logit comes with tests/data/golden_classes: float64 forward passes
// with random roundings in the places where the class rounds (int8 activations for quantized
// weights, the cache in F16 for all) give the standard deviation of every recorded logit, and of
// the gap between the two best of every step. tools/reference/README.md tells how. Of a correct
// implementation, whose roundings are another draw of the same process,
//
//   a logit is within 6 deviations: 260 values and 6.1 million models have one beyond;
//   the mean square of all recorded moves over their variances is 1 give or take what draws of the
//   process differ by: this finds a class that rounds a little more than it should everywhere;
//   the argmax differs about as often as the process makes it;
//   it differs only at steps whose gap is small in deviations of the gap's move.
//
// A test that would excuse more than 5 % of the steps would not be testing: the closest 5 % are
// excused, and nothing beyond 4.5 deviations. What is left to chance is the sum of the tails of all
// other steps: under 2 % for all models but one. The 1.4M model in Q8_0 moves its gaps so much (its
// rows are 160 wide, its gaps' median move is 0.09, and 5 % of its gaps are under 0.13) that a
// correct implementation differs beyond the closest 5 % more often than not. There the rule would
// judge luck; the other three stand.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "formats/byte_source.h"
#include "nlohmann/json.hpp"
#include "tests/model/step_runner.h"
#include "tests/shared_files.h"

namespace llmrt::model {
namespace {

using Rows = std::vector<std::vector<float>>;

struct Model {
  const char* name;
  bool closest_steps_suffice = true;  // to excuse what a correct implementation may get wrong
};

constexpr Model kModels[] = {
    {"stories260K-f32"},       {"tinystories-1.4M-f16"},  {"tinystories-1.4M-q8_0", false},
    {"tinystories-3.8M-f16"},  {"tinystories-3.8M-q4_0"}, {"tinystories-3.8M-q4_k_m"},
    {"tinystories-3.8M-q6_k"}, {"tinystories-3.8M-q8_0"}};

constexpr double kLogitDeviations = 6;
constexpr double kGapDeviations = 4.5;
constexpr double kExcusedShare = 0.05;
constexpr double kChance = 0.02;

// That a normal move in units of its deviation goes below -gap.
double ChanceToDiffer(double gap) { return std::erfc(gap / std::sqrt(2.0)) / 2; }

// What a model's five continuations showed.
struct Observed {
  double worst = 0;           // of the recorded logits' moves, in deviations
  double sum_of_squares = 0;  // of the same
  int64_t num_logits = 0;
  std::vector<double> gaps;  // in deviations, of every step
  std::vector<double> gaps_where_different;
};

class GoldenClassesTest : public ::testing::TestWithParam<Model> {
 protected:
  static std::string Path(const std::string& name) { return testing::SharedFile("models/" + name); }

  void SetUp() override {
    const std::string path = Path(std::string(GetParam().name) + ".gguf");
    if (testing::SkipWithoutFile(path)) return;
    formats::FileRange range;
    range.path = path;
    file_ = formats::OpenModelFile(formats::OpenFile(range).value(), nullptr).value();
    std::ifstream in(Path("golden/" + std::string(GetParam().name) + ".json"));
    golden_ = nlohmann::json::parse(in).at("results");
    std::ifstream deviations(std::string(LLMRT_TEST_DATA_DIR) + "/golden_classes/" +
                             GetParam().name + ".json");
    deviations_ = nlohmann::json::parse(deviations);
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

  static void Observe(const nlohmann::json& result, const nlohmann::json& deviations,
                      const Rows& rows, Observed& seen) {
    const auto greedy = result.at("greedy_tokens").get<std::vector<int32_t>>();
    ASSERT_EQ(deviations.at("gap_deviations").size(), rows.size());
    for (size_t step = 0; step < rows.size(); ++step) {
      const double gap = result.at("gaps")[step].get<double>() /
                         deviations.at("gap_deviations")[step].get<double>();
      seen.gaps.push_back(gap);
      const auto best = std::max_element(rows[step].begin(), rows[step].end());
      if (best - rows[step].begin() != greedy[step]) seen.gaps_where_different.push_back(gap);
    }
    for (size_t i = 0; i < result.at("logits").size(); ++i) {
      const nlohmann::json& recorded = result.at("logits")[i];
      const auto& allowed = deviations.at("logit_deviations")[i];
      const std::vector<float>& row = rows[recorded.at("step").get<size_t>()];
      const auto compare = [&](size_t token, double expected, const nlohmann::json& deviation) {
        const double moved = std::abs(row[token] - expected) / deviation.get<double>();
        seen.worst = moved <= seen.worst ? seen.worst : moved;  // NaN counts
        seen.sum_of_squares += moved * moved;
        ++seen.num_logits;
      };
      for (size_t k = 0; k < 5; ++k) {
        const auto& pair = recorded.at("top5")[k];
        compare(pair[0].get<size_t>(), pair[1].get<double>(), allowed[k]);
      }
      for (size_t k = 0; k < 8; ++k) {
        compare(k, recorded.at("logits_first8")[k].get<double>(), allowed[5 + k]);
      }
    }
  }

  // Gaps up to this many deviations are excused.
  static double ExcusedGap(std::vector<double> gaps) {
    std::sort(gaps.begin(), gaps.end());
    // The first gap beyond the share that may be excused is not.
    const auto count = static_cast<size_t>(kExcusedShare * static_cast<double>(gaps.size()));
    return std::min(kGapDeviations, gaps[count]);
  }

  nlohmann::json deviations_;
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

// Five deviations above the mean of a sum of independent steps, and one for its grain.
double DifferencesLimit(const std::vector<double>& gaps) {
  double mean = 0, variance = 0;
  for (const double gap : gaps) {
    const double chance = ChanceToDiffer(gap);
    mean += chance;
    variance += chance * (1 - chance);
  }
  return mean + 5 * std::sqrt(variance) + 1;
}

// The chance that a correct implementation differs at a step that is not excused.
double MissedChance(const std::vector<double>& gaps, double excused_gap) {
  double chance = 0;
  for (const double gap : gaps) {
    if (gap >= excused_gap) chance += ChanceToDiffer(gap);
  }
  return chance;
}

TEST_P(GoldenClassesTest, DefaultNumericsMoveLogitsAsTheirRoundingsMay) {
  for (const auto tier : llmrt::testing::TiersHere()) {
    Observed seen;
    for (size_t i = 0; i < golden_.size(); ++i) {
      Observe(golden_[i], deviations_.at("prompts")[i], Follow(golden_[i], tier), seen);
    }
    const double mean_square = seen.sum_of_squares / static_cast<double>(seen.num_logits);
    const double excused_gap = ExcusedGap(seen.gaps);
    const auto excused = std::count_if(seen.gaps.begin(), seen.gaps.end(),
                                       [&](double gap) { return gap < excused_gap; });
    const double missed_chance = MissedChance(seen.gaps, excused_gap);
    std::printf(
        "worst %.2f deviations, mean square %.2f; %d of %d steps excused up to %.2f, "
        "missed by chance %.1e; argmax differs at",
        seen.worst, mean_square, static_cast<int>(excused), static_cast<int>(seen.gaps.size()),
        excused_gap, missed_chance);
    for (const double gap : seen.gaps_where_different) std::printf(" %.2f", gap);
    std::printf("\n");
    EXPECT_EQ(seen.num_logits, 260);
    EXPECT_GE(seen.gaps.size(), 320u);
    EXPECT_LE(seen.worst, kLogitDeviations);
    EXPECT_LE(mean_square, 1 + 5 * deviations_.at("mean_square_deviation").get<double>());
    EXPECT_LE(static_cast<double>(seen.gaps_where_different.size()), DifferencesLimit(seen.gaps));
    EXPECT_LE(static_cast<double>(excused), kExcusedShare * static_cast<double>(seen.gaps.size()));
    EXPECT_EQ(missed_chance < kChance, GetParam().closest_steps_suffice);
    if (!GetParam().closest_steps_suffice) continue;
    for (const double gap : seen.gaps_where_different) EXPECT_LT(gap, excused_gap);
  }
}

}  // namespace
}  // namespace llmrt::model
