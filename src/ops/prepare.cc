#include "ops/prepare.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "numerics/float_types.h"
#include "numerics/fp_mode.h"
#include "numerics/quantize_row.h"
#include "ops/batch.h"

namespace llmrt::ops {
namespace {

using backend::ActivationBlock;
using backend::ActivationFormat;
using backend::kActivationBlockValues;

void QuantizeRow(const float* in, int64_t cols, uint8_t* out) {
  for (int64_t k = 0; k < cols; k += kActivationBlockValues) {
    ActivationBlock block;
    const int64_t count = std::min(cols - k, kActivationBlockValues);
    block.scale = numerics::QuantizeBlock32(in + k, static_cast<int>(count), block.q, &block.sum);
    std::memcpy(out, &block, sizeof(block));
    out += sizeof(block);
  }
}

}  // namespace

absl::Status CheckPrepare(const backend::PrepareParams& params, backend::Range rows) {
  if (params.in == nullptr || params.out == nullptr) return OpError("Prepare", "a pointer is null");
  if (params.cols <= 0) return OpError("Prepare", absl::StrCat(params.cols, " columns"));
  return CheckRange("Prepare", rows, std::numeric_limits<int64_t>::max());
}

void OraclePrepare(const backend::PrepareParams& params, backend::Range rows) {
  numerics::ScopedFpMode fp_mode;
  const int64_t row_bytes = backend::ActivationRowBytes(params.format, params.cols);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* in = params.in + row * params.cols;
    uint8_t* out = params.out + row * row_bytes;
    if (params.format == ActivationFormat::kInt8) {
      QuantizeRow(in, params.cols, out);
      continue;
    }
    std::memset(out, 0, row_bytes);
    if (params.format == ActivationFormat::kF32) {
      std::memcpy(out, in, params.cols * sizeof(float));
      continue;
    }
    for (int64_t i = 0; i < params.cols; ++i) {
      const uint16_t rounded = params.format == ActivationFormat::kF16 ? numerics::F32ToF16(in[i])
                                                                       : numerics::F32ToBF16(in[i]);
      std::memcpy(out + i * sizeof(rounded), &rounded, sizeof(rounded));
    }
  }
}

absl::Status CheckPrepared(std::string_view op, absl::Span<const backend::PreparedRows> prepared) {
  for (const backend::PreparedRows& output : prepared) {
    if (output.rows == nullptr) return OpError(op, "a pointer to prepared rows is null");
  }
  return absl::OkStatus();
}

void OraclePrepared(const float* in, int64_t cols, absl::Span<const backend::PreparedRows> prepared,
                    backend::Range rows) {
  for (const backend::PreparedRows& output : prepared) {
    OraclePrepare({.in = in, .cols = cols, .format = output.format, .out = output.rows}, rows);
  }
}

}  // namespace llmrt::ops
