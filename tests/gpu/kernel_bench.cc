// gpu_bench [--quick] [--json FILE]: kernels of this library at the shapes of real models, each
// beside what limits it, measured in the same run: the device's copy for kernels that wait for
// memory, operations a second for the others.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cuda/kernels/attention.h"
#include "cuda/kernels/matmul.h"
#include "gpu/probes.h"
#include "gpu/program_options.h"

namespace llmrt::gpu {
namespace {

using cuda::CuResult;
using cuda::DeviceArray;
using cuda::Element;

constexpr int kTimes = 15;
constexpr int kLaunches = 20;  // in one graph

// Random 16-bit values of ordinary size, made on the host once and copied again and again.
void FillRandom(cuda::TestDevice& device, const DeviceArray<uint8_t>& array) {
  std::mt19937 random(1);
  std::vector<uint16_t> piece(size_t{4} << 20);
  for (uint16_t& value : piece) {
    value = static_cast<uint16_t>((random() & 0x83ff) | (0x2800 + (random() % 8 << 10)));
  }
  for (size_t done = 0; done < array.size(); done += piece.size() * 2) {
    device.driver().copy_to_device(reinterpret_cast<uint64_t>(array.get()) + done, piece.data(),
                                   std::min(piece.size() * 2, array.size() - done),
                                   device.stream());
  }
  device.driver().stream_synchronize(device.stream());
}

cuda::CuFunction Find(const std::vector<std::unique_ptr<Module>>& modules, cuda::KernelId kernel) {
  for (const auto& module : modules) {
    if (cuda::CuFunction found = module->Find(cuda::kKernelNames[static_cast<int>(kernel)])) {
      return found;
    }
  }
  return nullptr;
}

class Bench {
 public:
  Bench(cuda::TestDevice& device, bool quick, Report& report)
      : device_(device), quick_(quick), report_(report) {
    for (const cuda::KernelImage* image = cuda::kKernelImages; image->module != nullptr; ++image) {
      modules_.push_back(std::make_unique<Module>(device, image));
    }
  }

  void MeasureCopy() {
    const int64_t bytes = quick_ ? int64_t{1} << 20 : int64_t{1} << 30;
    DeviceArray<uint8_t> from(static_cast<size_t>(bytes)), to(static_cast<size_t>(bytes));
    FillRandom(device_, from);
    const double micros = MedianMicros(device_, kTimes, [&] {
      return device_.driver().copy_on_device(reinterpret_cast<uint64_t>(to.get()),
                                             reinterpret_cast<uint64_t>(from.get()),
                                             static_cast<size_t>(bytes), device_.stream());
    });
    copy_ = 2.0 * static_cast<double>(bytes) / micros * 1e-3;
    report_.Add({.name = "device copy", .value = copy_, .unit = "GB/s", .remark = ""});
  }

  // N x K float16 weights times M tokens. Several copies of the weights take turns, so that none
  // is still in the cache.
  void MeasureMatMul(const char* name, int32_t features, int32_t k, int32_t tokens) {
    const int64_t row = (int64_t{k} * 2 + 127) / 128 * 128;
    const int64_t weight_bytes = features * row;
    const int copies = quick_ ? 1 : static_cast<int>((int64_t{256} << 20) / weight_bytes + 2);
    DeviceArray<uint8_t> weights(static_cast<size_t>(weight_bytes * copies));
    DeviceArray<uint8_t> activations(static_cast<size_t>(row * tokens));
    const DeviceArray<float> out(static_cast<size_t>(features) * static_cast<size_t>(tokens));
    FillRandom(device_, weights);
    FillRandom(device_, activations);
    cuda::MatMulArgs args = {.weight = weights.get(),
                             .activations = activations.get(),
                             .row_stride = row,
                             .padded_k = (int64_t{k} + 63) / 64 * 64,
                             .first_feature = 0,
                             .end_feature = features,
                             .num_rows = tokens,
                             .accumulate = 0,
                             .out = out.get(),
                             .out_stride = features};
    const cuda::MatMulLaunch launch = MatMulLaunchFor(Element::kF16, args);
    const cuda::CuFunction function = Find(modules_, launch.kernel);
    const double micros = MicrosEach([&](int turn) {
      args.weight = weights.get() + turn % copies * weight_bytes;
      return LaunchAsync(device_, function, launch.shape, &args);
    });
    const std::string label = std::string("matmul ") + name + ", " + std::to_string(features) +
                              " x " + std::to_string(k) + ", M " + std::to_string(tokens);
    const double bytes = static_cast<double>(weight_bytes) +
                         static_cast<double>(tokens) * (static_cast<double>(row) + 4.0 * features);
    const double rate = bytes / micros * 1e-3;
    const double operations = 2.0 * features * k * tokens / micros * 1e-6;
    AddRow(label, micros, rate, std::to_string(operations) + " TFLOP/s");
  }

