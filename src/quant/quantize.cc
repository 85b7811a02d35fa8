// QuantizeRow, and the types whose blocks hold 32 values. Scales are rounded to f16 before the
// values are divided by them, so each q is the nearest one for the scale that a reader sees.
#include "quant/quantize.h"

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "quant/quantize_block.h"

namespace llmrt::quant {
namespace {

using backend::WeightType;

constexpr int kValues = 32;

// The largest magnitude that any type takes: Q4_0's scale is amax / 8 and f16 ends at 65504, so
// 524032 is where the first scale overflows; the K types' and Q8_0's scales are smaller.
constexpr float kMagnitudeMax = 500000.0f;

// The value of largest magnitude, sign kept.
float SignedMax(const float* x) {
  float extreme = 0;
  for (int i = 0; i < kValues; ++i) {
    if (std::max(x[i], -x[i]) > std::max(extreme, -extreme)) extreme = x[i];
  }
  return extreme;
}

void PackNibbles(const uint8_t (&q)[kValues], uint8_t* out) {
  for (int j = 0; j < kValues / 2; ++j) {
    out[j] = static_cast<uint8_t>((q[j] & 15) | (q[j + kValues / 2] & 15) << 4);
  }
}

void PackHighBits(const uint8_t (&q)[kValues], uint8_t* out) {
  std::memset(out, 0, 4);
  for (int i = 0; i < kValues; ++i) {
    out[i / 8] = static_cast<uint8_t>(out[i / 8] | (q[i] >> 4 & 1) << (i % 8));
  }
}

// Symmetric: the extreme value gets the lowest code, -levels / 2, exactly.
void SymmetricCodes(const float* x, int levels, uint8_t* scale, uint8_t (&q)[kValues]) {
  const float inverse = Inverse(StoreF16(SignedMax(x) / static_cast<float>(-levels / 2), scale));
  for (int i = 0; i < kValues; ++i) {
    q[i] = static_cast<uint8_t>(RoundClamped(x[i] * inverse, -levels / 2, levels / 2 - 1) +
                                levels / 2);
  }
}

// Asymmetric: `bytes` takes the f16 scale (max - min) / (levels - 1), then the f16 minimum.
void OffsetCodes(const float* x, int levels, uint8_t* bytes, uint8_t (&q)[kValues]) {
  const auto [low, high] = std::minmax_element(x, x + kValues);
  const float inverse = Inverse(StoreF16((*high - *low) / static_cast<float>(levels - 1), bytes));
  const float minimum = StoreF16(*low, bytes + 2);
  for (int i = 0; i < kValues; ++i) {
    q[i] = static_cast<uint8_t>(RoundClamped((x[i] - minimum) * inverse, 0, levels - 1));
  }
}

void Write16(WeightType type, absl::Span<const float> row, uint8_t* out) {
  for (size_t i = 0; i < row.size(); ++i) {
    const uint16_t bits =
        type == WeightType::kF16 ? numerics::F32ToF16(row[i]) : numerics::F32ToBF16(row[i]);
    out[2 * i] = static_cast<uint8_t>(bits);
    out[2 * i + 1] = static_cast<uint8_t>(bits >> 8);
  }
}

void QuantizeBlock(WeightType type, const float* x, uint8_t* block) {
  switch (type) {
    case WeightType::kQ8_0:
      return QuantizeQ8_0(x, block);
    case WeightType::kQ4_0:
      return QuantizeQ4_0(x, block);
    case WeightType::kQ4_1:
      return QuantizeQ4_1(x, block);
    case WeightType::kQ5_0:
      return QuantizeQ5_0(x, block);
    case WeightType::kQ5_1:
      return QuantizeQ5_1(x, block);
    case WeightType::kQ4_K:
      return QuantizeQ4_K(x, block);
    case WeightType::kQ5_K:
      return QuantizeQ5_K(x, block);
    case WeightType::kQ6_K:
      return QuantizeQ6_K(x, block);
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return;
  }
}

absl::Status CheckLengths(WeightType type, size_t values, size_t bytes) {
  const backend::BlockGeometry geometry = backend::GeometryOf(type);
  const std::optional<int64_t> expected = backend::RowBytes(type, static_cast<int64_t>(values));
  if (!expected.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("a row of ", values, " values is not whole ",
                                                   geometry.name, " blocks of ", geometry.values,
                                                   "; use another type or pad the row"));
  }
  if (static_cast<int64_t>(bytes) != *expected) {
    return absl::InvalidArgumentError(absl::StrCat("room for ", bytes, " bytes given; ", values,
                                                   " ", geometry.name, " values take ", *expected,
                                                   "; pass exactly that"));
  }
  return absl::OkStatus();
}

}  // namespace

void QuantizeQ8_0(const float* x, uint8_t* block) {
  const float extreme = SignedMax(x);
  const float inverse = Inverse(StoreF16(std::max(extreme, -extreme) / 127.0f, block));
  for (int i = 0; i < kValues; ++i) {
    block[2 + i] = static_cast<uint8_t>(RoundClamped(x[i] * inverse, -127, 127));
  }
}

void QuantizeQ4_0(const float* x, uint8_t* block) {
  uint8_t q[kValues];
  SymmetricCodes(x, 16, block, q);
  PackNibbles(q, block + 2);
}

void QuantizeQ4_1(const float* x, uint8_t* block) {
  uint8_t q[kValues];
  OffsetCodes(x, 16, block, q);
  PackNibbles(q, block + 4);
}

void QuantizeQ5_0(const float* x, uint8_t* block) {
  uint8_t q[kValues];
  SymmetricCodes(x, 32, block, q);
  PackHighBits(q, block + 2);
  PackNibbles(q, block + 6);
}

void QuantizeQ5_1(const float* x, uint8_t* block) {
  uint8_t q[kValues];
  OffsetCodes(x, 32, block, q);
  PackHighBits(q, block + 4);
  PackNibbles(q, block + 8);
}

absl::Status QuantizeRow(WeightType type, absl::Span<const float> row, absl::Span<uint8_t> out) {
  if (absl::Status status = CheckLengths(type, row.size(), out.size()); !status.ok()) return status;
  if (row.empty()) return absl::OkStatus();
  if (type == WeightType::kF32) {
    std::memcpy(out.data(), row.data(), out.size());
    return absl::OkStatus();
  }
  if (!backend::IsQuantized(type)) {
    Write16(type, row, out.data());
    return absl::OkStatus();
  }
  const backend::BlockGeometry geometry = backend::GeometryOf(type);
  for (size_t i = 0; i < row.size(); ++i) {
    // Written so that a NaN fails as well. Minimums are stored as they are, hence f16's own limit.
    const bool has_minimum = type == WeightType::kQ4_1 || type == WeightType::kQ5_1;
    const float limit = has_minimum ? 65504.0f : kMagnitudeMax;
    if (!(row[i] >= -limit && row[i] <= limit)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "value ", i, " is ", row[i], "; ", geometry.name,
          " holds finite values of magnitude up to ", limit, "; store this tensor as F32"));
    }
  }
  for (size_t first = 0; first < row.size();
       first += geometry.values, out.remove_prefix(geometry.bytes)) {
    QuantizeBlock(type, row.data() + first, out.data());
  }
  return absl::OkStatus();
}

}  // namespace llmrt::quant
