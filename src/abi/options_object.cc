#include "abi/options_object.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace llmrt::abi {
namespace {

// Host bytes need not be aligned.
template <typename T>
T ReadAs(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::vector<std::pair<int32_t, float>> ParseLogitBias(std::string_view bytes) {
  std::vector<std::pair<int32_t, float>> pairs;
  for (size_t offset = 0; offset < bytes.size(); offset += 8) {
    pairs.emplace_back(ReadAs<int32_t>(bytes, offset), ReadAs<float>(bytes, offset + 4));
  }
  return pairs;
}

std::vector<int32_t> ParseTokenIds(std::string_view bytes) {
  std::vector<int32_t> ids;
  for (size_t offset = 0; offset < bytes.size(); offset += 4) {
    ids.push_back(ReadAs<int32_t>(bytes, offset));
  }
  return ids;
}

std::vector<std::string> ParseStrings(std::string_view bytes) {
  std::vector<std::string> strings;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\0');  // CheckValue saw to it that there is one.
    strings.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(end + 1);
  }
  return strings;
}

}  // namespace

absl::StatusOr<const OptionRow*> OptionsObject::FindRow(int32_t key, ValueType type) const {
  absl::StatusOr<const OptionRow*> row = FindOption(key, type);
  if (row.ok() && KindOfKey(key) != kind_) {
    return absl::UnimplementedError(absl::StrCat((*row)->name, " is a key of ",
                                                 KindName(KindOfKey(key)), " options; these are ",
                                                 KindName(kind_), " options; set it there"));
  }
  return row;
}

