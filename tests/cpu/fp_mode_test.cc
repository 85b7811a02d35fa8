// Every op of every tier in every floating-point mode that a host may have set: the oracle's bits,
// and the host's mode, sticky flags included, as it was. Single-threaded backends count most: all
// of their work runs on the host's own thread.
#include "numerics/fp_mode.h"

#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"
#include "ops/attention.h"
#include "ops/embed.h"
#include "ops/host_storage.h"
#include "ops/matmul.h"
#include "ops/prepare.h"
#include "ops/rms_norm.h"
#include "ops/rope_store.h"
#include "ops/swiglu.h"
#include "tests/cpu/both_layouts.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/cpu/cpu_cache.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

#if defined(__x86_64__)

using backend::CpuTier;
using backend::KvType;
using backend::WeightType;
using ops::Spread;

constexpr int64_t kRows = 5, kDim = 256;
// Of the products: two panels, and rows that fill a tile and begin another.
constexpr int64_t kFeatures = 21, kProductRows = 17;
static_assert(kFeatures * kProductRows <= kRows * kDim);

// MXCSR: up with denormals kept; toward zero with everything flushed; to nearest with denormals
// kept, flags raised or not; down; up with every exception trapping.
constexpr uint64_t kHostModes[] = {0x5f80, 0xffc0, 0x1fbf, 0x1f80, 0x3f80, 0x4000};

// What every op reads, made once.
struct Inputs {
  Inputs() {
    const auto bytes = ops::RandomWeights(random, WeightType::kQ4_K, kRows, kDim, Spread::kNormal);
    table = MakeBothLayouts(WeightType::kQ4_K, kRows, kDim, bytes);
    paged = ops::MakePagedCache(random, TestMemory(), shape, {100});
    batch.tables = paged.table_spans;
    for (int32_t row = 0; row < kRows; ++row) {
      batch.Add(0, 95 + row);
      batch.tokens.back() = row;
    }
    cpu_cache = CpuCopyOf(*paged.cache);
    cache_bytes = PlainBytes(static_cast<CpuKvCache&>(*cpu_cache));
    view = batch.View();
    // Every other row has denormals, which would drown in the sums that modes round their own way.
    for (int64_t row = 0; row < kProductRows; ++row) {
      const Spread spread = row % 2 == 0 ? Spread::kNormal : Spread::kWide;
      const std::vector<float> values = ops::RandomFloats(random, kDim, spread);
      product_rows.insert(product_rows.end(), values.begin(), values.end());
    }
    for (const WeightType type : {WeightType::kF16, WeightType::kBF16, WeightType::kQ4_K}) {
      weights[type] =
          MakeBothLayouts(type, kFeatures, kDim,
                          ops::RandomWeights(random, type, kFeatures, kDim, Spread::kNormal));
    }
  }
  // Before each run: an op may have stored keys, or rotated them.
  void Restore() {
    q = wide, k = wide, out.assign(kRows * kDim, -1.0f), prepared.assign(kRows * kDim * 4, 0xee);
    std::memcpy(static_cast<ops::HostKvCache&>(*paged.cache).data(), cache_bytes.data(),
                cache_bytes.size());
    SetPlainBytes(static_cast<CpuKvCache&>(*cpu_cache), cache_bytes);
  }
  // All that any op writes.
  std::string Written() const {
    std::string bytes;
    for (const std::vector<float>* floats : {&out, &q, &k}) {
      bytes.append(reinterpret_cast<const char*>(floats->data()), floats->size() * sizeof(float));
    }
    bytes.append(prepared.begin(), prepared.end());
    // The oracle writes one of the two, a backend the other.
    const std::vector<uint8_t> plain = PlainBytes(static_cast<ops::HostKvCache&>(*paged.cache));
    const std::vector<uint8_t> cpu = PlainBytes(static_cast<CpuKvCache&>(*cpu_cache));
    const std::vector<uint8_t>& written = plain == cache_bytes ? cpu : plain;
    return bytes.append(written.begin(), written.end());
  }

