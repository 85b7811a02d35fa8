// Random weights written straight as blocks: the codes are random bits as they come, and the scales
// are chosen so that the weights have the standard deviation that trained ones roughly have,
// 1 / sqrt(cols), which keeps activations in range through any number of layers. Nothing is
// quantized, so a gigabyte takes seconds.
//
// Speed must not be measured on numbers that hardware treats apart, so no scale and no weight of
// the plain float types is zero, denormal, infinite or NaN, whatever the width (up to 2^14 columns
// for the denormals, see random_blocks.cc).
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "backend/weight_type.h"

namespace llmrt::synth {

// The weights of one tensor, front to back. Equal (seed, tensor) give equal bytes, however the
// calls of Fill cut them.
class RandomBlocks {
 public:
  // `tensor` numbers the tensors of a file; `cols` are the values of a row, at least 1.
  RandomBlocks(backend::WeightType type, int64_t cols, uint64_t seed, uint32_t tensor);

  // The next blocks: `out` holds whole ones (plain floats: a multiple of eight, except at the end).
  void Fill(absl::Span<uint8_t> out);

 private:
  // 16 random bytes, by Philox: the position is the state.
  void NextWords(uint32_t (&words)[4]);
  // What is left of the last sixteen is thrown away.
  void FillRandom(absl::Span<uint8_t> out);
  void FillFloats(absl::Span<uint8_t> out);
  void SetScales(uint8_t* block, uint32_t random);

  const backend::WeightType type_;
  const double deviation_;
  const uint64_t seed_;
  const uint32_t tensor_;
  uint64_t position_ = 0;
  // Plain float types: 4096 values, from which twelve random bits choose.
  uint32_t float_table_[4096] = {};
};

// `count` float32 values around 1 (0.5 to 1.5): the weights of a norm.
void FillNorm(uint64_t seed, uint32_t tensor, absl::Span<float> out);

}  // namespace llmrt::synth