  // Decode attention: `rows` sequences of `context` tokens each, one query a sequence, over float16
  // blocks that lie scattered.
  void MeasureDecodeAttention(int32_t rows, int32_t context, int32_t q_heads, int32_t kv_heads,
                              int32_t head_dim) {
    PagedKv kv(device_, rows, context, kv_heads, head_dim);
    FillRandom(device_, kv.blocks);
    const auto units = static_cast<size_t>(rows) * static_cast<size_t>(q_heads);
    const DeviceArray<float> q(std::vector<float>(units * static_cast<size_t>(head_dim), 0.5f));
    const DeviceArray<float> out(units * static_cast<size_t>(head_dim));
    const int32_t splits_max = (context + cuda::kAttentionSplit - 1) / cuda::kAttentionSplit;
    const uint32_t splits =
        rows <= 8 ? static_cast<uint32_t>(std::min(splits_max, 64)) : 1;  // as the backend does
    const DeviceArray<float> partial(splits == 1 ? 1
                                                 : units * static_cast<size_t>(splits_max) *
                                                       static_cast<size_t>(head_dim + 2));
    const cuda::AttentionArgs args = {.step = kv.View(),
                                      .kv = kv.layout,
                                      .element = Element::kF16,
                                      .num_q_heads = q_heads,
                                      .scale = 0.125f,
                                      .first_unit = 0,
                                      .end_unit = static_cast<int64_t>(units),
                                      .tile_rows = 1,
                                      .q = q.get(),
                                      .out = out.get(),
                                      .partial = splits > 1 ? partial.get() : nullptr,
                                      .splits_max = splits_max};
    const auto launch = AttentionLaunchFor(args, static_cast<uint32_t>(rows), splits);
    const cuda::CuFunction attend = Find(modules_, launch.kernel);
    const cuda::CuFunction merge = Find(modules_, cuda::KernelId::kAttentionMergeKernel);
    const double micros = MicrosEach([&](int) {
      const CuResult result = LaunchAsync(device_, attend, launch.shape, &args);
      if (result != cuda::kCuSuccess || splits == 1) return result;
      return LaunchAsync(device_, merge, AttentionMergeShape(args), &args);
    });
    AddRow("attention, " + std::to_string(rows) + " rows of " + std::to_string(context) +
               " keys, heads " + std::to_string(q_heads) + "/" + std::to_string(kv_heads) + " x " +
               std::to_string(head_dim),
           micros, static_cast<double>(kv.blocks.size()) / micros * 1e-3,
           std::to_string(kv.blocks.size() >> 20) + " MB of KV");
  }

 private:
  // One layer of KV on the device, and the step that reads it.
  struct PagedKv {
    static constexpr int32_t kBlockSize = 16;

    PagedKv(cuda::TestDevice&, int32_t rows, int32_t context, int32_t kv_heads, int32_t head_dim)
        : layout{.block_size = kBlockSize,
                 .num_kv_heads = kv_heads,
                 .head_dim = head_dim,
                 .layer = 0,
                 .tile_bytes = int64_t{kBlockSize} * head_dim * 2},
          blocks_each((context + kBlockSize - 1) / kBlockSize),
          blocks(static_cast<size_t>(rows) * static_cast<size_t>(blocks_each) * 2 *
                 static_cast<size_t>(kv_heads) * static_cast<size_t>(layout.tile_bytes)),
          num_rows(std::vector<int32_t>{rows}),
          positions(std::vector<int32_t>(static_cast<size_t>(rows), context - 1)),
          sequences(Numbers(rows, 1)),
          starts(Numbers(rows, blocks_each)),
          table(Scattered(rows * blocks_each)) {}

