// Rows of every type to float32. Quantized types go through IntegerBlock, which holds the argument
// for exactness; 16-bit types are widened; float32 is copied.
#include "quant/dequantize.h"

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "numerics/float_types.h"

namespace llmrt::quant {
namespace {

using backend::WeightType;

void Dequantize16(WeightType type, const uint8_t* row, absl::Span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const auto bits = static_cast<uint16_t>(row[2 * i] | row[2 * i + 1] << 8);
    out[i] = type == WeightType::kF16 ? numerics::F16ToF32(bits) : numerics::BF16ToF32(bits);
  }
}

void DequantizeBlocks(WeightType type, const uint8_t* row, absl::Span<float> out) {
  IntegerBlock block;
  const auto num_blocks = static_cast<int64_t>(out.size()) / kIntegerBlockValues;
  for (int64_t b = 0; b < num_blocks; ++b) {
    DecodeIntegerBlock(type, row, b, &block);
    DequantizeBlock(block, out.data() + b * kIntegerBlockValues);
  }
}

}  // namespace

void DequantizeBlock(const IntegerBlock& block, float* out) {
  const int group_values = kIntegerBlockValues / block.num_groups;
  for (int i = 0; i < kIntegerBlockValues; ++i) {
    const float product = block.scale[i / group_values] * static_cast<float>(block.q[i]);
    // Adding a zero offset where there is none would turn -0 into +0.
    out[i] = block.has_offset ? product + block.offset : product;
  }
}

absl::Status DequantizeRow(WeightType type, absl::Span<const uint8_t> row, absl::Span<float> out) {
  const std::optional<int64_t> bytes = backend::RowBytes(type, static_cast<int64_t>(out.size()));
  const backend::BlockGeometry geometry = backend::GeometryOf(type);
  if (!bytes.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("a row of ", out.size(), " values is not whole ",
                                                   geometry.name, " blocks of ", geometry.values,
                                                   "; use another type or pad the row"));
  }
  if (static_cast<int64_t>(row.size()) != *bytes) {
    return absl::InvalidArgumentError(absl::StrCat(row.size(), " bytes given for ", out.size(), " ",
                                                   geometry.name, " values, which take ", *bytes,
                                                   " bytes; pass one whole row"));
  }
  if (out.empty()) return absl::OkStatus();
  if (type == WeightType::kF32) {
    std::memcpy(out.data(), row.data(), row.size());  // little endian machines only, as all of ours
  } else if (!backend::IsQuantized(type)) {
    Dequantize16(type, row.data(), out);
  } else {
    DequantizeBlocks(type, row.data(), out);
  }
  return absl::OkStatus();
}

}  // namespace llmrt::quant
