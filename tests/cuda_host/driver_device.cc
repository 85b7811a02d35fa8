// Devices and contexts.
#include <cstdio>
#include <cstring>

#include "cuda_host/driver_state.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;  // the driver's types

const char* ErrorName(int error) {
  switch (error) {
    case kCuSuccess:
      return "CUDA_SUCCESS";
    case kCuInvalidValue:
      return "CUDA_ERROR_INVALID_VALUE";
    case kCuOutOfMemory:
      return "CUDA_ERROR_OUT_OF_MEMORY";
    case kCuNotInitialized:
      return "CUDA_ERROR_NOT_INITIALIZED";
    case kCuDeinitialized:
      return "CUDA_ERROR_DEINITIALIZED";
    case kCuNoDevice:
      return "CUDA_ERROR_NO_DEVICE";
    case kCuInvalidDevice:
      return "CUDA_ERROR_INVALID_DEVICE";
    case kCuInvalidImage:
      return "CUDA_ERROR_INVALID_IMAGE";
    case kCuInvalidContext:
      return "CUDA_ERROR_INVALID_CONTEXT";
    case kCuNoBinaryForGpu:
      return "CUDA_ERROR_NO_BINARY_FOR_GPU";
    case kCuEccUncorrectable:
      return "CUDA_ERROR_ECC_UNCORRECTABLE";
    case kInvalidHandle:
      return "CUDA_ERROR_INVALID_HANDLE";
    case kCuNotFound:
      return "CUDA_ERROR_NOT_FOUND";
    case kCuNotReady:
      return "CUDA_ERROR_NOT_READY";
    case kCuIllegalAddress:
      return "CUDA_ERROR_ILLEGAL_ADDRESS";
    case kCuLaunchOutOfResources:
      return "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES";
    case kCuLaunchTimeout:
      return "CUDA_ERROR_LAUNCH_TIMEOUT";
    case kCuContextIsDestroyed:
      return "CUDA_ERROR_CONTEXT_IS_DESTROYED";
    case kCuAssert:
      return "CUDA_ERROR_ASSERT";
    case kCuHardwareStackError:
      return "CUDA_ERROR_HARDWARE_STACK_ERROR";
    case kCuIllegalInstruction:
      return "CUDA_ERROR_ILLEGAL_INSTRUCTION";
    case kCuMisalignedAddress:
      return "CUDA_ERROR_MISALIGNED_ADDRESS";
    case kCuInvalidAddressSpace:
      return "CUDA_ERROR_INVALID_ADDRESS_SPACE";
    case kCuInvalidPc:
      return "CUDA_ERROR_INVALID_PC";
    case kCuLaunchFailed:
      return "CUDA_ERROR_LAUNCH_FAILED";
    case kCaptureUnsupported:
      return "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
    case kCaptureInvalidated:
      return "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED";
    case kCaptureUnmatched:
      return "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED";
    case kCapturedEvent:
      return "CUDA_ERROR_CAPTURED_EVENT";
    case kCaptureWrongThread:
      return "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD";
    case kCuUnknown:
      return "CUDA_ERROR_UNKNOWN";
    default:
      return nullptr;
  }
}

// What a device of this compute capability says of itself.
bool AttributeOf(const Settings& settings, int attribute, int* value) {
  const bool data_center = settings.minor == 0 && settings.major <= 9;
  switch (attribute) {
    case kCuAttributeMultiprocessorCount:
      *value = 4;
      return true;
    case kCuAttributeComputeCapabilityMajor:
      *value = settings.major;
      return true;
    case kCuAttributeComputeCapabilityMinor:
      *value = settings.minor;
      return true;
    case kCuAttributeL2CacheBytes:
      *value = 4 << 20;
      return true;
    case kCuAttributeMaxSharedBytesPerBlockOptin:
      *value = data_center ? (settings.major == 9 ? 227 << 10 : 163 << 10) : 99 << 10;
      return true;
    default:
      return false;
  }
}

}  // namespace

int SharedBytesOptin(const Settings& settings) {
  int value = 0;
  AttributeOf(settings, kCuAttributeMaxSharedBytesPerBlockOptin, &value);
  return value;
}

