// What a caller asks of sampling, and what one draw gives. The order in which these act is fixed and
// versioned: penalties, bias, mask, temperature, top-k, top-p, min-p, draw.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace llmrt::sampling {

struct SamplingParams {
  float temperature = 0;         // 0: greedy, ties to the lowest id
  int32_t top_k = 0;             // 0: off
  float top_p = 1;               // 1: off
  float min_p = 0;               // 0: off
  float repetition_penalty = 1;  // 1: off
  float presence_penalty = 0;    // 0: off
  float frequency_penalty = 0;   // 0: off
  int32_t penalty_window = 64;   // last tokens of the session that penalties see; -1: all
  std::vector<std::pair<int32_t, float>> logit_bias;  // token id, added to its logit
  uint64_t seed = 0;
  int32_t sample_index = 0;
  bool logprobs = false;
  int32_t top_logprobs = 0;  // 0 to 20
};

// Natural logarithms, from the model's own distribution: before penalties and filters.
struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
};

struct Draw {
  int32_t token = 0;
  float logprob = 0;              // 0 unless asked for
  std::vector<TokenLogprob> top;  // best first
};

}  // namespace llmrt::sampling
