#include "sampling/gumbel_draw.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "numerics/noise.h"

namespace llmrt::sampling {
namespace {

constexpr size_t kTile = 64;  // tokens whose random words are made together
constexpr float kLn2 = 0.69314718f;
// Stands for every rounding error in a bound: scores of interest are below 2^10 or so in magnitude
// relative to the best, where a float's ulp is 2^-14; the noise itself is right to 2^-20.
constexpr float kSlack = 0.01f;

// Keeps the best (score, lowest token) seen. Two bounds spare most tokens the logarithms, the first
// also the random function; both are strict with slack, so what they skip cannot win or tie.
class BestScore {
 public:
  // Whether a token with this logit might win, whatever its noise: E >= 2^-33, so no score exceeds
  // logit + 33 ln 2.
  bool Possible(float logit) const { return logit > -INFINITY && !CannotReach(logit, 33); }

  // `bits` is the token's random word.
  void Offer(float logit, int32_t token, uint32_t bits) {
    // u >= 2^-(z + 1), z leading zeros of the random word, and E = -log(1 - u) >= u.
    const int zeros = bits == 0 ? 32 : __builtin_clz(bits);
    if (CannotReach(logit, zeros + 1)) return;
    const float score = logit - numerics::Log(numerics::ExponentialNoise(bits));
    if (token_ < 0 || score > score_ || (score == score_ && token < token_)) {
      score_ = score;
      token_ = token;
      // Slack grows with the magnitude, as rounding does.
      bar_ = score - kSlack - std::fabs(score) * 0x1p-20f;
    }
  }

  int32_t token() const { return token_; }

 private:
  // Whether logit + halvings * ln 2 is clearly below the best.
  bool CannotReach(float logit, int halvings) const {
    return logit + static_cast<float>(halvings) * kLn2 < bar_;
  }

  float score_ = 0.0f;
  float bar_ = -INFINITY;  // nothing is below it while there is no best
  int32_t token_ = -1;
};

uint32_t WordOf(const NoiseKey& key, int32_t token) {
  return numerics::NoiseBits(key.seed, key.position, token, key.sample_index);
}

}  // namespace

int32_t DrawFromAll(const NoiseKey& key, absl::Span<const float> logits, float temperature,
                    int32_t first) {
  BestScore best;
  best.Offer(logits[static_cast<size_t>(first)] / temperature, first, WordOf(key, first));
  uint32_t words[kTile];
  float tile[kTile];
  for (size_t start = 0; start < logits.size(); start += kTile) {
    const size_t count = std::min(kTile, logits.size() - start);
    bool possible = false;
    for (size_t i = 0; i < count; ++i) {
      tile[i] = logits[start + i] / temperature;
      possible |= best.Possible(tile[i]);
    }
    if (!possible) continue;
    NoiseWords(key, static_cast<int32_t>(start), absl::MakeSpan(words, count));
    for (size_t i = 0; i < count; ++i) {
      if (best.Possible(tile[i])) best.Offer(tile[i], static_cast<int32_t>(start + i), words[i]);
    }
  }
  return best.token();
}

int32_t DrawFromCandidates(const NoiseKey& key, absl::Span<const Candidate> candidates) {
  BestScore best;
  for (const Candidate& candidate : candidates) {
    if (best.Possible(candidate.logit))
      best.Offer(candidate.logit, candidate.token, WordOf(key, candidate.token));
  }
  return best.token();
}

}  // namespace llmrt::sampling
