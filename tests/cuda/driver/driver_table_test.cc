// The driver's interface as this tree declares it against cuda.h, where that was installed when the
// tests were built: every function's parameters, every number, the layout of every struct.

#include <gtest/gtest.h>

#if LLMRT_HAS_CUDA_H
// Declares every version of a function under its own name, as the driver exports it.
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#endif

#include <cstddef>
#include <type_traits>

#include "cuda/driver/driver_table.h"

namespace llmrt::cuda {
namespace {

#if LLMRT_HAS_CUDA_H

// Our name for a struct of the driver's that only pointers point at.
template <typename Ours, typename Theirs>
inline constexpr bool kSameStruct = false;
template <>
inline constexpr bool kSameStruct<CuContextOpaque, CUctx_st> = true;
template <>
inline constexpr bool kSameStruct<CuModuleOpaque, CUmod_st> = true;
template <>
inline constexpr bool kSameStruct<CuFunctionOpaque, CUfunc_st> = true;
template <>
inline constexpr bool kSameStruct<CuStreamOpaque, CUstream_st> = true;
template <>
inline constexpr bool kSameStruct<CuEventOpaque, CUevent_st> = true;
template <>
inline constexpr bool kSameStruct<CuGraphOpaque, CUgraph_st> = true;
template <>
inline constexpr bool kSameStruct<CuGraphExecOpaque, CUgraphExec_st> = true;
template <>
inline constexpr bool kSameStruct<CuLaunchConfig, CUlaunchConfig> = true;
template <>
inline constexpr bool kSameStruct<CuLaunchAttribute, CUlaunchAttribute> = true;

// Whether two types are passed alike: the same type, integers or enums of one size, or pointers to
// such, equally const.
template <typename Ours, typename Theirs>
constexpr bool Same() {
  if constexpr (std::is_same_v<Ours, Theirs>) {
    return true;
  } else if constexpr (std::is_const_v<Ours> != std::is_const_v<Theirs>) {
    return false;
  } else if constexpr (std::is_pointer_v<Ours> && std::is_pointer_v<Theirs>) {
    return Same<std::remove_pointer_t<Ours>, std::remove_pointer_t<Theirs>>();
  } else if constexpr (std::is_enum_v<Ours> || std::is_enum_v<Theirs>) {
    return sizeof(Ours) == sizeof(Theirs) &&
           (std::is_enum_v<Ours> || std::is_integral_v<Ours>)&&(std::is_enum_v<Theirs> ||
                                                                std::is_integral_v<Theirs>);
  } else if constexpr (std::is_integral_v<Ours> && std::is_integral_v<Theirs>) {
    return sizeof(Ours) == sizeof(Theirs) && std::is_signed_v<Ours> == std::is_signed_v<Theirs>;
  } else {
    return kSameStruct<std::remove_const_t<Ours>, std::remove_const_t<Theirs>>;
  }
}

template <typename Ours, typename Theirs>
struct SameFunction : std::false_type {};
template <typename R, typename... P, typename S, typename... Q>
struct SameFunction<R (*)(P...), S (*)(Q...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(P) == sizeof...(Q)) {
      return Same<R, S>() && (Same<P, Q>() && ...);
    } else {
      return false;
    }
  }();
};

