#include "ops/matmul.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "numerics/float_types.h"
#include "numerics/fp_mode.h"
#include "numerics/lanes.h"
#include "ops/batch.h"
#include "ops/host_storage.h"
#include "quant/integer_block.h"

namespace llmrt::ops {
namespace {

using backend::ActivationBlock;
using backend::ActivationFormat;
using backend::kActivationBlockValues;
using backend::kChunkK;
using backend::MatMulParams;
using backend::Range;

ActivationFormat FormatOf(const MatMulParams& params) {
  return backend::ClassOf(params.weight->type()).activation;
}

const float* FloatRow(const MatMulParams& params, int64_t m) {
  const int64_t cols = params.weight->cols();
  return reinterpret_cast<const float*>(
      params.activations + m * backend::ActivationRowBytes(ActivationFormat::kF32, cols));
}

// Bfloat16 value k of a row of `cols`, zero beyond its end.
float BFloat16At(const uint8_t* row, int64_t k, int64_t cols) {
  if (k >= cols) return 0.0f;
  uint16_t bits;
  std::memcpy(&bits, row + k * sizeof(bits), sizeof(bits));
  return numerics::BF16ToF32(bits);
}

float Float32Chunk(const float* weight, const float* activation, int64_t begin, int64_t end) {
  return numerics::DotLanes(weight + begin, activation + begin, end - begin);
}

float BFloat16Chunk(const uint8_t* weight, const uint8_t* activation, Range chunk, int64_t cols) {
  constexpr int64_t kPairsK = 32;
  float acc = 0.0f;
  for (int64_t k0 = chunk.begin; k0 < chunk.end; k0 += kPairsK) {
    float even = 0.0f, odd = 0.0f;
    for (int64_t k = k0; k < k0 + kPairsK; k += 2) {
      even = numerics::Fma(BFloat16At(activation, k, cols), BFloat16At(weight, k, cols), even);
      odd =
          numerics::Fma(BFloat16At(activation, k + 1, cols), BFloat16At(weight, k + 1, cols), odd);
    }
    acc = acc + (even + odd);
  }
  return acc;
}

float Int8Chunk(const quant::IntegerBlock* weight, const uint8_t* activation, Range chunk) {
  float acc = 0.0f;
  for (int64_t k = chunk.begin; k < chunk.end; k += kActivationBlockValues) {
    const int64_t index = k / kActivationBlockValues;
    const quant::IntegerBlock& w = weight[index];
    ActivationBlock a;
    std::memcpy(&a, activation + index * sizeof(a), sizeof(a));
    const int32_t group_size = static_cast<int32_t>(kActivationBlockValues) / w.num_groups;
    for (int32_t g = 0; g < w.num_groups; ++g) {
      int32_t isum = 0;
      for (int32_t i = g * group_size; i < (g + 1) * group_size; ++i) isum += w.q[i] * a.q[i];
      acc = numerics::Fma(static_cast<float>(isum), w.scale[g] * a.scale, acc);
    }
    if (w.has_offset) {
      acc = numerics::Fma(static_cast<float>(a.sum), w.offset * a.scale, acc);
    }
  }
  return acc;
}

// One weight row in the form that its class computes with.
struct WeightRow {
  WeightRow(const HostMatrix& matrix, int64_t row) : bytes(matrix.row(row)) {
    if (backend::IsQuantized(matrix.type())) {
      blocks.resize(matrix.cols() / kActivationBlockValues);
      for (size_t b = 0; b < blocks.size(); ++b) {
        quant::DecodeIntegerBlock(matrix.type(), bytes, static_cast<int64_t>(b), &blocks[b]);
      }
    } else if (matrix.type() != backend::WeightType::kBF16) {
      values.resize(matrix.cols());
      matrix.DequantizeRow(row, values.data());
    }
  }
  const uint8_t* bytes;
  std::vector<quant::IntegerBlock> blocks;  // quantized types
  std::vector<float> values;                // F32, F16
};

float ChunkSum(const MatMulParams& params, const WeightRow& weight, int64_t m, Range chunk) {
  const int64_t cols = params.weight->cols();
  const ActivationFormat format = FormatOf(params);
  const uint8_t* activation = params.activations + m * backend::ActivationRowBytes(format, cols);
  switch (format) {
    case ActivationFormat::kF32:
      return Float32Chunk(weight.values.data(), FloatRow(params, m), chunk.begin, chunk.end);
    case ActivationFormat::kBF16:
      return BFloat16Chunk(weight.bytes, activation, chunk, cols);
    case ActivationFormat::kInt8:
      return Int8Chunk(weight.blocks.data(), activation, chunk);
    case ActivationFormat::kF16:
      break;  // of no class here
  }
  return 0.0f;
}

// Rows whose sums PlainMatMul keeps at a time, and columns of a weight row: whole blocks of every
// type. Both lie on the stack: mode `reference` allocates nothing inside a step.
constexpr int64_t kPlainRows = 64;
constexpr int64_t kPlainColumns = 256;

// totals[i] = the product of activation row rows.begin + i and weight row n.
void PlainSums(const MatMulParams& params, int64_t n, Range rows, double* totals) {
  const auto& matrix = static_cast<const HostMatrix&>(*params.weight);
  float weight[kPlainColumns];
  std::fill(totals, totals + rows.size(), 0.0);
  for (int64_t begin = 0; begin < matrix.cols(); begin += kPlainColumns) {
    const Range columns = {begin, std::min(matrix.cols(), begin + kPlainColumns)};
    matrix.DequantizePart(n, columns, weight);
    for (int64_t i = 0; i < rows.size(); ++i) {
      const float* activation = FloatRow(params, rows.begin + i) + begin;
      double total = totals[i];
      for (int64_t k = 0; k < columns.size(); ++k) {
        total += double{activation[k]} * double{weight[k]};
      }
      totals[i] = total;
    }
  }
}

void Store(const MatMulParams& params, int64_t m, int64_t n, float total) {
  float& out = params.out[m * params.out_stride + n];
  out = params.accumulate ? out + total : total;
}

void OracleProduct(const MatMulParams& params, Range features) {
  const auto& matrix = static_cast<const HostMatrix&>(*params.weight);
  for (int64_t n = features.begin; n < features.end; ++n) {
    const WeightRow weight(matrix, n);
    for (int64_t m = 0; m < params.num_rows; ++m) {
      float total = 0.0f;
      for (int64_t k = 0; k < matrix.cols(); k += kChunkK) {
        const Range chunk = {k, std::min(matrix.cols(), k + kChunkK)};
        total = total + ChunkSum(params, weight, m, chunk);
      }
      Store(params, m, n, total);
    }
  }
}

void PlainProduct(const MatMulParams& params, Range features) {
  double totals[kPlainRows];
  for (int64_t n = features.begin; n < features.end; ++n) {
    for (int64_t begin = 0; begin < params.num_rows; begin += kPlainRows) {
      const Range rows = {begin, std::min(params.num_rows, begin + kPlainRows)};
      PlainSums(params, n, rows, totals);
      for (int64_t m = rows.begin; m < rows.end; ++m) {
        Store(params, m, n, static_cast<float>(totals[m - rows.begin]));
      }
    }
  }
}

absl::Status CheckProduct(const MatMulParams& params, int64_t num_rows) {
  if (params.weight == nullptr || params.activations == nullptr || params.out == nullptr) {
    return OpError("MatMul", "a pointer is null");
  }
  if (params.num_rows < 0 || params.out_stride < params.weight->rows()) {
    return OpError("MatMul",
                   absl::StrCat(params.num_rows, " rows ", params.out_stride, " floats apart for ",
                                params.weight->rows(), " features"));
  }
  if (params.num_rows == num_rows) return absl::OkStatus();
  return OpError("MatMul", absl::StrCat("products of ", num_rows, " and of ", params.num_rows,
                                        " rows in one walk"));
}

}  // namespace

absl::Status CheckMatMul(absl::Span<const MatMulParams> products, Range features) {
  if (products.empty() || products.size() > size_t{backend::kProductsMax}) {
    return OpError(
        "MatMul", absl::StrCat(products.size(), " products; the limit is ", backend::kProductsMax));
  }
  int64_t units = 0;
  for (const MatMulParams& product : products) {
    absl::Status status = CheckProduct(product, products.front().num_rows);
    if (!status.ok()) return status;
    units += product.weight->rows();
  }
  return CheckRange("MatMul", features, units);
}

void OracleMatMul(absl::Span<const MatMulParams> products, Range features) {
  numerics::ScopedFpMode fp_mode;
  ForEachProduct(products, features, OracleProduct);
}

void PlainMatMul(absl::Span<const MatMulParams> products, Range features) {
  numerics::ScopedFpMode fp_mode;
  ForEachProduct(products, features, PlainProduct);
}

}  // namespace llmrt::ops
