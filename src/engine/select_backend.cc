#include "engine/select_backend.h"

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "backend/create_backend.h"
#include "backend/device_lost.h"
#include "engine/host_fp_mode.h"
#include "model/llama_weights.h"

namespace llmrt::engine {
namespace {

// "cuda" is "cuda:0".
std::optional<int32_t> CudaIndex(std::string_view device) {
  if (!absl::ConsumePrefix(&device, "cuda")) return std::nullopt;
  if (device.empty()) return 0;
  int32_t index = 0;
  const bool numbered = absl::ConsumePrefix(&device, ":") && !device.empty() &&
                        device.find_first_not_of("0123456789") == device.npos &&
                        absl::SimpleAtoi(device, &index);
  return numbered ? std::optional<int32_t>(index) : std::nullopt;
}

absl::StatusOr<std::unique_ptr<backend::Backend>> SelectCuda(const EngineOptions& options,
                                                             int32_t index,
                                                             memory::LargeMemory& memory) {
  absl::StatusOr<std::unique_ptr<backend::Backend>> backend =
      backend::CreatePluginBackend({.memory = &memory,
                                    .numerics = options.numerics,
                                    .device_index = index,
                                    .folder = options.plugin_folder,
                                    .context = options.cuda_context,
                                    .stream = options.cuda_stream});
  if (backend.ok() || backend::IsDeviceLost(backend.status())) return backend;
  const std::string_view reason = backend.status().message();
  return absl::Status(backend.status().code(),
                      absl::StrCat("device '", options.device, "' cannot be used: ", reason,
                                   absl::StrContains(reason, "cpu") ? "" : "; use cpu"));
}

// What the model, the source or the host is to blame for would fail on any device.
bool OtherDeviceMayDo(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::Status UseFirstDevice(const EngineOptions& options, const formats::ModelFile& file,
                            absl::FunctionRef<absl::Status(const EngineOptions&)> use,
                            absl::Status& why_not) {
  why_not = absl::OkStatus();
  if (options.device != "auto") return use(options);
  EngineOptions chosen = options;
  if (options.numerics != backend::NumericMode::kReference) {
    chosen.device = "cuda:0";
    absl::Status status = model::CheckWeightTypes(file, backend::PluginRunsWeights, chosen.device);
    if (status.ok()) status = use(chosen);
    if (!OtherDeviceMayDo(status)) return status;
    why_not = std::move(status);
  }
  chosen.device = "cpu";
  return use(chosen);
}

absl::StatusOr<std::unique_ptr<backend::Backend>> SelectBackend(const EngineOptions& options,
                                                                memory::LargeMemory& memory,
                                                                const backend::JobHook& job_hook) {
  if (const std::optional<int32_t> index = CudaIndex(options.device)) {
    return SelectCuda(options, *index, memory);
  }
  if (options.device != "auto" && options.device != "cpu") {
    return absl::InvalidArgumentError(
        absl::StrCat("device is '", options.device, "'; it is auto, cpu, cuda or cuda:N"));
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
