// Kernels compiled for the host, by name. A kernel's LLMRT_KERNEL puts it here before main().
#pragma once

#include <cstddef>
#include <cstdint>

namespace llmrt::cuda_host {

struct KernelEntry {
  const char* name;
  size_t args_bytes;
  uint32_t threads_max;
  void (*run)(const void* args);  // as one thread
  const KernelEntry* next = nullptr;
};

// `entry` lives as long as the program or library that it is in.
struct KernelRegistration {
  KernelRegistration(const char* name, size_t args_bytes, uint32_t threads_max,
                     void (*run)(const void*));
  KernelEntry entry;
};

// Null if there is none of that name.
const KernelEntry* FindKernel(const char* name);

}  // namespace llmrt::cuda_host
