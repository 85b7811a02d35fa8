// Draws a token from each of some rows of logits, as the host's sampler does without penalties and
// filters (sampling/sampler.h): the largest logit, or the largest of logit / temperature - log(E)
// with the noise that belongs to (seed, position, token, sample index); ties go to the lowest id.
// For equal logits the token is the host's.
#pragma once

#include "cuda/kernels/step_view.h"

namespace llmrt::cuda {

struct DrawRequest {
  int32_t logit_row;
  float temperature;  // 0: the largest logit
  uint64_t seed;
  int64_t position;
  int32_t sample_index;
  int32_t reserved;
};

// What the host makes an error of: in this order the first that applies.
enum class DrawState : int32_t {
  kDrawn = 0,
  kNotANumber = 1,    // a logit is NaN or +infinity
  kNothing = 2,       // all logits are -infinity
  kScaledTooFar = 3,  // the largest logit divided by the temperature is not finite
};

struct DrawResult {
  int32_t token;  // -1 unless drawn
  DrawState state;
  float largest;     // logit, NaN excluded
  int32_t reserved;  // 0
};

// Tokens that one block looks at; each leaves its best in a DrawPart.
inline constexpr int32_t kDrawPartTokens = 4096;

struct DrawPart {
  float largest;  // logit of the part, and its lowest token (-1: no logit is above -infinity)
  int32_t largest_token;
  float score;  // best score of the part, and its token (-1: none; always with temperature 0)
  int32_t score_token;
  int32_t not_a_number;  // 1 if a logit is NaN or +infinity
  int32_t reserved;      // not written
};

struct DrawArgs {
  const float* logits;  // [*, vocab_size]
  int32_t vocab_size;
  const DrawRequest* requests;  // device, [grid_y]
  const int32_t* num_requests;  // device, [1]
  DrawPart* parts;              // [grid_y][parts a row]
  DrawResult* results;          // [grid_y]
};

LLMRT_HOST_DEVICE constexpr uint32_t DrawParts(int32_t vocab_size) {
  return (static_cast<uint32_t>(vocab_size) + kDrawPartTokens - 1) / kDrawPartTokens;
}
constexpr uint32_t kDrawThreads = 256;
// Each warp leaves its best in shared memory.
// DrawPartsKernel: block (x, y) is part x of request y. DrawMergeKernel: block y is request y.
constexpr LaunchShape DrawPartsShape(int32_t vocab_size, uint32_t requests) {
  return {.grid_x = DrawParts(vocab_size),
          .grid_y = requests,
          .threads = kDrawThreads,
          .shared_bytes = kDrawThreads / 32 * sizeof(DrawPart)};
}
constexpr LaunchShape DrawMergeShape(uint32_t requests) {
  return {.grid_y = requests, .threads = 32};
}

}  // namespace llmrt::cuda
