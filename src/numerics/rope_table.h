// Tables of cosines and sines for rotary position embeddings: computed once on the host in float64,
// rounded once to float32, shared by every backend (NUMERICS I). How the pairs are applied is the
// op's business.
#pragma once

#include <cstdint>
#include <vector>

namespace llmrt::numerics {

enum class RopeScaling : uint8_t {
  kNone,
  kLinear,  // every frequency divided by `factor`
  kLlama3,  // Llama 3.1: low frequencies divided by `factor`, high ones kept, a ramp between
};

struct RopeParams {
  int32_t dims = 0;       // rotated dimensions of a head: even, pair i turns by position * freq(i)
  double base = 10000.0;  // freq(i) = base^(-2 i / dims), i < dims / 2
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;
  // kLlama3 only. A frequency of wavelength w = 2 pi / freq is kept if w < original_context /
  // high_freq_factor, and divided by `factor` if w > original_context / low_freq_factor.
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  double original_context = 8192.0;
  // Optional, dims / 2 values or empty: freq(i) is divided by freq_divisors[i] (the tensor
  // rope_freqs.weight), before any scaling above.
  std::vector<float> freq_divisors;
};

// One line that says what is wrong, or null. The functions below need params that pass.
const char* CheckRopeParams(const RopeParams& params);

// freq(i) after divisors and scaling, dims / 2 values, radians a position.
std::vector<double> RopeFrequencies(const RopeParams& params);

// Fills out[position - first][i] = {cos, sin} of position * freq(i): num_positions * dims floats.
// Positions up to 2^24 are right to the last bit or so of float32.
void FillRopeTable(const std::vector<double>& frequencies, int64_t first, int64_t num_positions,
                   float* out);

// The table of positions [0, num_positions).
std::vector<float> BuildRopeTable(const RopeParams& params, int64_t num_positions);

}  // namespace llmrt::numerics
