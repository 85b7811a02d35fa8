#include "sampling/gumbel_draw.h"

#include <cmath>
#include <cstddef>

#include "numerics/noise.h"

namespace llmrt::sampling {
namespace {

constexpr float kLn2 = 0.69314718f;
// Stands for every rounding error in a bound: scores of interest are below 2^10 or so in magnitude
// relative to the best, where a float's ulp is 2^-14; the noise itself is right to 2^-20.
constexpr float kSlack = 0.01f;

// Keeps the best (score, lowest token) seen. Two bounds spare most tokens the logarithms, the first
// also the random function; both are strict with slack, so what they skip cannot win or tie.
class BestScore {
 public:
  explicit BestScore(const NoiseKey& key) : key_(key) {}

  void Offer(float logit, int32_t token) {
    if (!(logit > -INFINITY)) return;
    // E >= 2^-33, so no score exceeds logit + 33 ln 2.
    if (CannotReach(logit, 33)) return;
    const uint32_t bits = numerics::NoiseBits(key_.seed, key_.position, token, key_.sample_index);
    // u >= 2^-(z + 1), z leading zeros of the random word, and E = -log(1 - u) >= u.
    const int zeros = bits == 0 ? 32 : __builtin_clz(bits);
    if (CannotReach(logit, zeros + 1)) return;
    const float score = logit - numerics::Log(numerics::ExponentialNoise(bits));
    if (token_ < 0 || score > score_ || (score == score_ && token < token_)) {
      score_ = score;
      token_ = token;
    }
  }

  int32_t token() const { return token_; }

 private:
  // Whether logit + halvings * ln 2 is clearly below the best. Slack grows with the magnitude, as
  // rounding does.
  bool CannotReach(float logit, int halvings) const {
    const float slack = kSlack + std::fabs(score_) * 0x1p-20f;
    return token_ >= 0 && logit + static_cast<float>(halvings) * kLn2 + slack < score_;
  }

  const NoiseKey key_;
  float score_ = 0.0f;
  int32_t token_ = -1;
};

}  // namespace

int32_t DrawFromAll(const NoiseKey& key, absl::Span<const float> logits, float temperature,
                    int32_t first) {
  BestScore best(key);
  best.Offer(logits[static_cast<size_t>(first)] / temperature, first);
  for (size_t token = 0; token < logits.size(); ++token) {
    best.Offer(logits[token] / temperature, static_cast<int32_t>(token));
  }
  return best.token();
}

int32_t DrawFromCandidates(const NoiseKey& key, absl::Span<const Candidate> candidates) {
  BestScore best(key);
  for (const Candidate& candidate : candidates) best.Offer(candidate.logit, candidate.token);
  return best.token();
}

}  // namespace llmrt::sampling
