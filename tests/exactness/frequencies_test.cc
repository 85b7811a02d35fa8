// That draws are right at all: how often each token comes next, over many seeds, fits the softmax
// of the model's own log-probabilities, in rows that decode and in rows that verify drafts.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/engine/test_engine.h"
#include "tests/shared_files.h"

namespace llmrt {
namespace {

constexpr int64_t kSeeds = 2000;
constexpr int kBest = 20;

// The host's drafter: always the second forced token, whose row then draws the third.
int64_t ProposeSecond(void* user, const int32_t* /*history*/, int64_t /*num_history*/,
                      int32_t* tokens, int64_t /*capacity*/) {
  tokens[0] = *static_cast<int32_t*>(user);
  return 1;
}

struct Way {
  float temperature = 1;
  int32_t top_k = 0;
  bool drafts = false;
};

class FrequenciesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string name = "stories260K-f32";
    const std::string path = testing::SharedFile("models/" + name + ".gguf");
    if (testing::SkipWithoutFile(path)) return;
    engine::EngineOptions options;
    options.device = "cpu";
    options.threads = 1;
    options.pumped = true;
    options.draft_max = 4;
    options.free_drafts = true;
    const auto source = std::make_shared<testing::FileSource>(path);
    engine_ = testing::OpenEngine(source, options);
    prompt_ = engine_->CreateSession({}).value();
    ASSERT_TRUE(prompt_->AppendTokens({1, 403, 407, 261, 378}).ok());
    engine::StreamOptions nothing;
    nothing.max_tokens = 0;
    testing::ReadAll(*engine_, *prompt_->Submit(nothing).value(), 1000);
  }

  // Says two given tokens and draws the third.
  std::shared_ptr<engine::Stream> Third(engine::Session& session, const Way& way, uint64_t seed,
                                        int top_logprobs) {
    engine::StreamOptions options;
    options.max_tokens = 3;
    options.ignore_eos = true;
    options.forced_tokens = forced_;
    options.seed_given = true;
    options.sampling = {.temperature = way.temperature, .top_k = way.top_k, .seed = seed};
    options.sampling.top_logprobs = top_logprobs;
    if (way.drafts) options.drafter = {.propose = ProposeSecond, .user = &forced_[1]};
    const auto stream = session.Submit(options).value();
    drawn_ = testing::ReadAll(*engine_, *stream, 1000).tokens.at(2);
    return stream;
  }

  // Probabilities of the best tokens under `way`, by token.
  std::map<int32_t, double> Expected(const Way& way) {
    const auto session = prompt_->Fork(-1).value();
    const auto stream = Third(*session, way, 1, kBest);
    std::vector<sampling::TokenLogprob> best(kBest);
    EXPECT_EQ(stream->TopLogprobs(2, absl::MakeSpan(best)).value(), kBest);
    std::map<int32_t, double> probability;
    double sum = 0;
    const int count = way.top_k > 0 ? way.top_k : kBest;
    for (int i = 0; i < count; ++i) {
      probability[best[static_cast<size_t>(i)].token] =
          std::exp(best[static_cast<size_t>(i)].logprob / way.temperature);
      sum += probability[best[static_cast<size_t>(i)].token];
    }
    // Without a filter the rest is one class of its own, and temperature 1 needs no sum.
    if (way.top_k > 0) {
      for (auto& [token, p] : probability) p /= sum;
    } else {
      EXPECT_EQ(way.temperature, 1);
    }
    return probability;
  }

  std::map<int32_t, int64_t> Count(const Way& way) {
    std::map<int32_t, int64_t> counts;
    int64_t accepted = 0;
    for (int64_t seed = 1; seed <= kSeeds; ++seed) {
      const auto session = prompt_->Fork(-1).value();
      accepted += Third(*session, way, static_cast<uint64_t>(seed), 0)->Info().accepted;
      ++counts[drawn_];
    }
    EXPECT_EQ(accepted, way.drafts ? kSeeds : 0);
    return counts;
  }

  // Sum of (seen - expected)^2 / expected over classes that are expected five times or more, the
  // others as one; divided by the value that chance exceeds once in ten thousand times.
  static double Misfit(const std::map<int32_t, double>& probability,
                       const std::map<int32_t, int64_t>& counts) {
    double sum = 0, rest_expected = kSeeds;
    int64_t rest_seen = kSeeds;
    int classes = 0;
    const auto add = [&](double expected, int64_t seen) {
      const double off = static_cast<double>(seen) - expected;
      sum += off * off / expected;
      ++classes;
    };
    for (const auto& [token, p] : probability) {
      const double expected = p * kSeeds;
      if (expected < 5) continue;
      const auto found = counts.find(token);
      const int64_t seen = found == counts.end() ? 0 : found->second;
      add(expected, seen);
      rest_expected -= expected;
      rest_seen -= seen;
    }
    if (rest_expected >= 5) {
      add(rest_expected, rest_seen);
    } else {
      EXPECT_LE(rest_seen, 20);  // five expected at most: fewer than once in a million
    }
    EXPECT_GE(classes, 4);
    // Wilson and Hilferty's approximation of the quantile; z of 1e-4 is 3.719.
    const double freedom = classes - 1, ninth = 2 / (9 * freedom);
    return sum / (freedom * std::pow(1 - ninth + 3.719 * std::sqrt(ninth), 3));
  }

  std::vector<int32_t> forced_ = {410, 263};
  std::shared_ptr<engine::Engine> engine_;
  std::shared_ptr<engine::Session> prompt_;
  int32_t drawn_ = 0;
};

TEST_F(FrequenciesTest, TokensComeAsOftenAsTheirProbabilitiesSay) {
  if (engine_ == nullptr) return;
  for (const bool drafts : {false, true}) {
    SCOPED_TRACE(drafts ? "in rows that verify" : "in rows that decode");
    const Way plain = {.drafts = drafts};
    const Way filtered = {.temperature = 1.5f, .top_k = 12, .drafts = drafts};
    const auto counts = Count(plain);
    EXPECT_LT(Misfit(Expected(plain), counts), 1);
    EXPECT_LT(Misfit(Expected(filtered), Count(filtered)), 1);
    // What is drawn otherwise does not fit.
    const Way warmer = {.temperature = 1.3f, .drafts = drafts};
    EXPECT_GT(Misfit(Expected(plain), Count(warmer)), 1);
  }
}

}  // namespace
}  // namespace llmrt
