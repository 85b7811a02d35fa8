// Functions of src/numerics, and the operations that they are made of, on the device against the
// host: equal bits, or the promise that devices draw the same token is void.
#include <string>
#include <vector>

#include "gpu/probe_kernels.h"
#include "gpu/probed_functions.h"
#include "gpu/probes.h"
#include "numerics/float_types.h"
#include "numerics/fp_mode.h"

namespace llmrt::gpu {
namespace {

constexpr uint32_t kPieceCount = 1u << 20;

uint32_t OnHost(ProbedFunction function, uint32_t bits) {
  const float x = numerics::BitsToFloat(bits);
  if (function == ProbedFunction::kToHalf) {
    return numerics::IsNan(x) ? 0x7fffu : numerics::F32ToF16(x);
  }
  if (function == ProbedFunction::kToBFloat) {
    return numerics::IsNan(x) ? 0x7fffu : numerics::F32ToBF16(x);
  }
  return ProbeFunction(function, bits);
}

struct Differences {
  int64_t count = 0;
  uint32_t first = 0;  // input, and what host and device make of it
  uint32_t on_host = 0;
  uint32_t on_device = 0;
};

bool ComparePiece(cuda::TestDevice& device, cuda::CuFunction kernel, FunctionProbeArgs args,
                  const cuda::DeviceArray<uint32_t>& out, Differences& differences) {
  args.out = out.get();
  if (LaunchAsync(device, kernel, FunctionProbeShape(args.count), &args) != cuda::kCuSuccess) {
    return false;
  }
  const std::vector<uint32_t> results = out.Download();
  const numerics::ScopedFpMode fp_mode;
  for (uint32_t i = 0; i < args.count; ++i) {
    const uint32_t bits = args.first + i * args.stride;
    const uint32_t expected = OnHost(args.function, bits);
    if (expected == results[i]) continue;
    if (differences.count++ == 0) {
      differences = {.count = 1, .first = bits, .on_host = expected, .on_device = results[i]};
    }
  }
  return true;
}

}  // namespace

void ProbeFunctions(cuda::TestDevice& device, uint32_t stride, Report& report) {
  const Module module(device, kProbeImages);
  const cuda::CuFunction kernel = module.Find("FunctionProbeKernel");
  const uint64_t total = (uint64_t{1} << 32) / stride;
  for (int f = 0; f < static_cast<int>(ProbedFunction::kCount); ++f) {
    Differences differences;
    bool ran = kernel != nullptr;
    for (uint64_t done = 0; done < total && ran; done += kPieceCount) {
      const auto count = static_cast<uint32_t>(std::min<uint64_t>(kPieceCount, total - done));
      const cuda::DeviceArray<uint32_t> out(count);
      ran = ComparePiece(device, kernel,
                         {.first = static_cast<uint32_t>(done * stride),
                          .stride = stride,
                          .count = count,
                          .function = static_cast<ProbedFunction>(f),
                          .out = nullptr},
                         out, differences);
    }
    char first[80] = "";
    if (differences.count > 0) {
      std::snprintf(first, sizeof first, ", first %08x: %08x, on the host %08x", differences.first,
                    differences.on_device, differences.on_host);
    }
    report.Add({.name = std::string("bits of ") + kProbedFunctionNames[f],
                .value = static_cast<double>(differences.count),
                .unit = "differ",
                .verdict = ran && differences.count == 0 ? Verdict::kGood : Verdict::kBad,
                .remark = "of " + std::to_string(total) + first});
  }
}

}  // namespace llmrt::gpu
