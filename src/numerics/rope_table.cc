#include "numerics/rope_table.h"

#include <cstddef>

#include "numerics/exact_math_f64.h"

namespace llmrt::numerics {
namespace {

constexpr double kTwoPi = 0x1.921fb54442d18p+2;

bool IsPositiveFinite(double value) { return value > 0.0 && value < __builtin_inf(); }

double Llama3Frequency(double frequency, const RopeParams& params) {
  const double wavelength = kTwoPi / frequency;
  if (wavelength < params.original_context / params.high_freq_factor) return frequency;
  if (wavelength > params.original_context / params.low_freq_factor)
    return frequency / params.factor;
  // Between: blend by how many wavelengths fit into the original context.
  const double smooth = (params.original_context / wavelength - params.low_freq_factor) /
                        (params.high_freq_factor - params.low_freq_factor);
  return (1.0 - smooth) * (frequency / params.factor) + smooth * frequency;
}

}  // namespace

const char* CheckRopeParams(const RopeParams& params) {
  if (params.dims <= 0 || params.dims % 2 != 0) return "rope dimensions must be even and positive";
  if (!IsPositiveFinite(params.base)) return "rope base must be positive and finite";
  if (!IsPositiveFinite(params.factor)) return "rope scaling factor must be positive and finite";
  if (params.scaling == RopeScaling::kLlama3) {
    if (!IsPositiveFinite(params.low_freq_factor) || !IsPositiveFinite(params.high_freq_factor) ||
        !IsPositiveFinite(params.original_context)) {
      return "rope low and high frequency factors and the original context must be positive and "
             "finite";
    }
    if (params.low_freq_factor >= params.high_freq_factor) {
      return "rope low frequency factor must be below the high one";
    }
  }
  if (!params.freq_divisors.empty()) {
    if (params.freq_divisors.size() != static_cast<size_t>(params.dims / 2)) {
      return "rope_freqs must have one value for each pair of rope dimensions";
    }
    for (float divisor : params.freq_divisors) {
      if (!IsPositiveFinite(divisor)) return "rope_freqs values must be positive and finite";
    }
  }
  return nullptr;
}

std::vector<double> RopeFrequencies(const RopeParams& params) {
  std::vector<double> frequencies(static_cast<size_t>(params.dims / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double frequency = PowF64(params.base, -2.0 * static_cast<double>(i) / params.dims);
    if (!params.freq_divisors.empty()) frequency /= params.freq_divisors[i];
    if (params.scaling == RopeScaling::kLinear) frequency /= params.factor;
    if (params.scaling == RopeScaling::kLlama3) frequency = Llama3Frequency(frequency, params);
    frequencies[i] = frequency;
  }
  return frequencies;
}

void FillRopeTable(const std::vector<double>& frequencies, int64_t first, int64_t num_positions,
                   float* out) {
  for (int64_t p = 0; p < num_positions; ++p) {
    for (double frequency : frequencies) {
      const SinCosPair pair = SinCosF64(static_cast<double>(first + p) * frequency);
      *out++ = static_cast<float>(pair.cos);
      *out++ = static_cast<float>(pair.sin);
    }
  }
}

std::vector<float> BuildRopeTable(const RopeParams& params, int64_t num_positions) {
  std::vector<float> table(static_cast<size_t>(num_positions) * static_cast<size_t>(params.dims));
  FillRopeTable(RopeFrequencies(params), 0, num_positions, table.data());
  return table;
}

}  // namespace llmrt::numerics
