#include "cuda/driver/driver_library.h"

#include <dlfcn.h>

namespace llmrt::cuda {
namespace {

template <typename Function>
bool Find(void* library, const char* symbol, Function* out) {
  *out = reinterpret_cast<Function>(dlsym(library, symbol));
  return *out != nullptr;
}

}  // namespace

const char* OpenDriverLibrary(DriverTable* table) {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return "this machine has no CUDA driver (libcuda.so.1)";
  DriverTable found;
#define LLMRT_CUDA_DRIVER_FIND(member, symbol, parameters) \
  if (!Find(library, symbol, &found.member))               \
    return "the CUDA driver is too old: it "               \
           "lacks " symbol;
  LLMRT_CUDA_DRIVER_ENTRIES(LLMRT_CUDA_DRIVER_FIND)
#undef LLMRT_CUDA_DRIVER_FIND
  *table = found;
  return nullptr;
}

}  // namespace llmrt::cuda
