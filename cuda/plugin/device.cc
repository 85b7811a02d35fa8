#include "cuda/plugin/device.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "cuda/driver/driver_library.h"
#include "cuda/launch/kernel_images.h"
#include "cuda/plugin/graphs.h"
#include "cuda/plugin/steps.h"

namespace llmrt::cuda {
namespace {

using backend::PluginDevice;
using backend::PluginDeviceInfo;
using backend::PluginError;
using backend::PluginOpenOptions;

// mma.m16n8k16, ldmatrix and cp.async.
constexpr int32_t kComputeMajorMin = 8;

// Opens the driver and counts what it drives.
int32_t OpenDriver(DriverTable* driver, int* count, PluginError* error) {
  if (const char* reason = OpenDriverLibrary(driver)) {
    return Fail(error, kNotFound, "%s", reason);
  }
  if (int32_t code = Check(*driver, driver->init(0), "cuInit", error)) return code;
  return Check(*driver, driver->device_count(count), "cuDeviceGetCount", error);
}

int32_t Describe(PluginDevice& device, CuDevice ordinal, PluginError* error) {
  const DriverTable& driver = device.driver;
  PluginDeviceInfo& info = device.info;
  CuResult result = driver.device_name(info.name, sizeof info.name, ordinal);
  const auto ask = [&](CuDeviceAttribute attribute, int32_t* value) {
    if (result == kCuSuccess) result = driver.device_attribute(value, attribute, ordinal);
  };
  ask(kCuAttributeComputeCapabilityMajor, &info.compute_major);
  ask(kCuAttributeComputeCapabilityMinor, &info.compute_minor);
  ask(kCuAttributeMultiprocessorCount, &device.multiprocessors);
  if (int32_t code = Check(driver, result, "cuDeviceGetAttribute", error)) return code;
  if (info.compute_major < kComputeMajorMin) {
    return Fail(error, kFailedPrecondition,
                "%s has compute capability %d.%d; the kernels need 8.0; use cpu", info.name,
                info.compute_major, info.compute_minor);
  }
  return 0;
}

// A context for a moment, to ask for free memory before the engine's own is there.
class Ruler {
 public:
  Ruler(const DriverTable& driver, CuDevice ordinal) : driver_(driver) {
    result_ = driver.context_create(&context_, 0, ordinal);
  }
  ~Ruler() {
    // Creation has made it current, destruction takes that back.
    if (result_ != kCuSuccess) return;
    if (driver_.context_destroy(context_) != kCuSuccess) PopContext(driver_, context_);
  }
  Ruler(const Ruler&) = delete;
  Ruler& operator=(const Ruler&) = delete;
  CuResult result() const { return result_; }

