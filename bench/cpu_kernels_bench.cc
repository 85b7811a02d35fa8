// Speed of the CPU backend's matrix products and attention, and in the same run the read bandwidth
// that bounds them. Random weights in true shapes (a 1B model's up projection, many copies in turn,
// so that no cache holds them); never zeros.
//
//   cpu_kernels_bench [--threads=N] [--benchmark_filter=REGEX]
//
// CPU time is that of all threads: on a busy machine it says what wall time cannot.
//
// bytes_per_second counts weights (attention: keys and values) only; items_per_second counts two
// operations, multiply and add, for each weight and row.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "backend/create_backend.h"
#include "benchmark/benchmark.h"
#include "cpu/cpu_features.h"

namespace llmrt {
namespace {

using backend::CpuTier;
using backend::KvType;
using backend::WeightType;

constexpr int64_t kN = 8192, kK = 2048;
constexpr int64_t kWeightBytes = int64_t{192}
                                 << 20;  // all copies together: far more than any cache

int32_t num_threads = 0;  // 0: all cores

memory::LargeMemory& Memory() {
  static memory::LargeMemory memory(0);
  return memory;
}

backend::Backend& BackendFor(CpuTier tier) {
  Memory();
  static std::map<CpuTier, std::unique_ptr<backend::Backend>> backends;
  auto& backend = backends[tier];
  if (backend == nullptr) {
    backend = backend::CreateCpuBackend({.memory = &Memory(), .threads = num_threads, .tier = tier})
                  .value();
  }
  return *backend;
}

std::vector<float> RandomFloats(int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Random bytes with the f16 (or float) fields kept small and finite: speed does not depend on the
// rest.
std::vector<uint8_t> RandomRows(WeightType type, int64_t rows) {
  std::mt19937 random(2);
  std::vector<uint8_t> bytes(rows * backend::RowBytes(type, kK).value());
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() >> 8);
  const backend::BlockGeometry geometry = backend::GeometryOf(type);
  for (size_t i = 0; i < bytes.size(); i += geometry.bytes) {
    if (type == WeightType::kF32) bytes[i + 3] = 0x3d;
    if (!backend::IsQuantized(type)) bytes[i + 1] = 0x24;
    if (!backend::IsQuantized(type)) continue;
    bytes[i + 1] = 0x24;
    if (type != WeightType::kQ8_0 && type != WeightType::kQ4_0) bytes[i + 3] = 0x24;
    if (type == WeightType::kQ6_K) bytes[i + 209] = 0x24;
  }
  return bytes;
}

void MatMul(benchmark::State& state, WeightType type, CpuTier tier) {
  backend::Backend& backend = BackendFor(tier);
  const int64_t rows = state.range(0);
  const int64_t bytes = backend.MatrixBytes(type, kN, kK);
  std::vector<std::unique_ptr<backend::Matrix>> matrices(
      std::max<int64_t>(2, kWeightBytes / bytes));
  const std::vector<uint8_t> weights = RandomRows(type, kN);
  for (auto& matrix : matrices) {
    matrix = backend.CreateMatrix(type, kN, kK).value();
    if (!backend.WriteRows(*matrix, 0, weights).ok()) return state.SkipWithError("WriteRows");
  }
  const auto format = backend.ClassFor(type).activation;
  const std::vector<float> in = RandomFloats(rows * kK);
  auto activations =
      backend.CreateBuffer(rows * backend::ActivationRowBytes(format, kK), memory::Tag::kWorkspace)
          .value();
  std::vector<float> out(rows * kN);
  absl::Status status = backend.Prepare(
      {.in = in.data(), .cols = kK, .format = format, .out = activations->data()}, {0, rows});
  size_t next = 0;
  for (auto _ : state) {
    status.Update(backend.MatMul({{.weight = matrices[next++ % matrices.size()].get(),
                                   .activations = activations->data(),
                                   .num_rows = rows,
                                   .out = out.data(),
                                   .out_stride = kN}},
                                 {0, kN}));
  }
  if (!status.ok()) state.SkipWithError("an op failed");
  state.SetBytesProcessed(state.iterations() * bytes);
  state.SetItemsProcessed(state.iterations() * 2 * rows * kN * kK);
}

// One layer of a 1B model: 32 query heads, 8 KV heads of 64; range(0) rows at the end of range(1)
// keys.
void Attention(benchmark::State& state, KvType type, CpuTier tier) {
  constexpr int32_t kQueryHeads = 32;
  backend::Backend& backend = BackendFor(tier);
  // As in a model, the layers' tiles lie side by side, and a layer comes back after the others: of
  // a long context none is in the caches then.
  constexpr int32_t kLayers = 16;
  const backend::KvShape shape = {
      .num_layers = kLayers, .num_kv_heads = 8, .head_dim = 64, .type = type};
  const int32_t rows = static_cast<int32_t>(state.range(0));
  const int32_t keys = static_cast<int32_t>(state.range(1));
  const int32_t num_blocks = keys / shape.block_size;
  auto cache = backend.CreateKvCache(shape, num_blocks).value();
  std::vector<int32_t> table(num_blocks), tokens(rows), positions(keys), sequences(keys);
  for (int32_t i = 0; i < num_blocks; ++i) table[i] = i;
  const absl::Span<const int32_t> tables[] = {table};
  for (int32_t i = 0; i < keys; ++i) positions[i] = i;
  const std::vector<float> kv = RandomFloats(int64_t{keys} * 8 * 64);
  std::vector<float> q = RandomFloats(int64_t{keys} * kQueryHeads * 64), k = kv, out(q.size());
  const std::vector<int32_t> all(keys);
  const backend::Batch fill = {
      .tokens = all, .positions = positions, .sequences = sequences, .block_tables = tables};
  absl::Status status;
  for (int32_t layer = 0; layer < kLayers; ++layer) {
    status.Update(backend.RopeStore({.batch = &fill,
                                     .q = q.data(),
                                     .num_q_heads = kQueryHeads,
                                     .k = k.data(),
                                     .v = kv.data(),
                                     .cache = cache.get(),
                                     .layer = layer},
                                    {0, keys}));
  }
  const backend::Batch batch = {.tokens = tokens,
                                .positions = absl::MakeSpan(positions).subspan(keys - rows),
                                .sequences = absl::MakeSpan(sequences).subspan(keys - rows),
                                .block_tables = tables};
  int32_t layer = 0;
  for (auto _ : state) {
    layer = (layer + 1) % kLayers;
    status.Update(backend.Attention({.batch = &batch,
                                     .q = q.data(),
                                     .num_q_heads = kQueryHeads,
                                     .scale = 0.125f,
                                     .cache = cache.get(),
                                     .layer = layer,
                                     .out = out.data()},
                                    {0, int64_t{rows} * kQueryHeads}));
  }
  if (!status.ok()) state.SkipWithError("an op failed");
  // A row sees the keys up to its own.
  const int64_t products = int64_t{rows} * (2 * keys - rows + 1) / 2 * kQueryHeads * 64 * 2;
  state.SetBytesProcessed(state.iterations() * num_blocks * shape.BlockBytes() / kLayers);
  state.SetItemsProcessed(state.iterations() * 2 * products);
}

void ReadBandwidth(benchmark::State& state) {
  double best = 0;
  for (auto _ : state) best = std::max(best, BackendFor(CpuTier::kBest).MeasureReadBandwidth());
  state.counters["bytes_per_second"] = best;
}

// A decode row, rows to verify, and a prompt's chunk of 512 at depth 0 and 4096.
void RegisterAttention(CpuTier tier) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16}) {
    const std::string label =
        "Attention/" + std::string(cpu::TierName(tier)) + "/" + std::string(KvTypeName(type));
    benchmark::RegisterBenchmark(label.c_str(), Attention, type, tier)
        ->Args({1, 4096})
        ->Args({5, 4096})
        ->Args({64, 1024})
        ->Args({512, 512})
        ->Args({512, 4608})
        ->MeasureProcessCPUTime()
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
}

