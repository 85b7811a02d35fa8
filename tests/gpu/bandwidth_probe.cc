// Ceilings of memory: what every benchmark of a memory-bound kernel is a share of.
#include <algorithm>
#include <vector>

#include "cuda/kernels/read_bandwidth.h"
#include "gpu/probes.h"

namespace llmrt::gpu {
namespace {

using cuda::CuResult;
using cuda::DriverTable;

constexpr int kTimes = 9;

void AddBandwidth(const char* name, double bytes, double micros, Report& report) {
  report.Add({.name = name,
              .value = micros > 0 ? bytes / micros * 1e-3 : 0,
              .unit = "GB/s",
              .verdict = micros > 0 ? Verdict::kInfo : Verdict::kBad,
              .remark = ""});
}

}  // namespace

void ProbeBandwidth(cuda::TestDevice& device, int64_t bytes, Report& report) {
  const DriverTable& driver = device.driver();
  const auto size = static_cast<size_t>(bytes);
  cuda::DeviceArray<uint8_t> from(size), to(size);
  // Not one value: memory controllers may compress that.
  std::vector<uint8_t> host(std::min<size_t>(size, size_t{64} << 20));
  uint32_t state = 1;
  for (uint8_t& byte : host)
    byte = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  for (size_t done = 0; done < size; done += host.size()) {
    driver.copy_to_device(reinterpret_cast<uint64_t>(from.get()) + done, host.data(),
                          std::min(host.size(), size - done), device.stream());
  }
  driver.stream_synchronize(device.stream());
  AddBandwidth("device copy, read + written", 2.0 * static_cast<double>(bytes),
               MedianMicros(device, kTimes,
                            [&] {
                              return driver.copy_on_device(reinterpret_cast<uint64_t>(to.get()),
                                                           reinterpret_cast<uint64_t>(from.get()),
                                                           size, device.stream());
                            }),
               report);
  const cuda::ReadBandwidthArgs args = {
      .data = from.get(), .words = bytes / 16, .out = reinterpret_cast<uint32_t*>(to.get())};
  int multiprocessors = 0;
  driver.device_attribute(&multiprocessors, cuda::kCuAttributeMultiprocessorCount, 0);
  const Module module(device, [] {
    const cuda::KernelImage* image = cuda::kKernelImages;
    while (std::string_view(image->module) != "read_bandwidth") ++image;
    return image;
  }());
  const cuda::CuFunction read = module.Find("ReadBandwidthKernel");
  for (const uint32_t blocks : {2u, 4u}) {
    const cuda::LaunchShape shape = {.grid_x = static_cast<uint32_t>(multiprocessors) * blocks,
                                     .threads = cuda::kReadBandwidthThreads};
    const std::string name = "device read, " + std::to_string(blocks) + " blocks a multiprocessor";
    AddBandwidth(
        name.c_str(), static_cast<double>(bytes),
        MedianMicros(device, kTimes, [&] { return LaunchAsync(device, read, shape, &args); }),
        report);
  }
  void* pinned = nullptr;
  if (driver.allocate_host(&pinned, host.size(), 0) != cuda::kCuSuccess) return;
  AddBandwidth("pinned host to device", static_cast<double>(host.size()),
               MedianMicros(device, kTimes,
                            [&] {
                              return driver.copy_to_device(reinterpret_cast<uint64_t>(to.get()),
                                                           pinned, host.size(), device.stream());
                            }),
               report);
  AddBandwidth("device to pinned host", static_cast<double>(host.size()),
               MedianMicros(device, kTimes,
                            [&] {
                              return driver.copy_to_host(pinned,
                                                         reinterpret_cast<uint64_t>(from.get()),
                                                         host.size(), device.stream());
                            }),
               report);
  driver.release_host(pinned);
}

}  // namespace llmrt::gpu
