#include "tools/cli/load_requests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace llmrt::cli {
namespace {

constexpr int64_t kMany = 20000;

// A context so long that hardly any length is clipped.
LoadShape Shape(uint64_t seed = 1) {
  return {.requests = kMany,
          .rate = 50,
          .prompt_mean = 200,
          .output_mean = 300,
          .context_length = 1000000,
          .seed = seed};
}

TEST(DrawRequestsTest, LengthsAreLogNormalWithTheGivenMeans) {
  // The standard deviation of such a length is sqrt(e - 1) = 1.31 of its mean, so the mean of 20000
  // strays by 0.9 %: five times that. The median, e^-1/2 of the mean, strays by sqrt(pi / 2) / 141
  // = 0.9 % as well.
  std::vector<int64_t> prompts;
  double prompt_sum = 0;
  double output_sum = 0;
  for (const LoadRequest& request : DrawRequests(Shape())) {
    prompts.push_back(request.prompt_tokens);
    prompt_sum += static_cast<double>(request.prompt_tokens);
    output_sum += static_cast<double>(request.output_tokens);
  }
  EXPECT_NEAR(prompt_sum / kMany, 200, 0.045 * 200);
  EXPECT_NEAR(output_sum / kMany, 300, 0.045 * 300);
  std::sort(prompts.begin(), prompts.end());
  EXPECT_NEAR(static_cast<double>(prompts[kMany / 2]), 200 * std::exp(-0.5), 0.045 * 121);
}

TEST(DrawRequestsTest, ArrivalsAreAPoissonProcess) {
  const std::vector<LoadRequest> requests = DrawRequests(Shape());
  EXPECT_EQ(requests[0].arrival_us, 0);
  int64_t long_gaps = 0;
  for (size_t i = 1; i < requests.size(); ++i) {
    const int64_t gap = requests[i].arrival_us - requests[i - 1].arrival_us;
    ASSERT_GE(gap, 0);
    long_gaps += gap > 20000 ? 1 : 0;
  }
  // The mean gap is 20 ms; that of 20000 strays by 0.7 %. A share of 1/e is longer than the mean,
  // give or take 0.0034: five times each.
  EXPECT_NEAR(static_cast<double>(requests.back().arrival_us) / kMany, 20000, 0.035 * 20000);
  EXPECT_NEAR(static_cast<double>(long_gaps) / kMany, std::exp(-1), 0.017);
}

TEST(DrawRequestsTest, RateZeroIsAllAtOnceWithTheSameLengths) {
  LoadShape shape = Shape();
  const std::vector<LoadRequest> spread = DrawRequests(shape);
  shape.rate = 0;
  const std::vector<LoadRequest> burst = DrawRequests(shape);
  for (size_t i = 0; i < burst.size(); ++i) {
    ASSERT_EQ(burst[i].arrival_us, 0);
    ASSERT_EQ(burst[i].prompt_tokens, spread[i].prompt_tokens);
    ASSERT_EQ(burst[i].output_tokens, spread[i].output_tokens);
  }
}

TEST(DrawRequestsTest, PromptAndAnswerFitInTheContext) {
  for (const int64_t context : {4, 100, 512}) {
    LoadShape shape = Shape();
    shape.context_length = context;
    for (const LoadRequest& request : DrawRequests(shape)) {
      ASSERT_GE(request.prompt_tokens, 1);
      ASSERT_LE(request.prompt_tokens, context * 3 / 4);
      ASSERT_GE(request.output_tokens, 1);
      ASSERT_LE(request.prompt_tokens + request.output_tokens, context);
    }
  }
}

TEST(DrawRequestsTest, SeedsRepeatAndDiffer) {
  const auto lengths = [](uint64_t seed) {
    std::vector<int64_t> all;
    for (const LoadRequest& request : DrawRequests(Shape(seed))) {
      all.push_back(request.prompt_tokens);
    }
    return all;
  };
  EXPECT_EQ(lengths(1), lengths(1));
  EXPECT_NE(lengths(1), lengths(2));
}

TEST(DrawRequestsTest, ExtremeMeansAndRatesStayInRange) {
  LoadShape shape = Shape();
  shape.prompt_mean = shape.output_mean = 1e300;
  shape.rate = 1e-300;
  for (const LoadRequest& request : DrawRequests(shape)) {
    ASSERT_EQ(request.prompt_tokens, 750000);
    ASSERT_EQ(request.output_tokens, 250000);
    ASSERT_GE(request.arrival_us, 0);
  }
}

}  // namespace
}  // namespace llmrt::cli
