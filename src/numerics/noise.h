// Sampling noise that belongs to a token, not to its rank (NUMERICS L): the same seed, position,
// token and sample index give the same noise whatever filters, drafters, batches or devices are at
// work. The token with the largest score logit - log(E), E exponentially distributed, is a draw
// from softmax(logit) (the Gumbel-max rule).
#pragma once

#include <cstdint>

#include "numerics/exact_math.h"
#include "numerics/host_device.h"
#include "numerics/philox.h"

namespace llmrt::numerics {

// u = (x + 0.5) 2^-32 in (0, 1), as a float that is never rounded up to 1. Winners have small u, so
// relative precision there is what counts: below 2^23, x + 0.5 is exact. From 2^24 on x is cut
// (toward zero) to its top 24 bits, where 0.5 is lost; between, it rounds to an integer. Hence
// 2^-33 <= u <= 1 - 2^-24.
LLMRT_HOST_DEVICE inline float UniformOpen(uint32_t x) {
  // If the leading bit is bit p >= 24, this clears bit p - 24, the first one that does not fit into
  // a float's 24 bits: with it clear, the conversion's rounding to nearest goes down.
  const uint32_t cut = x & ~(x >> 24);
  return (static_cast<float>(cut) + 0.5f) * 0x1p-32f;
}

// E = -log(1 - u), exponentially distributed with mean 1: 2^-33 <= E <= 16.64, finite and positive
// for every x.
LLMRT_HOST_DEVICE inline float ExponentialNoise(uint32_t x) { return -Log1p(-UniformOpen(x)); }

// The random word of (seed, position in the session, token, sample index).
LLMRT_HOST_DEVICE inline uint32_t NoiseBits(uint64_t seed, int64_t position, int32_t token,
                                            int32_t sample_index) {
  const uint64_t p = static_cast<uint64_t>(position);
  const PhiloxCounter counter = {{static_cast<uint32_t>(p), static_cast<uint32_t>(p >> 32),
                                  static_cast<uint32_t>(token),
                                  static_cast<uint32_t>(sample_index)}};
  const PhiloxKey key = {{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
  return Philox4x32(counter, key).word[0];
}

// logit - log(E). The logit is the one after penalties and temperature. NaN and -inf stay what they
// are.
LLMRT_HOST_DEVICE inline float GumbelScore(float logit, uint64_t seed, int64_t position,
                                           int32_t token, int32_t sample_index) {
  return logit - Log(ExponentialNoise(NoiseBits(seed, position, token, sample_index)));
}

}  // namespace llmrt::numerics
