#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cpu/attention_tasks.h"
#include "cpu/cpu_features.h"
#include "cpu/cpu_kv_cache.h"
#include "cpu/packed_matrix.h"
#include "cpu/product_walk.h"
#include "cpu/read_bandwidth.h"
#include "numerics/fp_mode.h"
#include "ops/attention.h"
#include "ops/batch.h"
#include "ops/embed.h"
#include "ops/host_storage.h"
#include "ops/matmul.h"
#include "ops/move_rows.h"
#include "ops/prepare.h"
#include "ops/rms_norm.h"
#include "ops/rope_store.h"
#include "ops/swiglu.h"

namespace llmrt::cpu {
namespace {

using backend::Range;
using numerics::ScopedFpMode;

// Values that elementwise work handles in a few microseconds: less is not worth waking a thread
// for.
constexpr int64_t kTaskValues = 8192;

// Rows of the gated activation are cut in parts of this many values. SiLU costs several times a
// copy, so that this much of it, microseconds, is worth another thread.
constexpr int64_t kSwiGluPart = 2048;

// A part of a row that is prepared by itself begins on this many values: whole blocks of int8, and
// whole 128 bytes, to which the other formats pad, so that no part writes into the next one.
constexpr int64_t kPartStep = 64;
static_assert(kPartStep % backend::kActivationBlockValues == 0 && kSwiGluPart % kPartStep == 0);
static_assert(kSwiGluPart * int64_t{sizeof(float)} <= kScratchBytes);

// Tokens of a KV block, where there are that many: see RopeStore.
constexpr int64_t kRowsTogether = 16;

// Rows of floats are several times as long as packed ones: a chunk of so many stays in the second
// cache for all features of a slice.
constexpr int64_t kPlainBandRows = 192;

// A shorter piece of each row is not worth another thread.
constexpr int64_t kMoveBytesMin = 1024;

absl::Status CheckFormats(std::string_view op, absl::Span<const backend::PreparedRows> prepared) {
  for (const backend::PreparedRows& output : prepared) {
    if (static_cast<int>(output.format) >= kActivationFormatCount) {
      return ops::OpError(op, "no CPU kernel reads this format");
    }
  }
  return absl::OkStatus();
}

}  // namespace

const KernelTable& KernelsOf(backend::CpuTier tier) {
  switch (tier) {
#if defined(__x86_64__)
    case backend::CpuTier::kAvx2:
      return kAvx2Kernels;
    case backend::CpuTier::kAvx512:
      return kAvx512Kernels;
    case backend::CpuTier::kVnni:
      return kVnniKernels;
    case backend::CpuTier::kAmx:
      return kAmxKernels;
#endif
    default:
      return kPortableKernels;
  }
}

absl::StatusOr<std::unique_ptr<backend::Backend>> CpuBackend::Create(
    const KernelTable& kernels, std::string_view tier, const backend::BackendOptions& options) {
  if (options.memory == nullptr) return absl::InternalError("a CPU backend needs a LargeMemory");
  if (options.numerics == backend::NumericMode::kReference) {
    return absl::InternalError("numerics reference is the reference backend's");
  }
  std::unique_ptr<CpuBackend> backend(new CpuBackend(kernels, tier, *options.memory));
  const int32_t threads = options.threads == 0 ? CountUsableCores() : options.threads;
  absl::StatusOr<std::unique_ptr<ThreadPool>> pool = ThreadPool::Create(threads, options.job_hook);
  if (!pool.ok()) return pool.status();
  backend->pool_ = *std::move(pool);
  absl::StatusOr<memory::LargeBuffer> scratch =
      options.memory->Allocate(threads * kScratchBytes, memory::Tag::kWorkspace);
  if (!scratch.ok()) return scratch.status();
  backend->scratch_ = *std::move(scratch);
  absl::StatusOr<memory::LargeBuffer> packed =
      options.memory->Allocate(kPackedBytes, memory::Tag::kWorkspace);
  if (!packed.ok()) return packed.status();
  backend->packed_ = *std::move(packed);
  return backend;
}

std::string CpuBackend::DeviceClass() const { return absl::StrCat("cpu/", tier_); }

backend::NumericClass CpuBackend::ClassFor(backend::WeightType type) const {
  return backend::ClassOf(type);
}

double CpuBackend::MeasureReadBandwidth() { return cpu::MeasureReadBandwidth(*pool_, memory_); }

int64_t CpuBackend::MatrixBytes(backend::WeightType type, int64_t rows, int64_t cols) const {
  return PackedMatrix::Bytes(type, rows, cols).value_or(0);
}

int64_t CpuBackend::band_rows(const backend::Matrix& weight) const {
  const bool packed = kernels_.packing[static_cast<int>(weight.type())].tile != nullptr;
  return packed ? RowsPackedAtOnce(kernels_, weight.cols()) : kPlainBandRows;
}

int64_t CpuBackend::KvBlockBytes(const backend::KvShape& shape) const { return shape.BlockBytes(); }

absl::StatusOr<std::unique_ptr<backend::Buffer>> CpuBackend::CreateBuffer(int64_t bytes,
                                                                          memory::Tag tag) {
  return ops::HostBuffer::Create(memory_, bytes, tag);
}

absl::StatusOr<std::unique_ptr<backend::Matrix>> CpuBackend::CreateMatrix(backend::WeightType type,
                                                                          int64_t rows,
                                                                          int64_t cols) {
  if (backend::IsQuantized(type) && cols > kColsMax) {
    return absl::UnimplementedError(absl::StrCat("a matrix of ", cols,
                                                 " columns; the CPU kernels go up to ", kColsMax,
                                                 "; use numerics reference"));
  }
  return PackedMatrix::Create(memory_, type, rows, cols);
}

absl::Status CpuBackend::WriteRows(backend::Matrix& matrix, int64_t first_row,
                                   absl::Span<const uint8_t> bytes) {
  return static_cast<PackedMatrix&>(matrix).WriteRows(first_row, bytes);
}

absl::Status CpuBackend::Upload(backend::Buffer& buffer, int64_t offset,
                                absl::Span<const uint8_t> bytes) {
  return ops::UploadToHost(buffer, offset, bytes);
}

absl::Status CpuBackend::Download(const backend::Buffer& buffer, int64_t offset,
                                  absl::Span<uint8_t> out) {
  return ops::DownloadFromHost(buffer, offset, out);
}

absl::StatusOr<std::unique_ptr<backend::KvCache>> CpuBackend::CreateKvCache(
    const backend::KvShape& shape, int64_t num_blocks) {
  if (shape.head_dim > kHeadDimMax) {
    return absl::UnimplementedError(absl::StrCat("head dimension ", shape.head_dim,
                                                 "; the CPU kernels go up to ", kHeadDimMax,
                                                 "; use numerics reference"));
  }
  return CpuKvCache::Create(memory_, shape, num_blocks);
}

absl::Status CpuBackend::CopyKvBlocks(backend::KvCache& cache,
                                      absl::Span<const backend::BlockCopy> copies) {
  return static_cast<CpuKvCache&>(cache).CopyBlocks(copies);
}

absl::Status CpuBackend::ReadKvBlock(const backend::KvCache& cache, int32_t block,
                                     absl::Span<uint8_t> out) {
  return static_cast<const CpuKvCache&>(cache).ReadBlock(block, out);
}

absl::Status CpuBackend::BeginStep(const backend::Batch& batch,
                                   absl::Span<const int32_t> logit_rows) {
  place_.Forget();
  return ops::CheckBatch(batch, logit_rows);
}

absl::Status CpuBackend::ChangeBatch(const backend::Batch& batch,
                                     absl::Span<const int32_t> logit_rows) {
  place_.Forget();
  return ops::CheckBatch(batch, logit_rows);
}

absl::Status CpuBackend::MoveRows(const backend::MoveRowsParams& params) {
  place_.Forget();
  if (absl::Status status = ops::CheckMoveRows(params); !status.ok()) return status;
  if (params.from == params.to || params.count == 0) return absl::OkStatus();
  // A task moves its columns of every row, first to last: a row is read before the row that takes
  // its place in memory is written, and no two tasks share a byte. Cut on cache lines.
  const int64_t column_bytes =
      std::max<int64_t>(kMoveBytesMin, (params.row_bytes / pool_->threads() + 63) / 64 * 64);
  const int64_t num_tasks = (params.row_bytes + column_bytes - 1) / column_bytes;
  return pool_->Run(num_tasks, [&](int64_t task, int32_t) {
    const int64_t begin = task * column_bytes;
    const auto bytes = static_cast<size_t>(std::min(column_bytes, params.row_bytes - begin));
    uint8_t* to = params.rows + params.to * params.row_bytes + begin;
    const uint8_t* from = params.rows + params.from * params.row_bytes + begin;
    for (int64_t i = 0; i < params.count; ++i) {
      std::memcpy(to + i * params.row_bytes, from + i * params.row_bytes, bytes);
    }
  });
}

absl::StatusOr<bool> CpuBackend::EndStep(int64_t) { return true; }

template <typename Fn>
absl::Status CpuBackend::ForTasks(Range rows, int64_t values_each, Fn fn) {
  const int64_t each = std::max<int64_t>(1, kTaskValues / std::max<int64_t>(1, values_each));
  const int64_t num_tasks = (rows.size() + each - 1) / each;
  return pool_->Run(num_tasks, [&](int64_t task, int32_t) {
    const int64_t begin = rows.begin + task * each;
    fn(Range{begin, std::min(rows.end, begin + each)});
  });
}

template <typename Fn>
absl::Status CpuBackend::ForEach(int64_t count, int64_t values_each, Fn fn) {
  return ForTasks({0, count}, values_each, [&](Range part) {
    for (int64_t i = part.begin; i < part.end; ++i) fn(i);
  });
}

absl::Status CpuBackend::Embed(const backend::EmbedParams& params, Range rows) {
  if (absl::Status status = ops::CheckEmbed(params, rows); !status.ok()) return status;
  ScopedFpMode fp_mode;
  const auto& table = static_cast<const PackedMatrix&>(*params.table);
  return ForEach(rows.size(), table.cols(), [&](int64_t i) {
    const int64_t row = rows.begin + i;
    table.DequantizeRow(params.batch->tokens[row], params.out + row * table.cols());
  });
}

absl::Status CpuBackend::RmsNorm(const backend::RmsNormParams& params, Range rows) {
  absl::Status status = ops::CheckRmsNorm(params, rows);
  if (status.ok()) status = CheckFormats("RmsNorm", params.prepared);
  if (!status.ok()) return status;
  ScopedFpMode fp_mode;
  return ForTasks(rows, params.dim, [&](Range part) {
    for (int64_t row = part.begin; row < part.end; ++row) {
      // Nobody reads the floats of prepared rows: the task's first row is the place for each in
      // turn, and stays in the core's first cache.
      float* out = params.out + (params.prepared.empty() ? row : part.begin) * params.dim;
      kernels_.rms_norm({.in = params.in + ops::RmsNormInputRow(params, row) * params.dim,
                         .weight = params.weight,
                         .dim = params.dim,
                         .epsilon = params.epsilon,
                         .out = out});
      PreparePart(out, params.dim, row, {0, params.dim}, params.prepared);
    }
  });
}

void CpuBackend::PreparePart(const float* values, int64_t dim, int64_t row, Range columns,
                             absl::Span<const backend::PreparedRows> prepared) const {
  for (const backend::PreparedRows& output : prepared) {
    // Bytes of the columns before: no padding is among them.
    const int64_t offset = backend::ActivationRowBytes(output.format, columns.begin);
    const int64_t row_bytes = backend::ActivationRowBytes(output.format, dim);
    kernels_.prepare[static_cast<int>(output.format)](values, columns.size(),
                                                      output.rows + row * row_bytes + offset);
  }
}

absl::Status CpuBackend::Prepare(const backend::PrepareParams& params, Range rows) {
  const backend::PreparedRows output = {.format = params.format, .rows = params.out};
  absl::Status status = ops::CheckPrepare(params, rows);
  if (status.ok()) status = CheckFormats("Prepare", {&output, 1});
  if (!status.ok()) return status;
  ScopedFpMode fp_mode;
  return ForEach(rows.size(), params.cols, [&](int64_t i) {
    const int64_t row = rows.begin + i;
    PreparePart(params.in + row * params.cols, params.cols, row, {0, params.cols}, {&output, 1});
  });
}

absl::Status CpuBackend::MatMul(absl::Span<const backend::MatMulParams> products, Range features) {
  if (absl::Status status = ops::CheckMatMul(products, features); !status.ok()) return status;
  if (products.front().num_rows == 0 || features.size() == 0) return absl::OkStatus();
  ScopedFpMode fp_mode;
  const bool packed = place_.IsNext(products, features);
  place_.Forget();
  ProductWalk walk(kernels_, products, features, pool_->threads(), packed_.data());
  const bool in_one_pass = walk.InOnePass();
  while (walk.NextPass()) {
    absl::Status status = packed ? absl::OkStatus() : PackRows(walk);
    if (status.ok()) {
      status = pool_->Run(walk.num_tasks(), [&](int64_t task, int32_t worker) {
        walk.Multiply(task, ScratchOf(worker));
      });
    }
    if (!status.ok()) return status;
  }
  if (in_one_pass) place_.Set(products, features);
  return absl::OkStatus();
}

absl::Status CpuBackend::PackRows(const ProductWalk& walk) {
  return pool_->Run(walk.num_pack_tasks(), [&](int64_t task, int32_t) { walk.Pack(task); });
}

absl::Status CpuBackend::RopeStore(const backend::RopeStoreParams& params, Range rows) {
  if (absl::Status status = ops::CheckRopeStore(params, rows); !status.ok()) return status;
  ScopedFpMode fp_mode;
  const auto& cache = static_cast<const CpuKvCache&>(*params.cache);
  const backend::KvShape& shape = cache.shape();
  const auto store = kernels_.store_kv[static_cast<int>(shape.type)];
  const int64_t head_bytes = shape.head_dim * backend::KvElementBytes(shape.type);
  const int64_t q_values = int64_t{params.num_q_heads} * shape.head_dim;
  const int64_t kv_values = int64_t{shape.num_kv_heads} * shape.head_dim;
  // Keys of one block share cache lines: many rows go to a thread by the sixteen.
  const int64_t values = rows.size() >= 2 * kRowsTogether * pool_->threads()
                             ? std::min(q_values + 2 * kv_values, kTaskValues / kRowsTogether)
                             : q_values + 2 * kv_values;
  return ForEach(rows.size(), values, [&](int64_t i) {
    const int64_t row = rows.begin + i;
    const int32_t position = params.batch->positions[row];
    float* k = params.k + row * kv_values;
    const float* v = params.v + row * kv_values;
    RopeTask rope = {.table = params.rope_table + int64_t{position} * params.rope_dims,
                     .rope_dims = params.rope_dims,
                     .num_heads = params.num_q_heads,
                     .head_dim = shape.head_dim,
                     .heads = params.q + row * q_values};
    kernels_.rope(rope);
    rope.num_heads = shape.num_kv_heads;
    rope.heads = k;
    kernels_.rope(rope);
    const int32_t block =
        params.batch->block_tables[params.batch->sequences[row]][position / shape.block_size];
    const int64_t slot = position % shape.block_size;
    for (int32_t head = 0; head < shape.num_kv_heads; ++head) {
      alignas(64) uint8_t key[kHeadDimMax * sizeof(float)];
      store(k + head * shape.head_dim, shape.head_dim, key);
      cache.ScatterKey(key, slot, cache.KeyTile(block, params.layer, head));
      store(v + head * shape.head_dim, shape.head_dim,
            cache.ValueTile(block, params.layer, head) + slot * head_bytes);
    }
  });
}

absl::Status CpuBackend::Attention(const backend::AttentionParams& params, Range heads) {
  if (absl::Status status = ops::CheckAttention(params, heads); !status.ok()) return status;
  if (heads.size() == 0) return absl::OkStatus();
  ScopedFpMode fp_mode;
  const auto kernel = kernels_.attention[static_cast<int>(params.cache->shape().type)];
  const AttentionTasks tasks(params, heads, pool_->threads());
  return pool_->Run(tasks.count(), [&](int64_t task, int32_t worker) {
    tasks.Run(task, kernel, ScratchOf(worker));
  });
}

absl::Status CpuBackend::SwiGlu(const backend::SwiGluParams& params, Range rows) {
  absl::Status status = ops::CheckSwiGlu(params, rows);
  if (status.ok()) status = CheckFormats("SwiGlu", params.prepared);
  if (!status.ok()) return status;
  ScopedFpMode fp_mode;
  // Parts of rows, several to a task where there are many or short ones: a single row of 8192
  // values is work for four threads.
  const int64_t parts_per_row = (params.dim + kSwiGluPart - 1) / kSwiGluPart;
  const int64_t parts = rows.size() * parts_per_row;
  const int64_t each = std::max(
      {int64_t{1}, parts / (pool_->threads() * kTasksPerThread), kSwiGluPart / params.dim});
  return pool_->Run((parts + each - 1) / each, [&](int64_t task, int32_t worker) {
    const int64_t end = std::min(parts, (task + 1) * each);
    for (int64_t part = task * each; part < end; ++part) {
      const int64_t column = part % parts_per_row * kSwiGluPart;
      SwiGluPart(params, rows.begin + part / parts_per_row,
                 {column, std::min(params.dim, column + kSwiGluPart)}, worker);
    }
  });
}

void CpuBackend::SwiGluPart(const backend::SwiGluParams& params, int64_t row, Range columns,
                            int32_t worker) const {
  const int64_t first = row * params.dim + columns.begin;
  // Nobody reads the floats of prepared rows: they stay in the core's first cache.
  float* out =
      params.prepared.empty() ? params.out + first : reinterpret_cast<float*>(ScratchOf(worker));
  kernels_.swiglu(params.gate + first, params.up + first, columns.size(), out);
  PreparePart(out, params.dim, row, columns, params.prepared);
}

}  // namespace llmrt::cpu

namespace llmrt::backend {

absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(const BackendOptions& options) {
  absl::StatusOr<CpuTier> tier = cpu::PickTier(options.tier);
  if (!tier.ok()) return tier.status();
  return cpu::CpuBackend::Create(cpu::KernelsOf(*tier), cpu::TierName(*tier), options);
}

}  // namespace llmrt::backend