absl::Status OptionsObject::SetI64(int32_t key, int64_t value) {
  absl::StatusOr<const OptionRow*> row = FindRow(key, ValueType::kI64);
  if (!row.ok()) return row.status();
  if (absl::Status status = CheckValue(**row, value); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  values_[key] = value;
  return absl::OkStatus();
}

absl::Status OptionsObject::SetF64(int32_t key, double value) {
  absl::StatusOr<const OptionRow*> row = FindRow(key, ValueType::kF64);
  if (!row.ok()) return row.status();
  if (absl::Status status = CheckValue(**row, value); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  values_[key] = value;
  return absl::OkStatus();
}

absl::Status OptionsObject::SetBytes(int32_t key, std::string_view bytes) {
  absl::StatusOr<const OptionRow*> row = FindRow(key, ValueType::kBytes);
  if (!row.ok()) return row.status();
  if (absl::Status status = CheckValue(**row, bytes); !status.ok()) return status;
  std::string copy(bytes);  // Before the lock: what may fail changes nothing.
  const std::lock_guard lock(mutex_);
  values_[key] = std::move(copy);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> OptionsObject::GetI64(int32_t key) const {
  absl::StatusOr<const OptionRow*> row = FindRow(key, ValueType::kI64);
  if (!row.ok()) return row.status();
  const std::lock_guard lock(mutex_);
  if (key == LLMRT_STREAM_SEED && values_.find(key) == values_.end()) {
    return absl::NotFoundError(
        "LLMRT_STREAM_SEED was not set; a stream draws its own; read it from llmrt_stream_info");
  }
  return I64(key);
}

absl::StatusOr<double> OptionsObject::GetF64(int32_t key) const {
  absl::StatusOr<const OptionRow*> row = FindRow(key, ValueType::kF64);
  if (!row.ok()) return row.status();
  const std::lock_guard lock(mutex_);
  return F64(key);
}

absl::StatusOr<std::string> OptionsObject::GetBytes(int32_t key) const {
  absl::StatusOr<const OptionRow*> row = FindRow(key, ValueType::kBytes);
  if (!row.ok()) return row.status();
  const std::lock_guard lock(mutex_);
  return Bytes(key);
}

absl::Status OptionsObject::SetMemoryHooks(const memory::HostHooks& hooks) {
  if (kind_ != LLMRT_OPTIONS_ENGINE) {
    return absl::UnimplementedError(absl::StrCat("these are ", KindName(kind_),
                                                 " options; memory hooks belong to engine options; "
                                                 "set them there"));
  }
  if ((hooks.allocate == nullptr) != (hooks.release == nullptr)) {
    return absl::InvalidArgumentError(
        absl::StrCat(hooks.allocate == nullptr ? "allocate" : "release",
                     " is NULL and the other hook is not; both or none; pass both, or NULL twice"));
  }
  const std::lock_guard lock(mutex_);
  hooks_ = hooks;
  return absl::OkStatus();
}

absl::Status OptionsObject::SetJobHook(const backend::JobHook& hook) {
  if (kind_ != LLMRT_OPTIONS_ENGINE) {
    return absl::UnimplementedError(absl::StrCat("these are ", KindName(kind_),
                                                 " options; a job hook belongs to engine options; "
                                                 "set it there"));
  }
  const std::lock_guard lock(mutex_);
  job_hook_ = hook;
  return absl::OkStatus();
}

absl::Status OptionsObject::SetDrafter(const speculation::HostDraft& drafter) {
  if (kind_ != LLMRT_OPTIONS_STREAM) {
    return absl::UnimplementedError(absl::StrCat("these are ", KindName(kind_),
                                                 " options; a drafter belongs to stream options; "
                                                 "set it there"));
  }
  const std::lock_guard lock(mutex_);
  drafter_ = drafter;
  return absl::OkStatus();
}

absl::Status OptionsObject::CheckKind(int32_t wanted) const {
  if (kind_ == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("these are ", KindName(kind_), " options; ",
                                                 KindName(wanted),
                                                 " options are needed; pass such ones or NULL"));
}

int64_t OptionsObject::I64(int32_t key) const {
  const auto found = values_.find(key);
  return found != values_.end() ? std::get<int64_t>(found->second) : FindOption(key)->i64.standard;
}

double OptionsObject::F64(int32_t key) const {
  const auto found = values_.find(key);
  return found != values_.end() ? std::get<double>(found->second) : FindOption(key)->f64.standard;
}

std::string OptionsObject::Bytes(int32_t key) const {
  const auto found = values_.find(key);
  return found != values_.end() ? std::get<std::string>(found->second)
                                : std::string(FindOption(key)->standard_bytes);
}

template <typename Enum>
Enum OptionsObject::Word(int32_t key) const {
  const std::string word = Bytes(key);
  const absl::Span<const std::string_view> words = FindOption(key)->words;
  size_t index = 0;
  while (index + 1 < words.size() && words[index] != word) ++index;
  return static_cast<Enum>(index);
}

absl::StatusOr<engine::EngineOptions> OptionsObject::ToEngineOptions() const {
  if (absl::Status status = CheckKind(LLMRT_OPTIONS_ENGINE); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  engine::EngineOptions options;
  options.device = Bytes(LLMRT_ENGINE_DEVICE);
  options.threads = static_cast<int32_t>(I64(LLMRT_ENGINE_THREADS));
  options.memory_budget_bytes = I64(LLMRT_ENGINE_MEMORY_BUDGET_BYTES);
  options.context_length = I64(LLMRT_ENGINE_CONTEXT_LENGTH);
  options.sessions = static_cast<int32_t>(I64(LLMRT_ENGINE_SESSIONS));
  options.kv_type = Word<backend::KvType>(LLMRT_ENGINE_KV_TYPE);
  options.numerics = Word<backend::NumericMode>(LLMRT_ENGINE_NUMERICS);
  options.tier = Word<backend::CpuTier>(LLMRT_ENGINE_TIER);
  options.use_mmap = I64(LLMRT_ENGINE_MMAP) != 0;
  options.pumped = I64(LLMRT_ENGINE_PUMPED) != 0;
  options.block_size = static_cast<int32_t>(I64(LLMRT_ENGINE_BLOCK_SIZE));
  options.step_tokens = static_cast<int32_t>(I64(LLMRT_ENGINE_STEP_TOKENS));
  options.tpot_target_us = I64(LLMRT_ENGINE_TPOT_TARGET_MS) * 1000;
  options.log_level = static_cast<engine::LogLevel>(I64(LLMRT_ENGINE_LOG_LEVEL));
  options.draft_max = static_cast<int32_t>(I64(LLMRT_ENGINE_DRAFT_MAX));
  options.draft_lookup = I64(LLMRT_ENGINE_DRAFT_LOOKUP) != 0;
  options.plugin_folder = Bytes(LLMRT_ENGINE_PLUGIN_FOLDER);
  options.cuda_context = I64(LLMRT_ENGINE_CUDA_CONTEXT);
  options.cuda_stream = I64(LLMRT_ENGINE_CUDA_STREAM);
  options.memory_hooks = hooks_;
  options.job_hook = job_hook_;
  return options;
}

absl::StatusOr<engine::SessionOptions> OptionsObject::ToSessionOptions() const {
  if (absl::Status status = CheckKind(LLMRT_OPTIONS_SESSION); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  return engine::SessionOptions{.context_length = I64(LLMRT_SESSION_CONTEXT_LENGTH)};
}

absl::StatusOr<engine::StreamOptions> OptionsObject::ToStreamOptions() const {
  if (absl::Status status = CheckKind(LLMRT_OPTIONS_STREAM); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  engine::StreamOptions options;
  options.max_tokens = I64(LLMRT_STREAM_MAX_TOKENS);
  sampling::SamplingParams& sampling = options.sampling;
  sampling.temperature = static_cast<float>(F64(LLMRT_STREAM_TEMPERATURE));
  sampling.top_k = static_cast<int32_t>(I64(LLMRT_STREAM_TOP_K));
  sampling.top_p = static_cast<float>(F64(LLMRT_STREAM_TOP_P));
  sampling.min_p = static_cast<float>(F64(LLMRT_STREAM_MIN_P));
  sampling.repetition_penalty = static_cast<float>(F64(LLMRT_STREAM_REPETITION_PENALTY));
  sampling.presence_penalty = static_cast<float>(F64(LLMRT_STREAM_PRESENCE_PENALTY));
  sampling.frequency_penalty = static_cast<float>(F64(LLMRT_STREAM_FREQUENCY_PENALTY));
  sampling.penalty_window = static_cast<int32_t>(I64(LLMRT_STREAM_PENALTY_WINDOW));
  sampling.logit_bias = ParseLogitBias(Bytes(LLMRT_STREAM_LOGIT_BIAS));
  sampling.seed = static_cast<uint64_t>(I64(LLMRT_STREAM_SEED));
  sampling.sample_index = static_cast<int32_t>(I64(LLMRT_STREAM_SAMPLE_INDEX));
  sampling.logprobs = I64(LLMRT_STREAM_LOGPROBS) != 0;
  sampling.top_logprobs = static_cast<int32_t>(I64(LLMRT_STREAM_TOP_LOGPROBS));
  options.seed_given = values_.find(LLMRT_STREAM_SEED) != values_.end();
  options.stop_tokens = ParseTokenIds(Bytes(LLMRT_STREAM_STOP_TOKENS));
  options.forced_tokens = ParseTokenIds(Bytes(LLMRT_STREAM_FORCED_TOKENS));
  options.stop_strings = ParseStrings(Bytes(LLMRT_STREAM_STOP_STRINGS));
  options.ignore_eos = I64(LLMRT_STREAM_IGNORE_EOS) != 0;
  options.prompt_logprobs = I64(LLMRT_STREAM_PROMPT_LOGPROBS) != 0;
  options.raw_bytes = I64(LLMRT_STREAM_RAW_BYTES) != 0;
  options.queue_tokens = static_cast<int32_t>(I64(LLMRT_STREAM_QUEUE_TOKENS));
  options.draft_max = I64(LLMRT_STREAM_DRAFT_MAX);
  options.drafter = drafter_;
  return options;
}

}  // namespace llmrt::abi
