// The part of the CUDA driver's C interface that llmrt calls, declared here so that no CUDA header
// is needed to build host code. Names, layouts and numbers are the driver's; a test compares them
// with cuda.h where that is installed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace llmrt::cuda {

using CuDevice = int;
using CuDevicePointer = uint64_t;
using CuContext = struct CuContextOpaque*;
using CuModule = struct CuModuleOpaque*;
using CuFunction = struct CuFunctionOpaque*;
using CuStream = struct CuStreamOpaque*;
using CuEvent = struct CuEventOpaque*;
using CuGraph = struct CuGraphOpaque*;
using CuGraphExec = struct CuGraphExecOpaque*;

// CUresult. Values that are not named here occur, too.
enum CuResult : int {
  kCuSuccess = 0,
  kCuInvalidValue = 1,
  kCuOutOfMemory = 2,
  kCuNotInitialized = 3,
  kCuDeinitialized = 4,
  kCuNoDevice = 100,
  kCuInvalidDevice = 101,
  kCuInvalidImage = 200,
  kCuInvalidContext = 201,
  kCuNoBinaryForGpu = 209,
  kCuEccUncorrectable = 214,
  kCuNvlinkUncorrectable = 220,
  kCuNotFound = 500,
  kCuNotReady = 600,
  kCuIllegalAddress = 700,
  kCuLaunchOutOfResources = 701,
  kCuLaunchTimeout = 702,
  kCuContextIsDestroyed = 709,
  kCuAssert = 710,
  kCuHardwareStackError = 714,
  kCuIllegalInstruction = 715,
  kCuMisalignedAddress = 716,
  kCuInvalidAddressSpace = 717,
  kCuInvalidPc = 718,
  kCuLaunchFailed = 719,
  kCuTensorMemoryLeak = 721,
  kCuExternalDevice = 911,
  kCuUnknown = 999,
};

// CUdevice_attribute
enum CuDeviceAttribute : int {
  kCuAttributeMultiprocessorCount = 16,
  kCuAttributeComputeCapabilityMajor = 75,
  kCuAttributeComputeCapabilityMinor = 76,
  kCuAttributeL2CacheBytes = 38,
  kCuAttributeMaxSharedBytesPerBlockOptin = 97,
};

// CUfunction_attribute
enum CuFunctionAttribute : int {
  kCuFunctionSharedBytes = 1,  // static
  kCuFunctionLocalBytes = 3,
  kCuFunctionRegisters = 4,
  kCuFunctionMaxDynamicSharedBytes = 8,
};

inline constexpr unsigned kCuStreamNonBlocking = 1;
inline constexpr unsigned kCuEventDefault = 0;
inline constexpr unsigned kCuEventDisableTiming = 2;
inline constexpr int kCuCaptureModeThreadLocal = 1;  // CUstreamCaptureMode

// CUlaunchAttribute: an id, padding to 8 bytes, 64 bytes of value.
struct CuLaunchAttribute {
  int id;
  char padding[4];
  union {
    char bytes[64];
    int programmatic_stream_serialization_allowed;
  } value;
};
inline constexpr int kCuLaunchProgrammaticStreamSerialization = 6;

// CUlaunchConfig
struct CuLaunchConfig {
  unsigned grid_x, grid_y, grid_z;
  unsigned block_x, block_y, block_z;
  unsigned shared_bytes;
  CuStream stream;
  CuLaunchAttribute* attributes;
  unsigned num_attributes;
};

}  // namespace llmrt::cuda
