// gpu_probes [--quick] [--json FILE]: asks the GPU of this machine what the kernels rely on, and
// measures the ceilings that benchmarks are a share of. Exit status 1: something that must hold
// does not.
#include <cstdio>
#include <string>

#include "gpu/probes.h"
#include "gpu/program_options.h"

int main(int argc, char** argv) {
  using namespace llmrt;
  gpu::ProgramOptions options;
  if (!gpu::ParseProgramOptions("gpu_probes", argc, argv, options)) return 2;
  cuda::TestDevice& device = cuda::TestDevice::Get();
  if (!device.ok()) {
    std::fprintf(stderr, "gpu_probes: %s\n", device.problem().c_str());
    return 1;
  }
  gpu::Report report;
  // Several times the L2 of any GPU; on the emulation only that it works is asked.
  gpu::ProbeBandwidth(device, options.quick ? int64_t{1} << 20 : int64_t{1} << 30, report);
  gpu::ProbeLaunches(device, options.quick ? 8 : 1000, report);
  gpu::ProbeMatrixUnits(device, options.quick ? 64 : 4096, report);
  gpu::ProbeFunctions(device, options.quick ? 0x40001u : 0x101u, report);
  if (!options.json.empty() && !report.WriteJson(options.json)) {
    std::fprintf(stderr, "gpu_probes: cannot write %s\n", options.json.c_str());
    return 1;
  }
  return report.good() ? 0 : 1;
}
