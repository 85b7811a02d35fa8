// The random words of many tokens at once: numerics::NoiseBits for token = first, first + 1, ...
// Integer arithmetic, so the vector version and the plain one agree by construction; the plain one
// is the definition.
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace llmrt::sampling {

// What a draw's noise depends on, the token aside.
struct NoiseKey {
  uint64_t seed;
  int64_t position;
  int32_t sample_index;
};

// out[i] is the word of token first + i.
void NoiseWords(const NoiseKey& key, int32_t first, absl::Span<uint32_t> out);

}  // namespace llmrt::sampling
