// What a launch costs: the time from one empty kernel to the next, three ways.
#include "gpu/probe_kernels.h"
#include "gpu/probes.h"

namespace llmrt::gpu {
namespace {

using cuda::CuResult;
using cuda::kCuSuccess;

constexpr int kTimes = 9;

CuResult LaunchMany(cuda::TestDevice& device, cuda::CuFunction function, int launches,
                    bool overlap) {
  const EmptyArgs args = {.never = nullptr};
  CuResult result = kCuSuccess;
  for (int i = 0; i < launches && result == kCuSuccess; ++i) {
    result = LaunchAsync(device, function, {.threads = 32}, &args, overlap);
  }
  return result;
}

void AddGap(const std::string& name, double micros, int launches, Report& report) {
  report.Add({.name = name,
              .value = micros / launches,
              .unit = "us",
              .verdict = micros >= 0 ? Verdict::kInfo : Verdict::kBad,
              .remark = "a launch, " + std::to_string(launches) + " in a row"});
}

}  // namespace

void ProbeLaunches(cuda::TestDevice& device, int launches, Report& report) {
  const Module module(device, kProbeImages);
  const cuda::CuFunction plain = module.Find("EmptyKernel");
  const cuda::CuFunction dependent = module.Find("EmptyDependentKernel");
  const auto on_stream = [&](cuda::CuFunction function, bool overlap) {
    return MedianMicros(device, kTimes,
                        [&] { return LaunchMany(device, function, launches, overlap); });
  };
  const auto in_graph = [&](cuda::CuFunction function, bool overlap) {
    return GraphMicros(device, kTimes,
                       [&] { return LaunchMany(device, function, launches, overlap); });
  };
  AddGap("empty kernel, stream", on_stream(plain, false), launches, report);
  AddGap("empty kernel, graph", in_graph(plain, false), launches, report);
  AddGap("empty kernel, stream, dependent launch", on_stream(dependent, true), launches, report);
  AddGap("empty kernel, graph, dependent launch", in_graph(dependent, true), launches, report);
}

}  // namespace llmrt::gpu
