// Making a backend by name. Declared here so that nothing above includes an implementation's
// headers; each implementation defines its own function, and select_backend.cc in src/engine picks
// one.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "memory/large_buffer.h"

namespace llmrt::backend {

enum class CpuTier : uint8_t { kBest = 0, kPortable, kAvx2, kAvx512, kVnni, kAmx };

// A host's job system, which lends threads instead of the backend's own.
struct JobHook {
  // Has job(context) run once on another thread, soon, late or never. Not 0: it will not be run.
  int32_t (*submit)(void* user, void (*job)(void* context), void* context) = nullptr;
  void* user = nullptr;
};

struct BackendOptions {
  memory::LargeMemory* memory = nullptr;  // required; must outlive the backend
  NumericMode numerics = NumericMode::kExact;
  int32_t threads = 0;            // 0: one for each physical core that the process may use
  CpuTier tier = CpuTier::kBest;  // a tier that the machine lacks: FAILED_PRECONDITION
  JobHook job_hook;               // submit == nullptr: the backend starts threads - 1 threads
};

// A device whose backend lives in a shared library of its own.
struct PluginBackendOptions {
  memory::LargeMemory* memory = nullptr;       // required; must outlive the backend
  NumericMode numerics = NumericMode::kExact;  // fast is exact here, too
  int32_t device_index = 0;
  std::string folder;   // where the library is; empty: beside the core's file
  int64_t context = 0;  // the host's, used and not owned; 0: one of the plugin's own
  int64_t stream = 0;   // the host's, in that context
};

// Defined in src/cpu.
absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(const BackendOptions& options);
// Defined in src/ops: one plain implementation of every op, float32 throughout, KV type as asked.
absl::StatusOr<std::unique_ptr<Backend>> CreateReferenceBackend(const BackendOptions& options);
// Defined in src/plugin. NOT_FOUND: no such library or device. FAILED_PRECONDITION: a library of
// another build. UNIMPLEMENTED: numerics reference. Else what the device says.
absl::StatusOr<std::unique_ptr<Backend>> CreatePluginBackend(const PluginBackendOptions& options);
// Known before a device is opened: whether its backends multiply with matrices of this type.
bool PluginRunsWeights(WeightType type);

}  // namespace llmrt::backend