 private:
  const DriverTable& driver_;
  CuContext context_ = nullptr;
  CuResult result_;
};

int32_t MakeContext(PluginDevice& device, CuDevice ordinal, PluginError* error) {
  if (int32_t code = Check(device.driver, device.driver.context_create(&device.context, 0, ordinal),
                           "cuCtxCreate", error)) {
    return code;
  }
  device.owns_context = true;
  PopContext(device.driver, device.context);
  return 0;
}

// The stream, the kernels and the events, in the context that is current.
int32_t Equip(PluginDevice& device, CuDevice ordinal, PluginError* error) {
  const DriverTable& driver = device.driver;
  if (device.stream == nullptr) {
    if (int32_t code = Check(driver, driver.stream_create(&device.stream, kCuStreamNonBlocking),
                             "cuStreamCreate", error)) {
      return code;
    }
    device.owns_stream = true;
  }
  device.launch_stream = device.stream;
  int shared_bytes_max = 0;
  CuResult result =
      driver.device_attribute(&shared_bytes_max, kCuAttributeMaxSharedBytesPerBlockOptin, ordinal);
  if (result == kCuSuccess) result = device.kernels.Load(driver, shared_bytes_max);
  if (result == kCuInvalidImage && std::strcmp(kKernelImages[0].data, kNoDeviceCode) == 0) {
    return Fail(error, kFailedPrecondition,
                "this CUDA plugin was built without nvcc and has no code for %s; build it with "
                "nvcc, or use cpu",
                device.info.name);
  }
  if (int32_t code = Check(driver, result, "loading the kernels", error)) return code;
  result = driver.event_create(&device.uploaded, kCuEventDisableTiming);
  if (result == kCuSuccess) result = driver.event_create(&device.requested, kCuEventDisableTiming);
  if (result == kCuSuccess) result = driver.event_create(&device.finished, kCuEventDisableTiming);
  return Check(driver, result, "cuEventCreate", error);
}

// Of the device whose context is current.
int32_t FreeBytes(PluginDevice& device, int64_t* free, PluginError* error) {
  size_t now = 0, total = 0;
  if (int32_t code =
          Check(device.driver, device.driver.memory_info(&now, &total), "cuMemGetInfo", error)) {
    return code;
  }
  device.info.total_bytes = static_cast<int64_t>(total);
  *free = static_cast<int64_t>(now);
  return 0;
}

int32_t EquipInContext(PluginDevice& device, CuDevice ordinal, PluginError* error) {
  const ContextScope scope(device, error);
  return scope.status() != 0 ? scope.status() : Equip(device, ordinal, error);
}

// What the device lost between two readings; others may have given something back meanwhile.
void SetOverhead(PluginDevice& device, int64_t before, int64_t after) {
  device.info.overhead_bytes = before > after ? before - after : 0;
}

// Makes the context and what is in it while a ruler is there, before and after.
int32_t MakeMeasured(PluginDevice& device, CuDevice ordinal, PluginError* error) {
  const Ruler ruler(device.driver, ordinal);
  int64_t before = 0, after = 0;
  int32_t code = Check(device.driver, ruler.result(), "cuCtxCreate", error);
  if (code == 0) code = FreeBytes(device, &before, error);
  if (code == 0) code = MakeContext(device, ordinal, error);
  if (code == 0) code = EquipInContext(device, ordinal, error);
  if (code == 0) code = FreeBytes(device, &after, error);
  SetOverhead(device, before, after);
  return code;
}

int32_t OpenInOwnContext(PluginDevice& device, CuDevice ordinal, PluginError* error) {
  if (int32_t code = MakeMeasured(device, ordinal, error)) return code;
  // Without the ruler, which took memory, too.
  const ContextScope scope(device, error);
  return scope.status() != 0 ? scope.status() : FreeBytes(device, &device.info.free_bytes, error);
}

int32_t OpenInHostContext(PluginDevice& device, const PluginOpenOptions& options, CuDevice ordinal,
                          PluginError* error) {
  device.context = reinterpret_cast<CuContext>(options.context);
  device.stream = reinterpret_cast<CuStream>(options.stream);
  const ContextScope scope(device, error);
  if (scope.status() != 0) return scope.status();
  CuDevice actual = -1;
  if (int32_t code =
          Check(device.driver, device.driver.context_device(&actual), "cuCtxGetDevice", error)) {
    return code;
  }
  if (actual != ordinal) {
    return Fail(error, kInvalidArgument,
                "the host's context is of device %d, the engine's device is cuda:%d; choose one",
                actual, ordinal);
  }
  int64_t before = 0;
  int32_t code = FreeBytes(device, &before, error);
  if (code == 0) code = Equip(device, ordinal, error);
  if (code == 0) code = FreeBytes(device, &device.info.free_bytes, error);
  SetOverhead(device, before, device.info.free_bytes);
  return code;
}

int32_t OpenDevice(PluginDevice& device, const PluginOpenOptions& options, PluginError* error) {
  int count = 0;
  if (int32_t code = OpenDriver(&device.driver, &count, error)) return code;
  if (options.device_index < 0 || options.device_index >= count) {
    return Fail(error, kNotFound, "cuda:%d is not on this machine; it has %d CUDA devices",
                options.device_index, count);
  }
  if (options.context == 0 && options.stream != 0) {
    return Fail(error, kInvalidArgument,
                "a stream of the host's was given without its context; give both or neither");
  }
  CuDevice ordinal = 0;
  if (int32_t code = Check(device.driver, device.driver.device_get(&ordinal, options.device_index),
                           "cuDeviceGet", error)) {
    return code;
  }
  if (int32_t code = Describe(device, ordinal, error)) return code;
  return options.context != 0 ? OpenInHostContext(device, options, ordinal, error)
                              : OpenInOwnContext(device, ordinal, error);
}

// What was made inside the context, which is current.
void Strip(PluginDevice& device) {
  AbandonRecording(device);
  if (device.stream != nullptr) device.driver.stream_synchronize(device.stream);
  ReleaseGraphs(device);
  ReleaseSteps(&device);
  if (device.uploaded != nullptr) device.driver.event_destroy(device.uploaded);
  if (device.requested != nullptr) device.driver.event_destroy(device.requested);
  if (device.finished != nullptr) device.driver.event_destroy(device.finished);
  device.kernels.Unload();
  if (device.owns_stream) device.driver.stream_destroy(device.stream);
}

}  // namespace

int32_t CountDevices(int32_t* count, PluginError* error) {
  DriverTable driver;
  int found = 0;
  if (int32_t code = OpenDriver(&driver, &found, error)) return code;
  *count = found;
  return 0;
}

int32_t Open(const PluginOpenOptions* options, PluginDevice** device, PluginDeviceInfo* info,
             PluginError* error) {
  void* memory = std::calloc(1, sizeof(PluginDevice));
  if (memory == nullptr) return Fail(error, kResourceExhausted, "no memory for a device");
  auto* opened = new (memory) PluginDevice();
  opened->recording = -1;
  opened->info.heap_bytes = sizeof(PluginDevice);
  if (int32_t code = OpenDevice(*opened, *options, error)) {
    Close(opened);
    return code;
  }
  *info = opened->info;
  *device = opened;
  return 0;
}

void Close(PluginDevice* device) {
  if (device->context != nullptr) {
    PluginError ignored;
    {
      const ContextScope scope(*device, &ignored);
      if (scope.status() == 0) Strip(*device);
    }
    if (device->owns_context) device->driver.context_destroy(device->context);
  }
  device->~PluginDevice();
  std::free(device);
}

}  // namespace llmrt::cuda