LLMRT_EXPORT CuResult cuInit(unsigned flags) {
  LLMRT_EMULATED_ENTRY(entry, "cuInit", kNothing);
  if (flags != 0) return entry.Refuse(kCuInvalidValue, "flags must be 0");
  if (State().settings.devices == 0) return entry.Refuse(kCuNoDevice, "there is no device");
  State().initialised = true;
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuDriverGetVersion(int* version) {
  LLMRT_EMULATED_ENTRY(entry, "cuDriverGetVersion", kNothing);
  if (version == nullptr) return kCuInvalidValue;
  *version = 13000;
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuGetErrorName(CuResult error, const char** name) {
  LLMRT_EMULATED_ENTRY(entry, "cuGetErrorName", kNothing);
  if (name == nullptr) return kCuInvalidValue;
  *name = ErrorName(error);
  return *name != nullptr ? kCuSuccess : kCuInvalidValue;
}

LLMRT_EXPORT CuResult cuDeviceGetCount(int* count) {
  LLMRT_EMULATED_ENTRY(entry, "cuDeviceGetCount", kInit);
  if (count == nullptr) return kCuInvalidValue;
  *count = State().settings.devices;
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuDeviceGet(CuDevice* device, int ordinal) {
  LLMRT_EMULATED_ENTRY(entry, "cuDeviceGet", kInit);
  if (device == nullptr) return kCuInvalidValue;
  if (ordinal < 0 || ordinal >= State().settings.devices) return kCuInvalidDevice;
  *device = ordinal;
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuDeviceGetName(char* name, int length, CuDevice device) {
  LLMRT_EMULATED_ENTRY(entry, "cuDeviceGetName", kInit);
  if (name == nullptr || length <= 0) return kCuInvalidValue;
  if (device < 0 || device >= State().settings.devices) return kCuInvalidDevice;
  std::snprintf(name, static_cast<size_t>(length), "Emulated GPU");
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuDeviceGetAttribute(int* value, CuDeviceAttribute attribute,
                                           CuDevice device) {
  LLMRT_EMULATED_ENTRY(entry, "cuDeviceGetAttribute", kInit);
  if (device < 0 || device >= State().settings.devices) return kCuInvalidDevice;
  if (value == nullptr || !AttributeOf(State().settings, attribute, value)) {
    return entry.Refuse(kCuInvalidValue, "an attribute that the emulation does not know");
  }
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuCtxCreate_v2(CuContext* context, unsigned, CuDevice device) {
  LLMRT_EMULATED_ENTRY(entry, "cuCtxCreate_v2", kInit);
  DriverState& state = State();
  if (context == nullptr) return kCuInvalidValue;
  if (device < 0 || device >= state.settings.devices) return kCuInvalidDevice;
  if (state.UsedMemory() + kContextBytes > state.settings.total_memory) return kCuOutOfMemory;
  const HandleId id = state.NewHandle();
  state.contexts[id] = {.device = device};
  ContextStack().push_back(id);
  *context = HandleOf<CuContext>(id);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuCtxDestroy_v2(CuContext context) {
  LLMRT_EMULATED_ENTRY(entry, "cuCtxDestroy_v2", kInit);
  const HandleId id = IdOf(context);
  if (State().contexts.count(id) == 0) return entry.Refuse(kCuInvalidContext, "no such context");
  DestroyContext(id);
  std::vector<HandleId>& stack = ContextStack();
  if (!stack.empty() && stack.back() == id) stack.pop_back();
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuCtxPushCurrent_v2(CuContext context) {
  LLMRT_EMULATED_ENTRY(entry, "cuCtxPushCurrent_v2", kInit);
  if (State().contexts.count(IdOf(context)) == 0) {
    return entry.Refuse(kCuInvalidContext, "no such context");
  }
  ContextStack().push_back(IdOf(context));
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuCtxPopCurrent_v2(CuContext* context) {
  LLMRT_EMULATED_ENTRY(entry, "cuCtxPopCurrent_v2", kInit);
  std::vector<HandleId>& stack = ContextStack();
  if (stack.empty()) return entry.Refuse(kCuInvalidContext, "no context is current");
  if (context != nullptr) *context = HandleOf<CuContext>(stack.back());
  stack.pop_back();
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuCtxGetDevice(CuDevice* device) {
  LLMRT_EMULATED_ENTRY(entry, "cuCtxGetDevice", kContext);
  if (device == nullptr) return kCuInvalidValue;
  *device = entry.context().device;
  return kCuSuccess;
}

}  // namespace llmrt::cuda_host
