// gpu_bench [--quick] [--json FILE]: kernels of this library at the shapes of real models, each
// beside what limits it, measured in the same run: the device's copy for kernels that wait for
// memory, its matrix rate (by the datasheet's name, not measured) for the others.
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cuda/kernels/attention.h"
#include "cuda/kernels/matmul.h"
#include "gpu/probes.h"

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
    // Some microseconds each: as a graph of many, so that launching them is no part of it.
    const double micros =
        GraphMicros(device_, kTimes,
                    [&] {
                      CuResult result = cuda::kCuSuccess;
                      for (int turn = 0; turn < kLaunches && result == cuda::kCuSuccess; ++turn) {
                        args.weight = weights.get() + turn % copies * weight_bytes;
                        result = LaunchAsync(device_, function, launch.shape, &args);
                      }
                      return result;
                    }) /
        kLaunches;
    const std::string label = std::string("matmul ") + name + ", " + std::to_string(features) +
                              " x " + std::to_string(k) + ", M " + std::to_string(tokens);
    const double bytes = static_cast<double>(weight_bytes) +
                         static_cast<double>(tokens) * (static_cast<double>(row) + 4.0 * features);
    const double rate = bytes / micros * 1e-3;
    const double operations = 2.0 * features * k * tokens / micros * 1e-6;
    report_.Add({.name = label,
                 .value = micros,
                 .unit = "us",
                 .verdict = micros > 0 ? Verdict::kInfo : Verdict::kBad,
                 .remark = std::to_string(static_cast<int>(rate)) + " GB/s, " +
                           std::to_string(static_cast<int>(100 * rate / copy_)) +
                           " % of the copy; " + std::to_string(operations) + " TFLOP/s"});
  }

 private:
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
  bool quick = false;
  std::string json;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      quick = true;
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      json = argv[++i];
    } else {
      std::fprintf(stderr, "usage: gpu_bench [--quick] [--json FILE]\n");
      return 2;
    }
  }
  cuda::TestDevice& device = cuda::TestDevice::Get();
  if (!device.ok()) {
    std::fprintf(stderr, "gpu_bench: %s\n", device.problem().c_str());
    return 1;
  }
  gpu::Report report;
  gpu::Bench bench(device, quick, report);
  bench.MeasureCopy();
  if (quick) {
    bench.MeasureMatMul("small", 64, 512, 3);
  } else {
    for (const int32_t tokens : {1, 4, 8, 16, 32, 64, 128, 512}) {
      bench.MeasureMatMul("1B qkv", 3072, 2048, tokens);
      bench.MeasureMatMul("1B up", 8192, 2048, tokens);
      bench.MeasureMatMul("1B down", 2048, 8192, tokens);
      bench.MeasureMatMul("8B up", 14336, 4096, tokens);
      bench.MeasureMatMul("8B down", 4096, 14336, tokens);
    }
  }
  if (!json.empty() && !report.WriteJson(json)) return 1;
  return report.good() ? 0 : 1;
}
