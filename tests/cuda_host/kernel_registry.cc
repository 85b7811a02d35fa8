#include "cuda_host/kernel_registry.h"

#include <cstring>

namespace llmrt::cuda_host {
namespace {

const KernelEntry* first_kernel = nullptr;  // set before main(), constant from then on

}  // namespace

KernelRegistration::KernelRegistration(const char* name, size_t args_bytes, uint32_t threads_max,
                                       void (*run)(const void*))
    : entry{name, args_bytes, threads_max, run, first_kernel} {
  first_kernel = &entry;
}

const KernelEntry* FindKernel(const char* name) {
  for (const KernelEntry* entry = first_kernel; entry != nullptr; entry = entry->next) {
    if (std::strcmp(entry->name, name) == 0) return entry;
  }
  return nullptr;
}

}  // namespace llmrt::cuda_host
