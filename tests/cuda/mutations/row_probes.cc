// Probes of the kernels that work on one row or one value at a time. Rows are longer than the
// block's threads have values at once, of whole groups of four and not, and begin behind the first.
#include "cuda/kernels/elementwise.h"
#include "cuda/kernels/read_bandwidth.h"
#include "tests/cuda/mutations/probe.h"

namespace llmrt::cuda {
namespace {

constexpr Element kElements[] = {Element::kF32, Element::kF16, Element::kBF16};

// Rows 1 to 3, of which 1 and 2 count.
Outcome Embed(Element element, int64_t cols) {
  ProbeRandom random(1);
  const int64_t stride = (cols * ElementBytes(element) + 15) / 16 * 16;
  std::vector<uint8_t> bytes;
  for (int row = 0; row < 4; ++row) {
    const std::vector<uint8_t> values = random.Elements(element, cols);
    bytes.insert(bytes.end(), values.begin(), values.end());
    bytes.resize((row + 1) * stride, 0xff);
  }
  const DeviceArray<uint8_t> table(bytes);
  const DeviceArray<int32_t> num_rows(std::vector<int32_t>{3}),
      tokens(std::vector<int32_t>{0, 3, 1, 0x7fffffff});
  const DeviceArray<float> out(Poisoned<float>(4 * cols));
  const EmbedArgs args = {.step = {.num_rows = num_rows.get(), .tokens = tokens.get()},
                          .table = table.get(),
                          .row_stride = stride,
                          .element = element,
                          .first = 1,
                          .cols = cols,
                          .out = out.get()};
  return LaunchProbe(KernelId::kEmbedKernel, EmbedShape(3), args, out);
}

std::vector<Probe> EmbedProbes() {
  std::vector<Probe> probes;
  for (const Element element : kElements) {
    for (const int64_t cols : {4 * kEmbedThreads + 20, kEmbedThreads + 41}) {
      probes.push_back([=] { return Embed(element, cols); });
    }
  }
  return probes;
}

Outcome RmsNorm(int64_t dim, bool gathers) {
  ProbeRandom random(2);
  const DeviceArray<float> in(random.Floats(3 * dim)), weight(random.Floats(dim));
  const DeviceArray<int32_t> rows(std::vector<int32_t>{1, 2, 0});
  const DeviceArray<float> out(Poisoned<float>(3 * dim));
  const RmsNormArgs args = {.in = in.get(),
                            .weight = weight.get(),
                            .rows = gathers ? rows.get() : nullptr,
                            .first = 1,
                            .count = 2,
                            .dim = dim,
                            .epsilon = 0.5f,
                            .out = out.get()};
  return LaunchProbe(KernelId::kRmsNormKernel, RmsNormShape(args), args, out);
}

Outcome Prepare(Element element, int64_t cols) {
  ProbeRandom random(3);
  constexpr int64_t kPadded = 4 * kPrepareThreads + 48;
  const DeviceArray<float> in(random.Floats(3 * cols));
  const DeviceArray<uint8_t> out(Poisoned<uint8_t>(3 * kPadded * ElementBytes(element)));
  const PrepareArgs args = {.in = in.get(),
                            .first = 1,
                            .count = 2,
                            .cols = cols,
                            .padded_cols = kPadded,
                            .element = element,
                            .out = out.get()};
  return LaunchProbe(KernelId::kPrepareKernel, PrepareShape(args), args, out);
}

std::vector<Probe> PrepareProbes() {
  std::vector<Probe> probes;
  for (const Element element : kElements) {
    for (const int64_t cols : {4 * kPrepareThreads + 36, 4 * kPrepareThreads + 38}) {
      probes.push_back([=] { return Prepare(element, cols); });
    }
  }
  return probes;
}

// 288 pairs of queries and 640 keys: more than the threads take at once.
Outcome RopeStore(Element element) {
  const ProbeCache cache = {.element = element,
                            .num_kv_heads = 10,
                            .head_dim = 64,
                            .block_size = 8,
                            .lengths = {20, 11},
                            .rows = {{0, 3}, {0, 17}, {1, 9}, {1, 2}}};
  constexpr int32_t kRopeDims = 48, kQueryHeads = 12;
  ProbeRandom random(4);
  const ProbeStep step(cache);
  const int64_t rows = step.launched_rows();
  const DeviceArray<float> table(random.Floats(20 * kRopeDims));
  const DeviceArray<float> q(random.Floats(rows * kQueryHeads * cache.head_dim));
  const DeviceArray<float> k(random.Floats(rows * cache.num_kv_heads * cache.head_dim));
  const DeviceArray<float> v(random.Floats(rows * cache.num_kv_heads * cache.head_dim));
  const RopeStoreArgs args = {.step = step.View(),
                              .kv = cache.Layout(),
                              .element = element,
                              .first = 1,
                              .rope_table = table.get(),
                              .rope_dims = kRopeDims,
                              .num_q_heads = kQueryHeads,
                              .q = q.get(),
                              .k = k.get(),
                              .v = v.get()};
  return LaunchProbe(KernelId::kRopeStoreKernel,
                     RopeStoreShape(static_cast<uint32_t>(rows - args.first)), args, q, k, v,
                     step.cache());
}

Outcome SwiGlu() {
  ProbeRandom random(5);
  constexpr int64_t kCount = kSwiGluThreads + 44;
  const DeviceArray<float> gate(random.Floats(kCount)), up(random.Floats(kCount));
  const DeviceArray<float> out(Poisoned<float>(kCount));
  const SwiGluArgs args = {.gate = gate.get(), .up = up.get(), .count = kCount, .out = out.get()};
  return LaunchProbe(KernelId::kSwiGluKernel, SwiGluShape(args), args, out);
}

// A whole group of rows at once and a few more, each two blocks wide, onto some of themselves.
Outcome MoveRows(int64_t row_bytes) {
  ProbeRandom random(6);
  constexpr int64_t kRows = 14;
  const DeviceArray<uint8_t> rows(random.Elements(Element::kF32, kRows * row_bytes / 4));
  const MoveRowsArgs args = {
      .rows = rows.get(), .row_bytes = row_bytes, .from = 3, .to = 1, .count = kRows - 3};
  return LaunchProbe(KernelId::kMoveRowsKernel, MoveRowsShape(args), args, rows);
}

// Two blocks of a warp read 16 rounds less a few words; the word `one` begins with a 1.
Outcome ReadBandwidth(int64_t one) {
  constexpr int64_t kWords = 2 * 32 * 16 - 5;
  std::vector<uint32_t> values(kWords * 4);
  values[one * 4] = 1;
  const DeviceArray<uint32_t> data(values), out(Poisoned<uint32_t>(1));
  const ReadBandwidthArgs args = {
      .data = reinterpret_cast<const uint8_t*>(data.get()), .words = kWords, .out = out.get()};
  return LaunchProbe(KernelId::kReadBandwidthKernel, {.grid_x = 2, .threads = 32}, args, out);
}

}  // namespace

std::vector<Probe> RowProbes(KernelId kernel) {
  switch (kernel) {
    case KernelId::kEmbedKernel:
      return EmbedProbes();
    case KernelId::kRmsNormKernel:
      return {[] { return RmsNorm(1540, true); }, [] { return RmsNorm(1030, false); }};
    case KernelId::kPrepareKernel:
      return PrepareProbes();
    case KernelId::kRopeStoreKernel:
      return {[] { return RopeStore(Element::kF32); }, [] { return RopeStore(Element::kF16); },
              [] { return RopeStore(Element::kBF16); }};
    case KernelId::kSwiGluKernel:
      return {SwiGlu};
    case KernelId::kMoveRowsKernel:
      // In columns of 16 bytes, and of 4.
      return {[] { return MoveRows(16 * (kMoveRowsThreads + 12)); },
              [] { return MoveRows(4 * (kMoveRowsThreads + 13)); }};
    case KernelId::kReadBandwidthKernel:
      // In the first round of eight, in the second, the first word behind them, the last of all.
      return {[] { return ReadBandwidth(0); }, [] { return ReadBandwidth(520); },
              [] { return ReadBandwidth(571); }, [] { return ReadBandwidth(1018); }};
    default:
      return {};
  }
}

}  // namespace llmrt::cuda
