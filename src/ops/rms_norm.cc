#include "ops/rms_norm.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "numerics/fp_mode.h"
#include "numerics/lanes.h"
#include "ops/batch.h"
#include "ops/prepare.h"

namespace llmrt::ops {

using backend::Range;
using backend::RmsNormParams;

absl::Status CheckRmsNorm(const RmsNormParams& params, Range rows) {
  if (params.in == nullptr || params.weight == nullptr || params.out == nullptr) {
    return OpError("RmsNorm", "a pointer is null");
  }
  if (params.dim <= 0 || !(params.epsilon >= 0)) {
    return OpError("RmsNorm", absl::StrCat("dim ", params.dim, ", epsilon ", params.epsilon));
  }
  absl::Status prepared = CheckPrepared("RmsNorm", params.prepared);
  if (!prepared.ok()) return prepared;
  const int64_t limit = params.rows.empty() ? std::numeric_limits<int64_t>::max()
                                            : static_cast<int64_t>(params.rows.size());
  if (absl::Status status = CheckRange("RmsNorm", rows, limit); !status.ok()) return status;
  for (int64_t row = rows.begin; row < rows.end && !params.rows.empty(); ++row) {
    if (params.rows[row] < 0) {
      return OpError("RmsNorm", absl::StrCat("row ", row, " reads row ", params.rows[row]));
    }
  }
  return absl::OkStatus();
}

void OracleRmsNorm(const RmsNormParams& params, Range rows) {
  numerics::ScopedFpMode fp_mode;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* in = params.in + RmsNormInputRow(params, row) * params.dim;
    float* out = params.out + row * params.dim;
    float sum = 0.0f;
    for (int64_t k = 0; k < params.dim; k += backend::kChunkK) {
      sum += numerics::DotLanes(in + k, in + k, std::min(params.dim - k, backend::kChunkK));
    }
    const float mean = sum / static_cast<float>(params.dim);
    const float scale = 1.0f / __builtin_sqrtf(mean + params.epsilon);
    for (int64_t i = 0; i < params.dim; ++i) out[i] = (in[i] * scale) * params.weight[i];
  }
  OraclePrepared(params.out, params.dim, params.prepared, rows);
}

void PlainRmsNorm(const RmsNormParams& params, Range rows) {
  numerics::ScopedFpMode fp_mode;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* in = params.in + RmsNormInputRow(params, row) * params.dim;
    float* out = params.out + row * params.dim;
    double sum = 0.0;
    for (int64_t i = 0; i < params.dim; ++i) sum += double{in[i]} * double{in[i]};
    const double mean = sum / static_cast<double>(params.dim);
    const double scale = 1.0 / __builtin_sqrt(mean + double{params.epsilon});
    for (int64_t i = 0; i < params.dim; ++i) {
      out[i] = static_cast<float>(double{in[i]} * scale * double{params.weight[i]});
    }
  }
  OraclePrepared(params.out, params.dim, params.prepared, rows);
}

}  // namespace llmrt::ops
