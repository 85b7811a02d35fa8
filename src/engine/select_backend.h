// From the host's words for a device and a numeric mode to a backend.
#pragma once

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "backend/create_backend.h"
#include "engine/options.h"
#include "formats/model_file.h"
#include "memory/large_buffer.h"

namespace llmrt::engine {

// Calls `use` with the options for a device; where options.device is "auto", first for CUDA's first
// device and, if that fails in a way in which the CPU need not, for the CPU. What failed must have
// left nothing behind. Mode `reference` is the CPU's alone. A device that cannot run the weights of
// `file` is not even opened: that takes time and memory of its own.
//
// The last status; `why_not` is why an earlier device would not do, and OK where none was tried.
absl::Status UseFirstDevice(const EngineOptions& options, const formats::ModelFile& file,
                            absl::FunctionRef<absl::Status(const EngineOptions&)> use,
                            absl::Status& why_not);

// The backend of options.device, "auto" being the CPU here. `job_hook`, the options' own kept where
// it outlives the backend, is called in the host's floating-point mode; only the CPU has use for
// it, for `threads` and for `tier`. NOT_FOUND: a device that this machine lacks, or its plugin.
// FAILED_PRECONDITION: a tier that it lacks, a plugin of another build. INVALID_ARGUMENT: no
// device's name.
absl::StatusOr<std::unique_ptr<backend::Backend>> SelectBackend(const EngineOptions& options,
                                                                memory::LargeMemory& memory,
                                                                const backend::JobHook& job_hook);

// The KV type in use: `reference` numerics keep KV in float32 whatever was asked for.
backend::KvType EffectiveKvType(const EngineOptions& options);

}  // namespace llmrt::engine
