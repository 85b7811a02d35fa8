#include "engine_flags.h"

namespace llmrt::cli {
namespace {

// The library's message with the flag it is about; bounds that the user overstepped are wrong
// usage.
Outcome FlagOutcome(llmrt_status status, std::string_view flag) {
  if (status == LLMRT_STATUS_OK) return Done();
  const std::string message = std::string(flag) + ": " + LastMessage();
  return status == LLMRT_STATUS_OUT_OF_RANGE ? WrongUsage(message) : Failed(message);
}

// "auto", "cpu", "cuda" or "cuda:N": the words that --device takes on any machine.
bool IsDeviceName(const std::string& name) {
  if (name == "auto" || name == "cpu" || name == "cuda") return true;
  constexpr std::string_view kPrefix = "cuda:";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         name.find_first_not_of("0123456789", kPrefix.size()) == std::string::npos;
}

}  // namespace

Outcome SetInteger(llmrt_options* options, llmrt_option key, std::string_view flag,
                   const std::optional<int64_t>& value) {
  if (!value) return Done();
  return FlagOutcome(llmrt_options_set_i64(options, key, *value), flag);
}

Outcome SetNumber(llmrt_options* options, llmrt_option key, std::string_view flag,
                  const std::optional<double>& value) {
  if (!value) return Done();
  return FlagOutcome(llmrt_options_set_f64(options, key, *value), flag);
}

Outcome SetText(llmrt_options* options, llmrt_option key, std::string_view flag,
                const std::optional<std::string>& value) {
  if (!value) return Done();
  return FlagOutcome(
      llmrt_options_set_bytes(options, key, value->data(), static_cast<int64_t>(value->size())),
      flag);
}

void EngineFlags::AddTo(Arguments* arguments) {
  arguments->Text("--device", "auto, cpu or cuda:N", &device_);
  arguments->Integer("--threads", "compute threads; 0: one a core", &threads_);
  arguments->Choice("--kv-type", "type of the KV cache",
                    {"f32", "f16", "bf16", "int8", "int4", "fp8"}, &kv_type_);
  arguments->Integer("--memory", "most bytes of weights, KV, workspace and heap; 0: no limit",
                     &memory_bytes_);
  arguments->Choice("--numerics", "numeric mode", {"exact", "fast", "reference"}, &numerics_);
  arguments->Choice("--tier", "instruction set", {"portable", "avx2", "avx512", "vnni", "amx"},
                    &tier_);
  arguments->Text("--plugin-folder", "where libllmrt_cuda.so is; without it: beside the library",
                  &plugin_folder_);
}

Outcome EngineFlags::MakeOptions(Options* options) const {
  if (device_ && !IsDeviceName(*device_)) {
    return WrongUsage("--device is auto, cpu or cuda:N, not '" + *device_ + "'");
  }
  LLMRT_CLI_TRY(CreateOptions(LLMRT_OPTIONS_ENGINE, options));
  llmrt_options* const set = options->get();
  LLMRT_CLI_TRY(SetText(set, LLMRT_ENGINE_DEVICE, "--device", device_));
  LLMRT_CLI_TRY(SetInteger(set, LLMRT_ENGINE_THREADS, "--threads", threads_));
  LLMRT_CLI_TRY(SetText(set, LLMRT_ENGINE_KV_TYPE, "--kv-type", kv_type_));
  LLMRT_CLI_TRY(SetInteger(set, LLMRT_ENGINE_MEMORY_BUDGET_BYTES, "--memory", memory_bytes_));
  LLMRT_CLI_TRY(SetText(set, LLMRT_ENGINE_NUMERICS, "--numerics", numerics_));
  LLMRT_CLI_TRY(SetText(set, LLMRT_ENGINE_PLUGIN_FOLDER, "--plugin-folder", plugin_folder_));
  return SetText(set, LLMRT_ENGINE_TIER, "--tier", tier_);
}

}  // namespace llmrt::cli
