#include "cuda/plugin/error.h"

#include <cstdarg>
#include <cstdio>

namespace llmrt::cuda {

bool IsSticky(CuResult result) {
  switch (result) {
    case kCuDeinitialized:
    case kCuEccUncorrectable:
    case kCuNvlinkUncorrectable:
    case kCuIllegalAddress:
    case kCuLaunchTimeout:
    case kCuContextIsDestroyed:
    case kCuAssert:
    case kCuHardwareStackError:
    case kCuIllegalInstruction:
    case kCuMisalignedAddress:
    case kCuInvalidAddressSpace:
    case kCuInvalidPc:
    case kCuLaunchFailed:
    case kCuTensorMemoryLeak:
    case kCuExternalDevice:
    case kCuUnknown:
      return true;
    default:
      return false;
  }
}

int32_t Fail(backend::PluginError* error, int32_t code, const char* format, ...) {
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  return code;
}

int32_t Check(const DriverTable& driver, CuResult result, const char* call,
              backend::PluginError* error) {
  if (result == kCuSuccess) return 0;
  const char* name = nullptr;
  if (driver.error_name(result, &name) != kCuSuccess || name == nullptr) name = "unknown error";
  const int number = static_cast<int>(result);
  if (IsSticky(result)) {
    return Fail(error, backend::kPluginDeviceLost,
                "%s: %s (%d); the device's context is lost; close this engine and open another, or "
                "restart the process if that fails, too",
                call, name, number);
  }
  const int32_t code = result == kCuOutOfMemory                              ? kResourceExhausted
                       : result == kCuNoDevice || result == kCuInvalidDevice ? kNotFound
                       : result == kCuNoBinaryForGpu || result == kCuInvalidImage
                           ? kFailedPrecondition
                           : kInternal;
  return Fail(error, code, "%s: %s (%d)", call, name, number);
}

}  // namespace llmrt::cuda
