#include "cuda/plugin/memory.h"

#include "cuda/kernels/read_bandwidth.h"

namespace llmrt::cuda {
namespace {

using backend::PluginDevice;
using backend::PluginError;

// The caller's memory may be read or written whenever the driver likes, so copies are waited for:
// also those that were queued before one failed, and once more where waiting failed.
int32_t Finish(PluginDevice& device, CuResult result, const char* call, PluginError* error) {
  const DriverTable& driver = device.driver;
  const CuResult waited = driver.stream_synchronize(device.stream);
  if (waited != kCuSuccess && !IsSticky(waited)) driver.stream_synchronize(device.stream);
  if (int32_t code = Check(driver, result, call, error)) return code;
  return Check(driver, waited, "cuStreamSynchronize", error);
}

// One timed reading; milliseconds.
CuResult TimeRead(PluginDevice& device, const ReadBandwidthArgs& args, CuEvent start, CuEvent end,
                  float* milliseconds) {
  const DriverTable& driver = device.driver;
  constexpr uint32_t kBlocksPerMultiprocessor = 4;
  const LaunchShape shape = {
      .grid_x = static_cast<uint32_t>(device.multiprocessors) * kBlocksPerMultiprocessor,
      .threads = kReadBandwidthThreads};
  CuResult result = driver.event_record(start, device.stream);
  if (result == kCuSuccess) {
    result = device.kernels.Launch(KernelId::kReadBandwidthKernel, shape, args, device.stream);
  }
  if (result == kCuSuccess) result = driver.event_record(end, device.stream);
  if (result == kCuSuccess) result = driver.event_synchronize(end);
  if (result == kCuSuccess) result = driver.event_elapsed(milliseconds, start, end);
  return result;
}

// The quickest of some readings: nothing makes reading faster than it is.
CuResult BestRead(PluginDevice& device, const ReadBandwidthArgs& args, float* best) {
  const DriverTable& driver = device.driver;
  constexpr int kReadings = 6;
  CuEvent start = nullptr, end = nullptr;
  CuResult result = driver.event_create(&start, kCuEventDefault);
  if (result != kCuSuccess) return result;
  result = driver.event_create(&end, kCuEventDefault);
  *best = 0;
  for (int i = 0; i < kReadings && result == kCuSuccess; ++i) {
    float milliseconds = 0;
    result = TimeRead(device, args, start, end, &milliseconds);
    if (i == 1 || (i > 1 && milliseconds < *best)) *best = milliseconds;  // 0 warms up
  }
  driver.event_destroy(start);
  if (end != nullptr) driver.event_destroy(end);
  return result;
}

}  // namespace

int32_t Allocate(PluginDevice* device, int64_t bytes, uint64_t* address, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  CuDevicePointer pointer = 0;
  const CuResult result = device->driver.allocate(&pointer, static_cast<size_t>(bytes));
  if (result == kCuOutOfMemory) {
    size_t free = 0, total = 0;
    device->driver.memory_info(&free, &total);
    return Fail(error, kResourceExhausted,
                "%lld bytes of device memory were asked for; %s has %lld of %lld free; plan for "
                "fewer sessions, a shorter context or a smaller model",
                static_cast<long long>(bytes), device->info.name, static_cast<long long>(free),
                static_cast<long long>(total));
  }
  if (int32_t code = Check(device->driver, result, "cuMemAlloc", error)) return code;
  *address = pointer;
  return 0;
}

void Release(PluginDevice* device, uint64_t address) {
  PluginError ignored;
  const ContextScope scope(*device, &ignored);
  // Of a lost context nothing can be given back one by one; it goes as a whole.
  if (scope.status() != 0) return;
  // A step that was abandoned may still be running over it.
  device->driver.stream_synchronize(device->stream);
  device->driver.release(address);
}

int32_t Upload(PluginDevice* device, const backend::PluginUpload* params, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  const DriverTable& driver = device->driver;
  const auto* from = static_cast<const uint8_t*>(params->from);
  const int64_t stride = params->stride, row_bytes = params->row_bytes;
  if (stride == row_bytes) {
    const auto bytes = static_cast<size_t>(row_bytes * params->rows);
    return Finish(*device, driver.copy_to_device(params->to, from, bytes, device->stream),
                  "cuMemcpyHtoDAsync", error);
  }
  CuResult result =
      driver.fill(params->to, 0, static_cast<size_t>(stride * params->rows), device->stream);
  for (int64_t row = 0; row < params->rows && result == kCuSuccess; ++row) {
    result = driver.copy_to_device(params->to + static_cast<uint64_t>(row * stride),
                                   from + row * row_bytes, static_cast<size_t>(row_bytes),
                                   device->stream);
  }
  return Finish(*device, result, "cuMemcpyHtoDAsync", error);
}

int32_t Download(PluginDevice* device, void* to, uint64_t from, int64_t bytes, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  return Finish(*device,
                device->driver.copy_to_host(to, from, static_cast<size_t>(bytes), device->stream),
                "cuMemcpyDtoHAsync", error);
}

int32_t Copy(PluginDevice* device, uint64_t to, uint64_t from, int64_t bytes, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  device->finish_recorded = false;
  return Check(device->driver,
               device->driver.copy_on_device(to, from, static_cast<size_t>(bytes), device->stream),
               "cuMemcpyDtoDAsync", error);
}

int32_t MeasureReadBandwidth(PluginDevice* device, uint64_t data, int64_t bytes,
                             double* bytes_per_second, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  // The last word takes the sum.
  const int64_t words = bytes / 16 - 1;
  const ReadBandwidthArgs args = {
      .data = reinterpret_cast<const uint8_t*>(data),
      .words = words,
      .out = reinterpret_cast<uint32_t*>(data + static_cast<uint64_t>(words) * 16)};
  // Every byte alike but not zero, so that no sum is 1 and no line is compressed as empty.
  int32_t code = Check(device->driver,
                       device->driver.fill(data, 0x5a, static_cast<size_t>(bytes), device->stream),
                       "cuMemsetD8Async", error);
  if (code != 0) return code;
  float milliseconds = 0;
  code = Check(device->driver, BestRead(*device, args, &milliseconds), "measuring the bandwidth",
               error);
  if (code != 0) return code;
  *bytes_per_second =
      milliseconds > 0 ? static_cast<double>(words * 16) / (milliseconds * 1e-3) : 0;
  return 0;
}

}  // namespace llmrt::cuda
