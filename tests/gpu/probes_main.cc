// gpu_probes [--quick] [--json FILE]: asks the GPU of this machine what the kernels rely on, and
// measures the ceilings that benchmarks are a share of. Exit status 1: something that must hold
// does not.
#include <cstdio>
#include <cstring>
#include <string>

#include "gpu/probes.h"

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
      std::fprintf(stderr, "usage: gpu_probes [--quick] [--json FILE]\n");
      return 2;
    }
  }
  cuda::TestDevice& device = cuda::TestDevice::Get();
  if (!device.ok()) {
    std::fprintf(stderr, "gpu_probes: %s\n", device.problem().c_str());
    return 1;
  }
  gpu::Report report;
  // Several times the L2 of any GPU; on the emulation only that it works is asked.
  gpu::ProbeBandwidth(device, quick ? int64_t{1} << 20 : int64_t{1} << 30, report);
  gpu::ProbeLaunches(device, quick ? 8 : 1000, report);
  gpu::ProbeMatrixUnits(device, quick ? 64 : 4096, report);
  gpu::ProbeFunctions(device, quick ? 0x40001u : 0x101u, report);
  if (!json.empty() && !report.WriteJson(json)) {
    std::fprintf(stderr, "gpu_probes: cannot write %s\n", json.c_str());
    return 1;
  }
  return report.good() ? 0 : 1;
}