    cuda::StepView View() const {
      return {.num_rows = num_rows.get(),
              .tokens = positions.get(),
              .positions = positions.get(),
              .sequences = sequences.get(),
              .table_starts = starts.get(),
              .blocks = table.get()};
    }

    const cuda::KvLayout layout;
    const int32_t blocks_each;
    const DeviceArray<uint8_t> blocks;
    const DeviceArray<int32_t> num_rows, positions, sequences, starts;
    const DeviceArray<uint8_t*> table;

   private:
    static std::vector<int32_t> Numbers(int32_t count, int32_t step) {
      std::vector<int32_t> numbers;
      for (int32_t i = 0; i < count; ++i) numbers.push_back(i * step);
      return numbers;
    }
    std::vector<uint8_t*> Scattered(int32_t count) const {
      std::vector<uint8_t*> addresses;
      const int64_t bytes = 2 * layout.num_kv_heads * layout.tile_bytes;
      for (int32_t i = 0; i < count; ++i) addresses.push_back(blocks.get() + i * bytes);
      std::shuffle(addresses.begin(), addresses.end(), std::mt19937(2));
      return addresses;
    }
  };

  // Of some microseconds each: as a graph of many, so that launching them is no part of it.
  double MicrosEach(const std::function<CuResult(int turn)>& launch) {
    return GraphMicros(device_, kTimes,
                       [&] {
                         CuResult result = cuda::kCuSuccess;
                         for (int turn = 0; turn < kLaunches && result == cuda::kCuSuccess;
                              ++turn) {
                           result = launch(turn);
                         }
                         return result;
                       }) /
           kLaunches;
  }

  void AddRow(const std::string& name, double micros, double rate, const std::string& more) {
    report_.Add({.name = name,
                 .value = micros,
                 .unit = "us",
                 .verdict = micros > 0 ? Verdict::kInfo : Verdict::kBad,
                 .remark = std::to_string(static_cast<int>(rate)) + " GB/s, " +
                           std::to_string(static_cast<int>(100 * rate / copy_)) +
                           " % of the copy; " + more});
  }

  cuda::TestDevice& device_;
  const bool quick_;
  Report& report_;
  std::vector<std::unique_ptr<Module>> modules_;
  double copy_ = 0;
};

}  // namespace
}  // namespace llmrt::gpu

int main(int argc, char** argv) {
  using namespace llmrt;
  gpu::ProgramOptions options;
  if (!gpu::ParseProgramOptions("gpu_bench", argc, argv, options)) return 2;
  cuda::TestDevice& device = cuda::TestDevice::Get();
  if (!device.ok()) {
    std::fprintf(stderr, "gpu_bench: %s\n", device.problem().c_str());
    return 1;
  }
  gpu::Report report;
  gpu::Bench bench(device, options.quick, report);
  bench.MeasureCopy();
  if (options.quick) {
    bench.MeasureMatMul("small", 64, 512, 3);
    bench.MeasureDecodeAttention(2, 300, 4, 2, 64);
  } else {
    for (const int32_t tokens : {1, 4, 8, 16, 32, 64, 128, 512}) {
      bench.MeasureMatMul("1B qkv", 3072, 2048, tokens);
      bench.MeasureMatMul("1B up", 8192, 2048, tokens);
      bench.MeasureMatMul("1B down", 2048, 8192, tokens);
      bench.MeasureMatMul("8B up", 14336, 4096, tokens);
      bench.MeasureMatMul("8B down", 4096, 14336, tokens);
    }
    // From what stays in the cache to what does not.
    for (const int32_t rows : {1, 8, 64}) {
      bench.MeasureDecodeAttention(rows, 4096, 32, 8, 64);
      bench.MeasureDecodeAttention(rows, 4096, 32, 8, 128);
    }
    bench.MeasureDecodeAttention(1, 32768, 32, 8, 128);
  }
  if (!options.json.empty() && !report.WriteJson(options.json)) return 1;
  return report.good() ? 0 : 1;
}
