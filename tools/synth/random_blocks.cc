#include "synth/random_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "numerics/float_types.h"
#include "numerics/philox.h"
#include "quant/k_scales.h"

namespace llmrt::synth {
namespace {

using backend::WeightType;

// Root mean square of a uniformly drawn code less its middle, in units of the scale:
// sqrt((n^2 - 1) / 12) for n codes around their mean, and with 1/4 more under the root where the
// zero is half a code off (4-bit -8..7: sqrt(21.25 + 0.25)).
constexpr double kRms8 = 73.6;   // -127..127, -128 drawn becomes -127
constexpr double kRms4 = 4.64;   // -8..7
constexpr double kRms5 = 9.25;   // -16..15
constexpr double kRms6 = 18.48;  // -32..31
constexpr double kRms4Offset = 4.61;
constexpr double kRms5Offset = 9.23;

// Integer scales inside K blocks. They are kept small so that the f16 in front of them stays
// normal (2^-14 = 6.1e-5 up). The tightest is Q6_K: 0.75 / (sqrt(cols) * 4.64 * 18.48), 6.8e-5 at
// 2^14 columns.
constexpr uint32_t kScaleMin = 4;      // Q4_K, Q5_K: 4..11
constexpr double kScaleMean = 7.8;     // root mean square of 4..11
constexpr uint32_t kSignedMin = 3;     // Q6_K: 3..6, with either sign
constexpr double kSignedMean = 4.64;   // root mean square of 3..6
constexpr double kFloatSmallest = 16;  // plain floats: magnitudes from 1/16 of the largest on

// From 0.75 to 1.24, so that no two blocks need look alike. Root mean square 1.006.
double Jitter(uint32_t random) { return 0.75 + (random & 63) / 128.0; }

void PutF16(uint8_t* bytes, double value) {
  const uint16_t half = numerics::F32ToF16(static_cast<float>(value));
  std::memcpy(bytes, &half, sizeof half);
}

// Symmetric types may have scales of either sign, which also centers codes such as -8..7.
double Signed(double scale, uint32_t random) { return (random & 64) != 0 ? -scale : scale; }

// Scale and minimum with w = scale * q - minimum, centered: minimum = middle * scale.
void PutScaleAndMinimum(uint8_t* block, double scale, double middle) {
  PutF16(block, scale);
  PutF16(block + 2, -middle * scale);
}

// The header of a Q4_K or Q5_K block: w = d * s_j * q - dmin * m_j, so m_j = s_j and
// dmin = middle * d center every part.
void PutOffsetK(uint8_t* block, double d, double middle, uint32_t random) {
  PutF16(block, d);
  PutF16(block + 2, middle * d);
  quant::KScale scales[8];
  for (int part = 0; part < 8; ++part) {
    const uint8_t code = static_cast<uint8_t>(kScaleMin + (random >> (8 + 3 * part) & 7));
    scales[part] = {code, code};
  }
  quant::PackKScales(scales, block + 4);
}

// The scales of a Q6_K block from the random bytes that stand in their places.
void PutSignedK(uint8_t* block, double d) {
  uint8_t* const scales = block + 192;
  for (int part = 0; part < 16; ++part) {
    const int magnitude = static_cast<int>(kSignedMin + (scales[part] & 3));
    scales[part] = static_cast<uint8_t>((scales[part] & 4) != 0 ? -magnitude : magnitude);
  }
  PutF16(scales + 16, d);
}

// Quantizers never write -128, and some kernels of the field rely on that.
void AvoidLowestCode(uint8_t* codes, int count) {
  for (int i = 0; i < count; ++i) codes[i] = codes[i] == 0x80 ? 0x81 : codes[i];
}

uint32_t PlainBits(WeightType type, float value) {
  switch (type) {
    case WeightType::kF16:
      return numerics::F32ToF16(value);
    case WeightType::kBF16:
      return numerics::F32ToBF16(value);
    default:
      return numerics::FloatBits(value);
  }
}

}  // namespace

RandomBlocks::RandomBlocks(WeightType type, int64_t cols, uint64_t seed, uint32_t tensor)
    : type_(type),
      deviation_(1.0 / std::sqrt(static_cast<double>(cols))),
      seed_(seed),
      tensor_(tensor) {
  if (backend::IsQuantized(type)) return;
  // Magnitudes are uniform in [a / 16, a]; the mean of their squares is a^2 (1 + 1/16 + 1/256) / 3.
  const double c = 1 / kFloatSmallest;
  const double largest = deviation_ * std::sqrt(3 / (1 + c + c * c));
  for (uint32_t i = 0; i < 4096; ++i) {
    const double magnitude = largest * (c + (1 - c) * (i >> 1) / 2047.0);
    float_table_[i] = PlainBits(type, static_cast<float>((i & 1) != 0 ? -magnitude : magnitude));
  }
}

void RandomBlocks::NextWords(uint32_t (&words)[4]) {
  const numerics::PhiloxCounter counter = {
      {static_cast<uint32_t>(position_), static_cast<uint32_t>(position_ >> 32), tensor_, 0}};
  const numerics::PhiloxKey key = {
      {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)}};
  ++position_;
  const numerics::PhiloxCounter random = numerics::Philox4x32(counter, key);
  std::copy(random.word, random.word + 4, words);
}

