// From the host's words for a device and a numeric mode to a backend.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "backend/create_backend.h"
#include "engine/options.h"
#include "memory/large_buffer.h"

namespace llmrt::engine {

// `job_hook`, the options' own kept where it outlives the backend, is called in the host's
// floating-point mode.
// NOT_FOUND: a device that this machine lacks. FAILED_PRECONDITION: a tier that it lacks.
absl::StatusOr<std::unique_ptr<backend::Backend>> SelectBackend(const EngineOptions& options,
                                                                memory::LargeMemory& memory,
                                                                const backend::JobHook& job_hook);

// The KV type in use: `reference` numerics keep KV in float32 whatever was asked for.
backend::KvType EffectiveKvType(const EngineOptions& options);

}  // namespace llmrt::engine
