// Modules, functions and launches. A module's image is not looked at: every kernel that was
// compiled for the host is in every module.
#include <cstring>

#include "cuda_host/driver_state.h"

namespace llmrt::cuda_host {

int SharedBytesOptin(const Settings& settings);

namespace {

using namespace cuda;

constexpr int kRegisters = 64;

// Functions belong to a module, modules to a context.
Function* FindFunction(Entry& entry, CuFunction handle) {
  Function* function = FindObject(State().functions, IdOf(handle));
  const Module* module =
      function != nullptr ? FindObject(State().modules, function->module) : nullptr;
  return module != nullptr && module->context == entry.context_id() ? function : nullptr;
}

CuResult CheckLaunch(Entry& entry, const CuLaunchConfig& config, const Function& function) {
  const KernelEntry& kernel = *function.kernel;
  const auto refuse = [&](CuResult result, const std::string& what, uint64_t value,
                          uint64_t limit) {
    return entry.Refuse(result, std::string(kernel.name) + ": " + what + " is " +
                                    std::to_string(value) + "; the limit is " +
                                    std::to_string(limit));
  };
  if (config.grid_x == 0 || config.grid_y == 0 || config.grid_z == 0 || config.block_x == 0) {
    return entry.Refuse(kCuInvalidValue, std::string(kernel.name) + ": an empty grid or block");
  }
  if (config.grid_x > 0x7fffffffu) {
    return refuse(kCuInvalidValue, "grid x", config.grid_x, 0x7fffffffu);
  }
  if (config.grid_y > 65535) return refuse(kCuInvalidValue, "grid y", config.grid_y, 65535);
  if (config.grid_z > 65535) return refuse(kCuInvalidValue, "grid z", config.grid_z, 65535);
  if (config.block_y != 1 || config.block_z != 1 || config.block_x % kLanes != 0) {
    return entry.Refuse(kCuInvalidValue,
                        std::string(kernel.name) + ": blocks are one-dimensional, whole warps");
  }
  if (config.block_x > kThreadsMax) {
    return refuse(kCuInvalidValue, "block size", config.block_x, kThreadsMax);
  }
  if (config.block_x > kernel.threads_max) {
    return refuse(kCuLaunchOutOfResources, "block size", config.block_x, kernel.threads_max);
  }
  if (config.shared_bytes > static_cast<unsigned>(function.shared_bytes_max)) {
    return refuse(kCuInvalidValue, "dynamic shared memory", config.shared_bytes,
                  static_cast<uint64_t>(function.shared_bytes_max));
  }
  return kCuSuccess;
}

}  // namespace

LLMRT_EXPORT CuResult cuModuleLoadData(CuModule* module, const void* image) {
  LLMRT_EMULATED_ENTRY(entry, "cuModuleLoadData", kUncaptured);
  if (module == nullptr || image == nullptr) return entry.Refuse(kCuInvalidValue, "null pointer");
  const HandleId id = State().NewHandle();
  State().modules[id] = {entry.context_id()};
  *module = HandleOf<CuModule>(id);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuModuleUnload(CuModule handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuModuleUnload", kUncaptured);
  if (entry.Find(State().modules, IdOf(handle)) == nullptr) return entry.result();
  std::erase_if(State().functions,
                [&](const auto& item) { return item.second.module == IdOf(handle); });
  State().modules.erase(IdOf(handle));
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuModuleGetFunction(CuFunction* function, CuModule handle, const char* name) {
  LLMRT_EMULATED_ENTRY(entry, "cuModuleGetFunction", kContext);
  if (entry.Find(State().modules, IdOf(handle)) == nullptr) return entry.result();
  if (function == nullptr || name == nullptr) return entry.Refuse(kCuInvalidValue, "null pointer");
  const KernelEntry* kernel = FindKernel(name);
  if (kernel == nullptr) return entry.Refuse(kCuNotFound, std::string("no kernel named ") + name);
  const HandleId id = State().NewHandle();
  State().functions[id] = {kernel, IdOf(handle)};
  *function = HandleOf<CuFunction>(id);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuFuncGetAttribute(int* value, CuFunctionAttribute attribute,
                                         CuFunction handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuFuncGetAttribute", kContext);
  const Function* function = FindFunction(entry, handle);
  if (function == nullptr) return entry.Refuse(kInvalidHandle, "no such function");
  if (value == nullptr) return kCuInvalidValue;
  switch (attribute) {
    case kCuFunctionSharedBytes:
    case kCuFunctionLocalBytes:
      *value = 0;
      return kCuSuccess;
    case kCuFunctionRegisters:
      *value = kRegisters;
      return kCuSuccess;
    case kCuFunctionMaxDynamicSharedBytes:
      *value = function->shared_bytes_max;
      return kCuSuccess;
  }
  return entry.Refuse(kCuInvalidValue, "an attribute that the emulation does not know");
}

LLMRT_EXPORT CuResult cuFuncSetAttribute(CuFunction handle, CuFunctionAttribute attribute,
                                         int value) {
  LLMRT_EMULATED_ENTRY(entry, "cuFuncSetAttribute", kContext);
  Function* function = FindFunction(entry, handle);
  if (function == nullptr) return entry.Refuse(kInvalidHandle, "no such function");
  if (attribute != kCuFunctionMaxDynamicSharedBytes || value < 0 ||
      value > SharedBytesOptin(State().settings)) {
    return entry.Refuse(kCuInvalidValue, "dynamic shared memory of " + std::to_string(value) +
                                             " bytes; the limit is " +
                                             std::to_string(SharedBytesOptin(State().settings)));
  }
  function->shared_bytes_max = value;
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuLaunchKernelEx(const CuLaunchConfig* config, CuFunction handle,
                                       void** arguments, void** extra) {
  LLMRT_EMULATED_ENTRY(entry, "cuLaunchKernelEx", kContext);
  const Function* function = FindFunction(entry, handle);
  if (function == nullptr) return entry.Refuse(kInvalidHandle, "no such function");
  if (config == nullptr || arguments == nullptr || arguments[0] == nullptr || extra != nullptr) {
    return entry.Refuse(kCuInvalidValue, "a launch takes one argument, by arguments[0]");
  }
  Stream* stream = StreamOf(entry, IdOf(config->stream));
  if (stream == nullptr) return entry.result();
  if (const CuResult result = CheckLaunch(entry, *config, *function); result != kCuSuccess) {
    return result;
  }
  const uint8_t* bytes = static_cast<const uint8_t*>(arguments[0]);
  Enqueue(*stream, {.kind = Operation::Kind::kLaunch,
                    .kernel = function->kernel,
                    .grid = {config->grid_x, config->grid_y, config->grid_z},
                    .threads = config->block_x,
                    .shared_bytes = config->shared_bytes,
                    .args = {bytes, bytes + function->kernel->args_bytes}});
  return kCuSuccess;
}

}  // namespace llmrt::cuda_host
