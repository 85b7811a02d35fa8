// Every entry point of the CUDA driver that llmrt calls, as one table of function pointers: loaded
// from the driver's library on a machine that has one, and the one place where tests put another
// driver or a failing call.
#pragma once

#include "cuda/driver/driver_types.h"

namespace llmrt::cuda {

// X(member, the driver's symbol, parameters). All return CUresult.
#define LLMRT_CUDA_DRIVER_ENTRIES(X)                                                          \
  X(init, "cuInit", (unsigned flags))                                                         \
  X(driver_version, "cuDriverGetVersion", (int* version))                                     \
  X(error_name, "cuGetErrorName", (CuResult error, const char** name))                        \
  X(device_count, "cuDeviceGetCount", (int* count))                                           \
  X(device_get, "cuDeviceGet", (CuDevice * device, int ordinal))                              \
  X(device_name, "cuDeviceGetName", (char* name, int length, CuDevice device))                \
  X(device_attribute, "cuDeviceGetAttribute",                                                 \
    (int* value, CuDeviceAttribute attribute, CuDevice device))                               \
  X(context_create, "cuCtxCreate_v2", (CuContext * context, unsigned flags, CuDevice device)) \
  X(context_destroy, "cuCtxDestroy_v2", (CuContext context))                                  \
  X(context_push, "cuCtxPushCurrent_v2", (CuContext context))                                 \
  X(context_pop, "cuCtxPopCurrent_v2", (CuContext * context))                                 \
  X(context_device, "cuCtxGetDevice", (CuDevice * device))                                    \
  X(memory_info, "cuMemGetInfo_v2", (size_t * free, size_t * total))                          \
  X(allocate, "cuMemAlloc_v2", (CuDevicePointer * pointer, size_t bytes))                     \
  X(release, "cuMemFree_v2", (CuDevicePointer pointer))                                       \
  X(allocate_host, "cuMemHostAlloc", (void** pointer, size_t bytes, unsigned flags))          \
  X(release_host, "cuMemFreeHost", (void* pointer))                                           \
  X(copy_to_device, "cuMemcpyHtoDAsync_v2",                                                   \
    (CuDevicePointer to, const void* from, size_t bytes, CuStream stream))                    \
  X(copy_to_host, "cuMemcpyDtoHAsync_v2",                                                     \
    (void* to, CuDevicePointer from, size_t bytes, CuStream stream))                          \
  X(copy_on_device, "cuMemcpyDtoDAsync_v2",                                                   \
    (CuDevicePointer to, CuDevicePointer from, size_t bytes, CuStream stream))                \
  X(fill, "cuMemsetD8Async",                                                                  \
    (CuDevicePointer pointer, unsigned char value, size_t count, CuStream stream))            \
  X(module_load, "cuModuleLoadData", (CuModule * module, const void* image))                  \
  X(module_unload, "cuModuleUnload", (CuModule module))                                       \
  X(module_function, "cuModuleGetFunction",                                                   \
    (CuFunction * function, CuModule module, const char* name))                               \
  X(function_attribute, "cuFuncGetAttribute",                                                 \
    (int* value, CuFunctionAttribute attribute, CuFunction function))                         \
  X(set_function_attribute, "cuFuncSetAttribute",                                             \
    (CuFunction function, CuFunctionAttribute attribute, int value))                          \
  X(launch, "cuLaunchKernelEx",                                                               \
    (const CuLaunchConfig* config, CuFunction function, void** arguments, void** extra))      \
  X(stream_create, "cuStreamCreate", (CuStream * stream, unsigned flags))                     \
  X(stream_destroy, "cuStreamDestroy_v2", (CuStream stream))                                  \
  X(stream_synchronize, "cuStreamSynchronize", (CuStream stream))                             \
  X(stream_query, "cuStreamQuery", (CuStream stream))                                         \
  X(begin_capture, "cuStreamBeginCapture_v2", (CuStream stream, int mode))                    \
  X(end_capture, "cuStreamEndCapture", (CuStream stream, CuGraph * graph))                    \
  X(graph_instantiate, "cuGraphInstantiateWithFlags",                                         \
    (CuGraphExec * exec, CuGraph graph, unsigned long long flags))                            \
  X(graph_upload, "cuGraphUpload", (CuGraphExec exec, CuStream stream))                       \
  X(graph_launch, "cuGraphLaunch", (CuGraphExec exec, CuStream stream))                       \
  X(graph_exec_destroy, "cuGraphExecDestroy", (CuGraphExec exec))                             \
  X(graph_destroy, "cuGraphDestroy", (CuGraph graph))                                         \
  X(event_create, "cuEventCreate", (CuEvent * event, unsigned flags))                         \
  X(event_destroy, "cuEventDestroy_v2", (CuEvent event))                                      \
  X(event_record, "cuEventRecord", (CuEvent event, CuStream stream))                          \
  X(event_query, "cuEventQuery", (CuEvent event))                                             \
  X(event_synchronize, "cuEventSynchronize", (CuEvent event))                                 \
  X(event_elapsed, "cuEventElapsedTime", (float* milliseconds, CuEvent start, CuEvent end))

struct DriverTable {
#define LLMRT_CUDA_DRIVER_MEMBER(member, symbol, parameters) CuResult(*member) parameters = nullptr;
  LLMRT_CUDA_DRIVER_ENTRIES(LLMRT_CUDA_DRIVER_MEMBER)
#undef LLMRT_CUDA_DRIVER_MEMBER
};

}  // namespace llmrt::cuda