void RegisterTier(CpuTier tier) {
  const std::string name(cpu::TierName(tier));
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    const auto type = static_cast<WeightType>(i);
    const std::string label = "MatMul/" + name + "/" + std::string(backend::GeometryOf(type).name);
    benchmark::RegisterBenchmark(label.c_str(), MatMul, type, tier)
        ->Arg(1)
        ->Arg(4)
        ->Arg(16)
        ->Arg(128)
        ->MeasureProcessCPUTime()
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
  RegisterAttention(tier);
}

}  // namespace
}  // namespace llmrt

int main(int argc, char** argv) {
  using namespace llmrt;
  benchmark::Initialize(&argc, argv);
  constexpr std::string_view kThreads = "--threads=";
  if (argc > 1 && std::string_view(argv[1]).starts_with(kThreads)) {
    num_threads = std::atoi(argv[1] + kThreads.size());
    argv[1] = argv[0];
    ++argv;
    --argc;
  }
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RegisterBenchmark("ReadBandwidth/before", ReadBandwidth)->Iterations(3);
  using backend::CpuTier;
  for (const CpuTier tier :
       {CpuTier::kPortable, CpuTier::kAvx2, CpuTier::kAvx512, CpuTier::kVnni, CpuTier::kAmx}) {
    if (cpu::RunsTier(tier)) RegisterTier(tier);
  }
  benchmark::RegisterBenchmark("ReadBandwidth/after", ReadBandwidth)->Iterations(3);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