  ops::Random random{3};
  const backend::KvShape shape = {
      .num_layers = 1, .num_kv_heads = 2, .head_dim = kDim / 2, .type = KvType::kF16};
  // kWide: denormals, which modes keep or flush; kNormal: sums that every mode rounds its own way.
  const std::vector<float> wide = ops::RandomFloats(random, kRows* kDim, Spread::kWide);
  const std::vector<float> normal = ops::RandomFloats(random, kRows* kDim, Spread::kNormal);
  std::vector<float> q, k, out;
  std::vector<uint8_t> prepared, cache_bytes;
  BothLayouts table;
  std::vector<float> product_rows;  // [kProductRows, kDim]
  std::map<WeightType, BothLayouts> weights;
  std::map<backend::ActivationFormat, std::vector<uint8_t>> activations;  // prepared product_rows
  // The cache that an op with this backend, or with none, reads and writes.
  backend::KvCache* CacheFor(const backend::Backend* backend) const {
    return backend == nullptr ? paged.cache.get() : cpu_cache.get();
  }

  ops::PagedCache paged;
  std::unique_ptr<backend::KvCache> cpu_cache;
  ops::OwnedBatch batch;
  backend::Batch view;
};

// An op on the inputs: by a backend, or by the oracle where `backend` is null.
struct Op {
  const char* name;
  absl::Status (*run)(Inputs& in, backend::Backend* backend);
};

template <typename Params>
absl::Status RunOp(const Params& params, backend::Range range, backend::Backend* backend,
                   absl::Status (backend::Backend::*op)(const Params&, backend::Range),
                   void (*oracle)(const Params&, backend::Range)) {
  if (backend != nullptr) return (backend->*op)(params, range);
  oracle(params, range);
  return absl::OkStatus();
}

using backend::Backend;

// A product of the first kM rows. The oracle prepares them, in the mode of the test.
template <WeightType kType, int64_t kM>
absl::Status Product(Inputs& in, Backend* b) {
  const backend::ActivationFormat format = backend::ClassOf(kType).activation;
  std::vector<uint8_t>& rows = in.activations[format];
  if (rows.empty()) {
    rows.resize(kProductRows * backend::ActivationRowBytes(format, kDim));
    ops::OraclePrepare(
        {.in = in.product_rows.data(), .cols = kDim, .format = format, .out = rows.data()},
        {0, kProductRows});
  }
  const backend::MatMulParams product = {.weight = in.weights[kType].For(b),
                                         .activations = rows.data(),
                                         .num_rows = kM,
                                         .out = in.out.data(),
                                         .out_stride = kFeatures};
  if (b != nullptr) return b->MatMul({product}, {0, kFeatures});
  ops::OracleMatMul({product}, {0, kFeatures});
  return absl::OkStatus();
}

