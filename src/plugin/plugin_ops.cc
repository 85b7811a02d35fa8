// Ops of a PluginBackend: arguments checked as every backend checks them, then translated. The
// plugin knows the step in flight, so of a batch only the number of rows is compared here.
#include "absl/strings/str_cat.h"
#include "ops/attention.h"
#include "ops/batch.h"
#include "ops/embed.h"
#include "ops/matmul.h"
#include "ops/move_rows.h"
#include "ops/prepare.h"
#include "ops/rms_norm.h"
#include "ops/rope_store.h"
#include "ops/swiglu.h"
#include "plugin/plugin_backend.h"

namespace llmrt::plugin {
namespace {

using backend::ActivationFormat;
using backend::Range;
using ops::OpError;

template <typename T>
uint64_t Address(const T* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

const PluginMatrix& OnDevice(const backend::Matrix& matrix) {
  return static_cast<const PluginMatrix&>(matrix);
}

}  // namespace

absl::Status PluginBackend::CheckRows(std::string_view op, const backend::Batch& batch) const {
  if (batch.num_rows() == num_rows_) return absl::OkStatus();
  return OpError(op, absl::StrCat(batch.num_rows(), " rows in a step of ", num_rows_));
}

absl::Status PluginBackend::CheckBlocks(std::string_view op, const backend::KvCache& cache) const {
  if (&cache != cache_) {
    return OpError(op, "the cache is not the one that steps were reserved for");
  }
  if (!has_tables_) return OpError(op, "a row has no blocks");
  return absl::OkStatus();
}

absl::Status PluginBackend::MoveRows(const backend::MoveRowsParams& params) {
  if (absl::Status status = ops::CheckMoveRows(params); !status.ok()) return status;
  // The device moves words.
  constexpr int64_t kWordBytes = sizeof(float);
  if (params.row_bytes % kWordBytes != 0 || Address(params.rows) % kWordBytes != 0) {
    return OpError("MoveRows",
                   absl::StrCat("rows of ", params.row_bytes, " bytes at address ",
                                Address(params.rows), "; both must be multiples of ", kWordBytes));
  }
  if (params.from == params.to || params.count == 0) return absl::OkStatus();
  const backend::PluginMoveRows call = {.rows = Address(params.rows),
                                        .row_bytes = params.row_bytes,
                                        .from = params.from,
                                        .to = params.to,
                                        .count = params.count};
  return device_->Call(table().move_rows, &call);
}

absl::Status PluginBackend::Embed(const backend::EmbedParams& params, Range rows) {
  absl::Status status = ops::CheckEmbed(params, rows);
  if (status.ok()) status = CheckRows("Embed", *params.batch);
  if (!status.ok() || rows.size() == 0) return status;
  const backend::PluginEmbed call = {.table = OnDevice(*params.table).ForDevice(),
                                     .first = rows.begin,
                                     .end = rows.end,
                                     .out = Address(params.out)};
  return device_->Call(table().embed, &call);
}

absl::Status PluginBackend::RmsNorm(const backend::RmsNormParams& params, Range rows) {
  if (absl::Status status = ops::CheckRmsNorm(params, rows); !status.ok()) return status;
  const bool gathers = !params.rows.empty();
  if (gathers && static_cast<int64_t>(params.rows.size()) != num_logit_rows_) {
    return OpError("RmsNorm", absl::StrCat(params.rows.size(), " rows; the step has ",
                                           num_logit_rows_, " logit rows"));
  }
  if (absl::Status status = CheckFormats("RmsNorm", params.prepared); !status.ok()) return status;
  if (rows.size() == 0) return absl::OkStatus();
  const backend::PluginRmsNorm call = {.in = Address(params.in),
                                       .weight = Address(params.weight),
                                       .out = Address(params.out),
                                       .dim = params.dim,
                                       .first = rows.begin,
                                       .end = rows.end,
                                       .epsilon = params.epsilon,
                                       .of_logit_rows = gathers ? 1 : 0};
  absl::Status status = device_->Call(table().rms_norm, &call);
  if (!status.ok()) return status;
  return LaunchPrepared(params.out, params.dim, params.prepared, rows);
}

absl::Status PluginBackend::Prepare(const backend::PrepareParams& params, Range rows) {
  if (absl::Status status = ops::CheckPrepare(params, rows); !status.ok()) return status;
  const backend::PreparedRows output = {.format = params.format, .rows = params.out};
  if (absl::Status status = CheckFormats("Prepare", {&output, 1}); !status.ok()) return status;
  return rows.size() == 0 ? absl::OkStatus() : LaunchPrepare(params, rows);
}

absl::Status PluginBackend::CheckFormats(std::string_view op,
                                         absl::Span<const backend::PreparedRows> prepared) const {
  for (const backend::PreparedRows& output : prepared) {
    if (output.format == ActivationFormat::kInt8) {
      return OpError(op, "no product of this device reads int8");
    }
  }
  return absl::OkStatus();
}

// Launches follow each other: rows are prepared when what computes them is done.
absl::Status PluginBackend::LaunchPrepared(const float* in, int64_t cols,
                                           absl::Span<const backend::PreparedRows> prepared,
                                           Range rows) {
  for (const backend::PreparedRows& output : prepared) {
    absl::Status status =
        LaunchPrepare({.in = in, .cols = cols, .format = output.format, .out = output.rows}, rows);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PluginBackend::LaunchPrepare(const backend::PrepareParams& params, Range rows) {
  const backend::PluginElement element =
      params.format == ActivationFormat::kF32   ? backend::kPluginF32
      : params.format == ActivationFormat::kF16 ? backend::kPluginF16
                                                : backend::kPluginBF16;
  const backend::PluginPrepare call = {
      .in = Address(params.in),
      .out = Address(params.out),
      .cols = params.cols,
      .row_bytes = backend::ActivationRowBytes(params.format, params.cols),
      .first = rows.begin,
      .end = rows.end,
      .element = element,
      .reserved = 0};
  return device_->Call(table().prepare, &call);
}

absl::Status PluginBackend::MatMul(absl::Span<const backend::MatMulParams> products,
                                   Range features) {
  absl::Status status = ops::CheckMatMul(products, features);
  if (!status.ok() || products.front().num_rows == 0) return status;
  ops::ForEachProduct(products, features, [&](const backend::MatMulParams& product, Range own) {
    if (status.ok()) status = LaunchProduct(product, own);
  });
  return status;
}

absl::Status PluginBackend::LaunchProduct(const backend::MatMulParams& params, Range features) {
  const PluginMatrix& weight = OnDevice(*params.weight);
  const ActivationFormat format = ClassFor(weight.type()).activation;
  const backend::PluginMatMul call = {
      .weight = weight.ForDevice(),
      .activations = Address(params.activations),
      .row_bytes = backend::ActivationRowBytes(format, weight.cols()),
      .out = Address(params.out),
      .out_stride = params.out_stride,
      .num_rows = params.num_rows,
      .first = features.begin,
      .end = features.end,
      .accumulate = params.accumulate ? 1 : 0,
      .reserved = 0};
  return device_->Call(table().matmul, &call);
}

// The block tables were checked when the step began: empty ranges leave them out.
absl::Status PluginBackend::RopeStore(const backend::RopeStoreParams& params, Range rows) {
  absl::Status status = ops::CheckRopeStore(params, {0, 0});
  if (status.ok()) status = ops::CheckRange("RopeStore", rows, params.batch->num_rows());
  if (status.ok()) status = CheckRows("RopeStore", *params.batch);
  if (status.ok()) status = CheckBlocks("RopeStore", *params.cache);
  if (!status.ok() || rows.size() == 0) return status;
  const backend::PluginRopeStore call = {.kv = cache_->ForDevice(params.layer),
                                         .rope_table = Address(params.rope_table),
                                         .q = Address(params.q),
                                         .k = Address(params.k),
                                         .v = Address(params.v),
                                         .rope_dims = params.rope_dims,
                                         .num_q_heads = params.num_q_heads,
                                         .first = rows.begin,
                                         .end = rows.end};
  return device_->Call(table().rope_store, &call);
}

absl::Status PluginBackend::Attention(const backend::AttentionParams& params, Range heads) {
  absl::Status status = ops::CheckAttention(params, {0, 0});
  if (status.ok()) {
    status = ops::CheckRange("Attention", heads, params.batch->num_rows() * params.num_q_heads);
  }
  if (status.ok()) status = CheckRows("Attention", *params.batch);
  if (status.ok()) status = CheckBlocks("Attention", *params.cache);
  if (!status.ok() || heads.size() == 0) return status;
  const backend::PluginAttention call = {.kv = cache_->ForDevice(params.layer),
                                         .q = Address(params.q),
                                         .out = Address(params.out),
                                         .first = heads.begin,
                                         .end = heads.end,
                                         .num_q_heads = params.num_q_heads,
                                         .scale = params.scale};
  return device_->Call(table().attention, &call);
}

absl::Status PluginBackend::SwiGlu(const backend::SwiGluParams& params, Range rows) {
  absl::Status status = ops::CheckSwiGlu(params, rows);
  if (status.ok()) status = CheckFormats("SwiGlu", params.prepared);
  if (!status.ok() || rows.size() == 0) return status;
  // Rows lie one after another: a range of them is one run of values.
  const backend::PluginSwiGlu call = {.gate = Address(params.gate),
                                      .up = Address(params.up),
                                      .out = Address(params.out),
                                      .first = rows.begin * params.dim,
                                      .end = rows.end * params.dim};
  status = device_->Call(table().swiglu, &call);
  if (!status.ok()) return status;
  return LaunchPrepared(params.out, params.dim, params.prepared, rows);
}

}  // namespace llmrt::plugin