// A symbol is a string in the table; here are the same names as functions of cuda.h.
#define LLMRT_CHECK_ENTRY(member, function)                                                \
  static_assert(SameFunction<decltype(DriverTable::member), decltype(&::function)>::value, \
                #function " has other parameters")
LLMRT_CHECK_ENTRY(init, cuInit);
LLMRT_CHECK_ENTRY(driver_version, cuDriverGetVersion);
LLMRT_CHECK_ENTRY(error_name, cuGetErrorName);
LLMRT_CHECK_ENTRY(device_count, cuDeviceGetCount);
LLMRT_CHECK_ENTRY(device_get, cuDeviceGet);
LLMRT_CHECK_ENTRY(device_name, cuDeviceGetName);
LLMRT_CHECK_ENTRY(device_attribute, cuDeviceGetAttribute);
LLMRT_CHECK_ENTRY(context_create, cuCtxCreate_v2);
LLMRT_CHECK_ENTRY(context_destroy, cuCtxDestroy_v2);
LLMRT_CHECK_ENTRY(context_push, cuCtxPushCurrent_v2);
LLMRT_CHECK_ENTRY(context_pop, cuCtxPopCurrent_v2);
LLMRT_CHECK_ENTRY(context_device, cuCtxGetDevice);
LLMRT_CHECK_ENTRY(memory_info, cuMemGetInfo_v2);
LLMRT_CHECK_ENTRY(allocate, cuMemAlloc_v2);
LLMRT_CHECK_ENTRY(release, cuMemFree_v2);
LLMRT_CHECK_ENTRY(allocate_host, cuMemHostAlloc);
LLMRT_CHECK_ENTRY(release_host, cuMemFreeHost);
LLMRT_CHECK_ENTRY(copy_to_device, cuMemcpyHtoDAsync_v2);
LLMRT_CHECK_ENTRY(copy_to_host, cuMemcpyDtoHAsync_v2);
LLMRT_CHECK_ENTRY(copy_on_device, cuMemcpyDtoDAsync_v2);
LLMRT_CHECK_ENTRY(fill, cuMemsetD8Async);
LLMRT_CHECK_ENTRY(module_load, cuModuleLoadData);
LLMRT_CHECK_ENTRY(module_unload, cuModuleUnload);
LLMRT_CHECK_ENTRY(module_function, cuModuleGetFunction);
LLMRT_CHECK_ENTRY(function_attribute, cuFuncGetAttribute);
LLMRT_CHECK_ENTRY(set_function_attribute, cuFuncSetAttribute);
LLMRT_CHECK_ENTRY(launch, cuLaunchKernelEx);
LLMRT_CHECK_ENTRY(stream_create, cuStreamCreate);
LLMRT_CHECK_ENTRY(stream_destroy, cuStreamDestroy_v2);
LLMRT_CHECK_ENTRY(stream_synchronize, cuStreamSynchronize);
LLMRT_CHECK_ENTRY(stream_query, cuStreamQuery);
LLMRT_CHECK_ENTRY(begin_capture, cuStreamBeginCapture_v2);
LLMRT_CHECK_ENTRY(end_capture, cuStreamEndCapture);
LLMRT_CHECK_ENTRY(graph_instantiate, cuGraphInstantiateWithFlags);
LLMRT_CHECK_ENTRY(graph_upload, cuGraphUpload);
LLMRT_CHECK_ENTRY(graph_launch, cuGraphLaunch);
LLMRT_CHECK_ENTRY(graph_exec_destroy, cuGraphExecDestroy);
LLMRT_CHECK_ENTRY(graph_destroy, cuGraphDestroy);
LLMRT_CHECK_ENTRY(event_create, cuEventCreate);
LLMRT_CHECK_ENTRY(event_destroy, cuEventDestroy_v2);
LLMRT_CHECK_ENTRY(event_record, cuEventRecord);
LLMRT_CHECK_ENTRY(event_query, cuEventQuery);
LLMRT_CHECK_ENTRY(event_synchronize, cuEventSynchronize);
LLMRT_CHECK_ENTRY(event_elapsed, cuEventElapsedTime);
#undef LLMRT_CHECK_ENTRY

// The list above and the table have the same length.
#define LLMRT_COUNT_ENTRY(member, symbol, parameters) +1
constexpr int kEntries = 0 LLMRT_CUDA_DRIVER_ENTRIES(LLMRT_COUNT_ENTRY);
#undef LLMRT_COUNT_ENTRY
static_assert(kEntries == 44, "check the new entry here, too");

#define LLMRT_CHECK_NUMBER(ours, theirs) \
  static_assert(static_cast<int>(ours) == static_cast<int>(theirs), #theirs " is another number")
LLMRT_CHECK_NUMBER(kCuSuccess, CUDA_SUCCESS);
LLMRT_CHECK_NUMBER(kCuInvalidValue, CUDA_ERROR_INVALID_VALUE);
LLMRT_CHECK_NUMBER(kCuOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
LLMRT_CHECK_NUMBER(kCuNotInitialized, CUDA_ERROR_NOT_INITIALIZED);
LLMRT_CHECK_NUMBER(kCuDeinitialized, CUDA_ERROR_DEINITIALIZED);
LLMRT_CHECK_NUMBER(kCuNoDevice, CUDA_ERROR_NO_DEVICE);
LLMRT_CHECK_NUMBER(kCuInvalidDevice, CUDA_ERROR_INVALID_DEVICE);
LLMRT_CHECK_NUMBER(kCuInvalidImage, CUDA_ERROR_INVALID_IMAGE);
LLMRT_CHECK_NUMBER(kCuInvalidContext, CUDA_ERROR_INVALID_CONTEXT);
LLMRT_CHECK_NUMBER(kCuNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
LLMRT_CHECK_NUMBER(kCuEccUncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE);
LLMRT_CHECK_NUMBER(kCuNotFound, CUDA_ERROR_NOT_FOUND);
LLMRT_CHECK_NUMBER(kCuNotReady, CUDA_ERROR_NOT_READY);
LLMRT_CHECK_NUMBER(kCuIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS);
LLMRT_CHECK_NUMBER(kCuLaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
LLMRT_CHECK_NUMBER(kCuLaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT);
LLMRT_CHECK_NUMBER(kCuContextIsDestroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED);
LLMRT_CHECK_NUMBER(kCuAssert, CUDA_ERROR_ASSERT);
LLMRT_CHECK_NUMBER(kCuHardwareStackError, CUDA_ERROR_HARDWARE_STACK_ERROR);
LLMRT_CHECK_NUMBER(kCuIllegalInstruction, CUDA_ERROR_ILLEGAL_INSTRUCTION);
LLMRT_CHECK_NUMBER(kCuMisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS);
LLMRT_CHECK_NUMBER(kCuInvalidAddressSpace, CUDA_ERROR_INVALID_ADDRESS_SPACE);
LLMRT_CHECK_NUMBER(kCuInvalidPc, CUDA_ERROR_INVALID_PC);
LLMRT_CHECK_NUMBER(kCuLaunchFailed, CUDA_ERROR_LAUNCH_FAILED);
LLMRT_CHECK_NUMBER(kCuTensorMemoryLeak, CUDA_ERROR_TENSOR_MEMORY_LEAK);
LLMRT_CHECK_NUMBER(kCuExternalDevice, CUDA_ERROR_EXTERNAL_DEVICE);
LLMRT_CHECK_NUMBER(kCuNvlinkUncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE);
LLMRT_CHECK_NUMBER(kCuUnknown, CUDA_ERROR_UNKNOWN);
LLMRT_CHECK_NUMBER(kCuAttributeMultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
LLMRT_CHECK_NUMBER(kCuAttributeComputeCapabilityMajor,
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
LLMRT_CHECK_NUMBER(kCuAttributeComputeCapabilityMinor,
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
LLMRT_CHECK_NUMBER(kCuAttributeL2CacheBytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
LLMRT_CHECK_NUMBER(kCuAttributeMaxSharedBytesPerBlockOptin,
                   CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
LLMRT_CHECK_NUMBER(kCuFunctionSharedBytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
LLMRT_CHECK_NUMBER(kCuFunctionLocalBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
LLMRT_CHECK_NUMBER(kCuFunctionRegisters, CU_FUNC_ATTRIBUTE_NUM_REGS);
LLMRT_CHECK_NUMBER(kCuFunctionMaxDynamicSharedBytes,
                   CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
LLMRT_CHECK_NUMBER(kCuStreamNonBlocking, CU_STREAM_NON_BLOCKING);
LLMRT_CHECK_NUMBER(kCuEventDefault, CU_EVENT_DEFAULT);
LLMRT_CHECK_NUMBER(kCuEventDisableTiming, CU_EVENT_DISABLE_TIMING);
LLMRT_CHECK_NUMBER(kCuCaptureModeThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
LLMRT_CHECK_NUMBER(kCuLaunchProgrammaticStreamSerialization,
                   CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
#undef LLMRT_CHECK_NUMBER

#define LLMRT_CHECK_FIELD(ours, our_field, theirs, their_field)               \
  static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field) && \
                    sizeof(ours::our_field) == sizeof(theirs::their_field),   \
                #theirs "." #their_field " lies elsewhere")
LLMRT_CHECK_FIELD(CuLaunchConfig, grid_x, CUlaunchConfig, gridDimX);
LLMRT_CHECK_FIELD(CuLaunchConfig, grid_y, CUlaunchConfig, gridDimY);
LLMRT_CHECK_FIELD(CuLaunchConfig, grid_z, CUlaunchConfig, gridDimZ);
LLMRT_CHECK_FIELD(CuLaunchConfig, block_x, CUlaunchConfig, blockDimX);
LLMRT_CHECK_FIELD(CuLaunchConfig, block_y, CUlaunchConfig, blockDimY);
LLMRT_CHECK_FIELD(CuLaunchConfig, block_z, CUlaunchConfig, blockDimZ);
LLMRT_CHECK_FIELD(CuLaunchConfig, shared_bytes, CUlaunchConfig, sharedMemBytes);
LLMRT_CHECK_FIELD(CuLaunchConfig, stream, CUlaunchConfig, hStream);
LLMRT_CHECK_FIELD(CuLaunchConfig, attributes, CUlaunchConfig, attrs);
LLMRT_CHECK_FIELD(CuLaunchConfig, num_attributes, CUlaunchConfig, numAttrs);
LLMRT_CHECK_FIELD(CuLaunchAttribute, id, CUlaunchAttribute, id);
LLMRT_CHECK_FIELD(CuLaunchAttribute, value, CUlaunchAttribute, value);
LLMRT_CHECK_FIELD(CuLaunchAttribute, value.programmatic_stream_serialization_allowed,
                  CUlaunchAttribute, value.programmaticStreamSerializationAllowed);
#undef LLMRT_CHECK_FIELD
static_assert(sizeof(CuLaunchConfig) == sizeof(CUlaunchConfig));
static_assert(sizeof(CuLaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(sizeof(CuDevice) == sizeof(CUdevice));

TEST(DriverTableTest, AgreesWithCudaH) {
  // What there is to check was checked by the compiler.
  EXPECT_GE(CUDA_VERSION, 11080);
}

#else

TEST(DriverTableTest, AgreesWithCudaH) { GTEST_SKIP() << "cuda.h was not found by the build"; }

#endif

TEST(DriverTableTest, FreshTableIsEmpty) {
  const DriverTable table;
#define LLMRT_CHECK_EMPTY(member, symbol, parameters) \
  EXPECT_TRUE(table.member == nullptr) << symbol;
  LLMRT_CUDA_DRIVER_ENTRIES(LLMRT_CHECK_EMPTY)
#undef LLMRT_CHECK_EMPTY
}

}  // namespace
}  // namespace llmrt::cuda