const Op kOps[] = {
    {"Embed",
     [](Inputs& in, Backend* b) {
       return RunOp<backend::EmbedParams>(
           {.batch = &in.view, .table = in.table.For(b), .out = in.out.data()}, {0, kRows}, b,
           &Backend::Embed, ops::OracleEmbed);
     }},
    {"RmsNorm",
     [](Inputs& in, Backend* b) {
       return RunOp<backend::RmsNormParams>({.in = in.wide.data(),
                                             .weight = in.normal.data(),
                                             .dim = kDim,
                                             .epsilon = 1e-6f,
                                             .out = in.out.data()},
                                            {0, kRows}, b, &Backend::RmsNorm, ops::OracleRmsNorm);
     }},
    {"RmsNormPrepared",
     [](Inputs& in, Backend* b) {
       const backend::PreparedRows prepared = {backend::ActivationFormat::kInt8,
                                               in.prepared.data()};
       std::vector<float> scratch(kRows * kDim);
       return RunOp<backend::RmsNormParams>({.in = in.wide.data(),
                                             .weight = in.normal.data(),
                                             .dim = kDim,
                                             .epsilon = 1e-6f,
                                             .out = scratch.data(),
                                             .prepared = {&prepared, 1}},
                                            {0, kRows}, b, &Backend::RmsNorm, ops::OracleRmsNorm);
     }},
    {"Prepare",
     [](Inputs& in, Backend* b) {
       return RunOp<backend::PrepareParams>({.in = in.wide.data(),
                                             .cols = kDim,
                                             .format = backend::ActivationFormat::kInt8,
                                             .out = in.prepared.data()},
                                            {0, kRows}, b, &Backend::Prepare, ops::OraclePrepare);
     }},
    {"MatMulF16", Product<WeightType::kF16, kRows>},
    {"MatMulBF16", Product<WeightType::kBF16, kRows>},
    {"MatMulQ4_K", Product<WeightType::kQ4_K, kRows>},
    {"MatMulF16Tiles", Product<WeightType::kF16, kProductRows>},
    {"MatMulBF16Tiles", Product<WeightType::kBF16, kProductRows>},
    {"MatMulQ4_KTiles", Product<WeightType::kQ4_K, kProductRows>},
    {"RopeStore",
     [](Inputs& in, Backend* b) {
       return RunOp<backend::RopeStoreParams>({.batch = &in.view,
                                               .rope_table = in.normal.data(),
                                               .rope_dims = 8,
                                               .q = in.q.data(),
                                               .num_q_heads = 2,
                                               .k = in.k.data(),
                                               .v = in.wide.data(),
                                               .cache = in.CacheFor(b)},
                                              {0, kRows}, b, &Backend::RopeStore,
                                              ops::OracleRopeStore);
     }},
    {"Attention",
     [](Inputs& in, Backend* b) {
       return RunOp<backend::AttentionParams>({.batch = &in.view,
                                               .q = in.normal.data(),
                                               .num_q_heads = 2,
                                               .scale = 0.125f,
                                               .cache = in.CacheFor(b),
                                               .out = in.out.data()},
                                              {0, kRows}, b, &Backend::Attention,
                                              ops::OracleAttention);
     }},
    {"SwiGlu",
     [](Inputs& in, Backend* b) {
       return RunOp<backend::SwiGluParams>(
           {.gate = in.normal.data(), .up = in.wide.data(), .dim = kDim, .out = in.out.data()},
           {0, kRows}, b, &Backend::SwiGlu, ops::OracleSwiGlu);
     }},
    {"SwiGluPrepared",
     [](Inputs& in, Backend* b) {
       const backend::PreparedRows prepared = {backend::ActivationFormat::kInt8,
                                               in.prepared.data()};
       std::vector<float> scratch(kRows * kDim);
       return RunOp<backend::SwiGluParams>({.gate = in.normal.data(),
                                            .up = in.wide.data(),
                                            .dim = kDim,
                                            .out = scratch.data(),
                                            .prepared = {&prepared, 1}},
                                           {0, kRows}, b, &Backend::SwiGlu, ops::OracleSwiGlu);
     }},
};

class HostFpModeTest : public testing::TestWithParam<std::tuple<int, CpuTier>> {};

// A game that rounds toward zero and keeps denormals gets the same bits and its mode back.
TEST_P(HostFpModeTest, NeitherMattersNorChanges) {
  const Op& op = kOps[std::get<0>(GetParam())];
  Inputs inputs;
  inputs.Restore();
  const std::string untouched = inputs.Written();
  ASSERT_TRUE(op.run(inputs, nullptr).ok());
  const std::string expected = inputs.Written();
  ASSERT_NE(expected, untouched);
  const uint64_t before = numerics::ScopedFpMode::Read();
  for (const int32_t threads : {1, 3}) {
    backend::Backend& backend = BackendFor(std::get<1>(GetParam()), threads);
    for (const uint64_t mode : kHostModes) {
      inputs.Restore();
      numerics::ScopedFpMode::Write(mode);
      const absl::Status status = op.run(inputs, &backend);
      const uint64_t after = numerics::ScopedFpMode::Read();
      numerics::ScopedFpMode::Write(before);
      EXPECT_TRUE(status.ok());
      EXPECT_EQ(after, mode);
      EXPECT_TRUE(inputs.Written() == expected) << absl::StrCat("mode ", absl::Hex(mode));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, HostFpModeTest,
                         testing::Combine(testing::Range(0, static_cast<int>(std::size(kOps))),
                                          testing::ValuesIn(TestedTiers())),
                         [](const auto& info) {
                           return absl::StrCat(kOps[std::get<0>(info.param)].name, "_",
                                               TierName(std::get<1>(info.param)));
                         });

#endif

}  // namespace
}  // namespace llmrt::cpu
