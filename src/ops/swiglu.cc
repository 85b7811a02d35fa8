#include "ops/swiglu.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "numerics/exact_math.h"
#include "numerics/exact_math_f64.h"
#include "numerics/fp_mode.h"
#include "ops/batch.h"
#include "ops/prepare.h"

namespace llmrt::ops {

absl::Status CheckSwiGlu(const backend::SwiGluParams& params, backend::Range rows) {
  if (params.gate == nullptr || params.up == nullptr || params.out == nullptr) {
    return OpError("SwiGlu", "a pointer is null");
  }
  if (params.dim <= 0) return OpError("SwiGlu", absl::StrCat("dim ", params.dim));
  absl::Status prepared = CheckPrepared("SwiGlu", params.prepared);
  if (!prepared.ok()) return prepared;
  return CheckRange("SwiGlu", rows, std::numeric_limits<int64_t>::max());
}

void OracleSwiGlu(const backend::SwiGluParams& params, backend::Range rows) {
  numerics::ScopedFpMode fp_mode;
  for (int64_t i = rows.begin * params.dim; i < rows.end * params.dim; ++i) {
    params.out[i] = numerics::Silu(params.gate[i]) * params.up[i];
  }
  OraclePrepared(params.out, params.dim, params.prepared, rows);
}

void PlainSwiGlu(const backend::SwiGluParams& params, backend::Range rows) {
  numerics::ScopedFpMode fp_mode;
  for (int64_t i = rows.begin * params.dim; i < rows.end * params.dim; ++i) {
    const double gate = params.gate[i];
    const double silu = gate / (1.0 + numerics::ExpF64(-gate));
    params.out[i] = static_cast<float>(silu * double{params.up[i]});
  }
  OraclePrepared(params.out, params.dim, params.prepared, rows);
}

}  // namespace llmrt::ops
