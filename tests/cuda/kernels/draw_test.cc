// The drawing kernels against sampling::Sampler: the same token for the same logits, and a state
// for each of its errors.
#include "cuda/kernels/draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "numerics/fp_mode.h"
#include "sampling/sampler.h"
#include "tests/cuda/kernels/kernel_case.h"
#include "tests/ops/random_data.h"

namespace llmrt::cuda {
namespace {

struct Logits {
  int32_t vocab_size;
  std::vector<float> values;  // [rows, vocab_size]

  absl::Span<const float> Row(int32_t row) const {
    return absl::MakeConstSpan(values).subspan(static_cast<size_t>(row) * vocab_size, vocab_size);
  }
};

// The largest of those that are numbers, the first of equals; denormals count as zero.
float Largest(absl::Span<const float> logits) {
  const numerics::ScopedFpMode fp_mode;
  float largest = -INFINITY;
  for (const float logit : logits) largest = logit > largest ? logit : largest;
  return largest;
}

DrawResult Expected(const Logits& logits, const DrawRequest& request) {
  sampling::SamplingParams params;
  params.temperature = request.temperature;
  params.seed = request.seed;
  params.sample_index = request.sample_index;
  sampling::Draw draw;
  const absl::Span<const float> row = logits.Row(request.logit_row);
  const absl::Status status =
      sampling::Sampler(logits.vocab_size).Sample(params, row, {}, request.position, &draw);
  DrawResult result = {.token = -1, .state = DrawState::kDrawn, .largest = Largest(row)};
  if (status.ok()) {
    result.token = draw.token;
  } else if (absl::IsFailedPrecondition(status)) {
    result.state = DrawState::kNothing;
  } else {
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    result.state = absl::StartsWith(status.message(), "largest logit") ? DrawState::kScaledTooFar
                                                                       : DrawState::kNotANumber;
  }
  return result;
}

bool operator==(const DrawResult& a, const DrawResult& b) {
  return a.token == b.token && a.state == b.state && a.reserved == b.reserved &&
         numerics::FloatBits(a.largest) == numerics::FloatBits(b.largest);
}

// Launches for more requests than there are; those behind must leave no trace.
class DrawRun {
 public:
  static constexpr uint32_t kMore = 2;

  DrawRun(const Logits& logits, std::vector<DrawRequest> requests)
      : num_requests_(requests.size()),
        logits_(logits.values),
        requests_(WithMore(requests)),
        count_(std::vector<int32_t>{static_cast<int32_t>(requests.size())}),
        parts_(Poisoned<DrawPart>(DrawParts(logits.vocab_size) * Launched())),
        results_(Poisoned<DrawResult>(Launched())) {
    const DrawArgs args = {.logits = logits_.get(),
                           .vocab_size = logits.vocab_size,
                           .requests = requests_.get(),
                           .num_requests = count_.get(),
                           .parts = parts_.get(),
                           .results = results_.get()};
    Launch(KernelId::kDrawPartsKernel, DrawPartsShape(logits.vocab_size, Launched()), args);
    Launch(KernelId::kDrawMergeKernel, DrawMergeShape(Launched()), args);
    ExpectNothingBehind(logits.vocab_size);
  }

  std::vector<DrawResult> Results() const {
    std::vector<DrawResult> results = results_.Download();
    results.resize(num_requests_);
    return results;
  }

 private:
  uint32_t Launched() const { return static_cast<uint32_t>(num_requests_) + kMore; }
  static std::vector<DrawRequest> WithMore(std::vector<DrawRequest> requests) {
    requests.resize(requests.size() + kMore, {.logit_row = 0x7fffffff, .temperature = 1.0f});
    return requests;
  }
  void ExpectNothingBehind(int32_t vocab_size) const {
    const std::vector<DrawPart> parts = parts_.Download();
    const std::vector<DrawResult> results = results_.Download();
    const size_t first_part = DrawParts(vocab_size) * num_requests_;
    EXPECT_TRUE(IsPoison(parts.data() + first_part, parts.size() - first_part));
    EXPECT_TRUE(IsPoison(results.data() + num_requests_, kMore));
  }

