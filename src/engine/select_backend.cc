#include "engine/select_backend.h"

#include "absl/strings/str_cat.h"
#include "backend/create_backend.h"
#include "engine/host_fp_mode.h"

namespace llmrt::engine {

absl::StatusOr<std::unique_ptr<backend::Backend>> SelectBackend(const EngineOptions& options,
                                                                memory::LargeMemory& memory,
                                                                const backend::JobHook& job_hook) {
  if (options.device != "auto" && options.device != "cpu") {
    return absl::NotFoundError(
        absl::StrCat("device '", options.device, "' is not on this machine; use auto or cpu"));
  }
  backend::BackendOptions backend_options;
  backend_options.memory = &memory;
  backend_options.numerics = options.numerics;
  backend_options.threads = options.threads;
  backend_options.tier = options.tier;
  backend_options.job_hook = InHostFpMode(job_hook);
  return options.numerics == backend::NumericMode::kReference
             ? backend::CreateReferenceBackend(backend_options)
             : backend::CreateCpuBackend(backend_options);
}

backend::KvType EffectiveKvType(const EngineOptions& options) {
  return options.numerics == backend::NumericMode::kReference ? backend::KvType::kF32
                                                              : options.kv_type;
}

}  // namespace llmrt::engine