void RandomBlocks::FillRandom(absl::Span<uint8_t> out) {
  uint32_t words[4];
  while (!out.empty()) {
    NextWords(words);
    const size_t count = std::min(out.size(), sizeof words);
    std::memcpy(out.data(), words, count);
    out.remove_prefix(count);
  }
}

void RandomBlocks::FillFloats(absl::Span<uint8_t> out) {
  const size_t value_bytes = static_cast<size_t>(backend::GeometryOf(type_).bytes);
  uint32_t words[4];
  // Two values a word: bits 0 to 11 and 16 to 27. Eight values a draw, which is why Fill
  // wants multiples of eight.
  for (size_t i = 0; i * value_bytes < out.size(); ++i) {
    if (i % 8 == 0) NextWords(words);
    const uint32_t value = float_table_[words[i % 8 / 2] >> (i % 2 * 16) & 4095];
    std::memcpy(out.data() + i * value_bytes, &value, value_bytes);
  }
}

void RandomBlocks::SetScales(uint8_t* block, uint32_t random) {
  const double scale = deviation_ * Jitter(random);
  switch (type_) {
    case WeightType::kQ8_0:
      AvoidLowestCode(block + 2, 32);
      return PutF16(block, scale / kRms8);
    case WeightType::kQ4_0:
      return PutF16(block, Signed(scale / kRms4, random));
    case WeightType::kQ5_0:
      return PutF16(block, Signed(scale / kRms5, random));
    case WeightType::kQ4_1:
      return PutScaleAndMinimum(block, scale / kRms4Offset, 7.5);
    case WeightType::kQ5_1:
      return PutScaleAndMinimum(block, scale / kRms5Offset, 15.5);
    case WeightType::kQ4_K:
      return PutOffsetK(block, scale / (kRms4Offset * kScaleMean), 7.5, random);
    case WeightType::kQ5_K:
      return PutOffsetK(block, scale / (kRms5Offset * kScaleMean), 15.5, random);
    case WeightType::kQ6_K:
      return PutSignedK(block, Signed(scale / (kRms6 * kSignedMean), random));
    default:
      return;
  }
}

void RandomBlocks::Fill(absl::Span<uint8_t> out) {
  if (!backend::IsQuantized(type_)) return FillFloats(out);
  const size_t block_bytes = static_cast<size_t>(backend::GeometryOf(type_).bytes);
  for (; !out.empty(); out.remove_prefix(block_bytes)) {
    FillRandom(out.subspan(0, block_bytes));
    // Scales are decided by random bits that they are about to cover, so no code goes with them.
    // They stand in front of the codes, in Q6_K behind them (the last two bytes).
    const bool behind = type_ == WeightType::kQ6_K;
    uint32_t random;
    std::memcpy(&random, out.data() + (behind ? block_bytes - sizeof random : 0), sizeof random);
    SetScales(out.data(), behind ? random >> 16 : random);
  }
}

void FillNorm(uint64_t seed, uint32_t tensor, absl::Span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const numerics::PhiloxCounter counter = {{static_cast<uint32_t>(i), 0, tensor, 1}};
    const numerics::PhiloxKey key = {
        {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
    const uint32_t random = numerics::Philox4x32(counter, key).word[0];
    out[i] = 0.5f + static_cast<float>(random >> 8) * 0x1p-24f;
  }
}

}  // namespace llmrt::synth