  const size_t num_requests_;
  DeviceArray<float> logits_;
  DeviceArray<DrawRequest> requests_;
  DeviceArray<int32_t> count_;
  DeviceArray<DrawPart> parts_;
  DeviceArray<DrawResult> results_;
};

void Check(const Logits& logits, const std::vector<DrawRequest>& requests,
           const std::string& name) {
  ForSeeds([&](uint64_t seed) {
    const std::vector<DrawResult> results = DrawRun(logits, requests).Results();
    for (size_t i = 0; i < requests.size(); ++i) {
      const DrawResult expected = Expected(logits, requests[i]);
      EXPECT_TRUE(results[i] == expected)
          << name << " request " << i << ": token " << results[i].token << " state "
          << static_cast<int>(results[i].state) << " largest " << results[i].largest
          << "; expected " << expected.token << " " << static_cast<int>(expected.state) << " "
          << expected.largest;
    }
    Record(seed, name, results);
  });
}

Logits RandomLogits(ops::Random& random, int32_t vocab_size, int32_t rows, float spread) {
  Logits logits = {vocab_size,
                   ops::RandomFloats(random, int64_t{rows} * vocab_size, ops::Spread::kNormal)};
  for (float& logit : logits.values) logit *= spread;
  return logits;
}

DrawRequest Request(int32_t row, float temperature, uint64_t seed) {
  return {.logit_row = row,
          .temperature = temperature,
          .seed = seed * 0x9e3779b97f4a7c15u,
          .position = static_cast<int64_t>(seed * 7),
          .sample_index = 0,
          .reserved = 0};
}

constexpr int32_t kVocabSizes[] = {1, 31, 32, 257, 4096, 4097, 32000, 49152};

TEST(DrawKernelTest, EqualsTheHostsSampler) {
  ops::Random random(1);
  for (const int32_t vocab_size : kVocabSizes) {
    const Logits logits = RandomLogits(random, vocab_size, 3, 2.0f);
    Check(logits,
          {Request(2, 1.0f, 1), Request(0, 0.0f, 2), Request(1, 0.7f, 3), Request(0, 3.0f, 4)},
          CaseName("draw", {vocab_size}));
  }
}

// Small vocabularies and flat logits, so that every part of the key decides.
TEST(DrawKernelTest, EveryPartOfTheKeyCounts) {
  const Logits logits = {1000, std::vector<float>(1000, 0.5f)};
  std::vector<DrawRequest> requests(9, {.temperature = 1.0f});
  requests[1].seed = 1;
  requests[2].seed = uint64_t{1} << 63;
  requests[3].position = 1;
  requests[4].position = int64_t{1} << 40;
  requests[5].sample_index = 1;
  requests[6] = {.temperature = 1.0f, .seed = 0x123456789abcdef0u, .position = 12345678901};
  requests[7] = requests[6];
  requests[7].sample_index = 77;
  requests[8].temperature = 0.25f;
  Check(logits, requests, "draw_keys");
}

// Every part of the vocabulary and every warp holds the winner once.
TEST(DrawKernelTest, TheWinnerMayBeAnywhere) {
  for (const int32_t vocab_size : {97, 9000}) {
    Logits logits = {vocab_size, {}};
    std::vector<DrawRequest> requests;
    for (int32_t row = 0; row < 40; ++row) {
      std::vector<float> values(vocab_size, -2.0f);
      values[row * 1237 % vocab_size] = 60.0f;
      logits.values.insert(logits.values.end(), values.begin(), values.end());
      requests.push_back(Request(row, row % 2 == 0 ? 1.0f : 0.0f, row));
    }
    Check(logits, requests, CaseName("draw_anywhere", {vocab_size}));
  }
}

// More parts than a warp has lanes: 40 of them.
TEST(DrawKernelTest, ManyPartsAreMerged) {
  ops::Random random(2);
  Logits logits = RandomLogits(random, 40 * kDrawPartTokens - 1, 1, 1.0f);
  logits.values[35 * kDrawPartTokens + 5] = 50.0f;
  Check(logits, {Request(0, 0.0f, 1), Request(0, 1.0f, 2)}, "draw_many_parts");
}

TEST(DrawKernelTest, TiesGoToTheLowestToken) {
  for (const int32_t vocab_size : kVocabSizes) {
    // An ulp of 64 at 2^30 rounds the noise away, so that scores tie as well.
    for (const float logit : {0x1p30f, -0x1p30f}) {
      Logits logits = {vocab_size, std::vector<float>(vocab_size, logit)};
      Check(logits, {Request(0, 0.0f, 1), Request(0, 1.0f, 2)},
            CaseName("draw_ties", {vocab_size, logit > 0}));
      if (vocab_size < 100) continue;
      // The first half loses, so the lowest of the second half wins; the two zeros are equal.
      const int32_t half = vocab_size / 2;
      std::fill(logits.values.begin(), logits.values.begin() + half, -0x1p31f);
      Check(logits, {Request(0, 0.0f, 1), Request(0, 1.0f, 2)},
            CaseName("draw_ties_half", {vocab_size, logit > 0}));
      std::fill(logits.values.begin(), logits.values.end(), 0.0f);
      std::fill(logits.values.begin(), logits.values.begin() + half, -0.0f);
      logits.values[half - 1] = 1e-40f;
      Check(logits, {Request(0, 0.0f, 1)}, CaseName("draw_zeros", {vocab_size, logit > 0}));
    }
  }
}

TEST(DrawKernelTest, TokensOfMinusInfinityAreNeverDrawn) {
  ops::Random random(3);
  for (const int32_t vocab_size : kVocabSizes) {
    Logits logits = RandomLogits(random, vocab_size, 2, 1.0f);
    for (int32_t i = 0; i < 2 * vocab_size; ++i) {
      if (i % vocab_size != vocab_size - 1) logits.values[i] = -INFINITY;
    }
    for (int32_t i = 0; i < vocab_size; i += 3) logits.values[i] = -3e38f;
    Check(logits, {Request(0, 1.0f, 1), Request(1, 0.0f, 2), Request(1, 1e6f, 3)},
          CaseName("draw_masked", {vocab_size}));
  }
}

TEST(DrawKernelTest, StatesAreTheSamplersErrors) {
  ops::Random random(4);
  for (const int32_t vocab_size : kVocabSizes) {
    Logits logits = RandomLogits(random, vocab_size, 6, 1.0f);
    const auto at = [&](int32_t row, int32_t token) -> float& {
      return logits.values[row * vocab_size + token];
    };
    at(0, vocab_size - 1) = NAN;
    at(1, vocab_size / 2) = INFINITY;
    for (int32_t token = 0; token < vocab_size; ++token) {
      at(2, token) = at(3, token) = -INFINITY;
      at(5, token) = 0.0f;
    }
    at(3, 0) = NAN;
    at(4, vocab_size / 3) = 3e38f;
    std::vector<DrawRequest> requests;
    for (int32_t row = 0; row < 6; ++row) {
      for (const float temperature : {0.0f, 1.0f, 1e-6f, 0.1f, 1e6f}) {
        requests.push_back(Request(row, temperature, row));
      }
    }
    Check(logits, requests, CaseName("draw_states", {vocab_size}));
  }
}

// Scores as large as they come, and so small that all of them are noise.
TEST(DrawKernelTest, ExtremeTemperaturesEqualTheHosts) {
  ops::Random random(5);
  for (const int32_t vocab_size : {31, 4097}) {
    const Logits logits = RandomLogits(random, vocab_size, 1, 5.0f);
    std::vector<DrawRequest> requests;
    for (const float temperature : {1e-6f, 1e-3f, 0.1f, 10.0f, 1e4f, 1e6f}) {
      requests.push_back(Request(0, temperature, 9));
    }
    Check(logits, requests, CaseName("draw_temperatures", {vocab_size}));
  }
}

TEST(DrawKernelTest, NoRequestsLeaveNoTrace) {
  Check({5, std::vector<float>(5, 1.0f)}, {}, "draw_none");
}

}  // namespace
}  // namespace llmrt::cuda
