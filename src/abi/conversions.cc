#include "abi/conversions.h"

#include <limits>

#include "abi/status.h"
#include "absl/strings/str_cat.h"

namespace llmrt::abi {
namespace {

// Enumerations cross by their values.
template <typename Theirs, typename Ours>
constexpr bool Same(Theirs theirs, Ours ours) {
  return static_cast<int>(theirs) == static_cast<int>(ours);
}
int64_t Micros(double us) { return static_cast<int64_t>(us); }

static_assert(Same(engine::LoadPhase::kHeader, LLMRT_LOAD_HEADER));
static_assert(Same(engine::LoadPhase::kWeights, LLMRT_LOAD_WEIGHTS));
static_assert(Same(engine::LoadPhase::kReady, LLMRT_LOAD_READY));
static_assert(Same(engine::LoadPhase::kFailed, LLMRT_LOAD_FAILED));
static_assert(Same(engine::LoadPhase::kClosed, LLMRT_LOAD_CLOSED));
static_assert(Same(engine::LogLevel::kError, LLMRT_LOG_ERROR));
static_assert(Same(engine::LogLevel::kWarning, LLMRT_LOG_WARNING));
static_assert(Same(engine::LogLevel::kInfo, LLMRT_LOG_INFO));
static_assert(Same(engine::LogLevel::kDebug, LLMRT_LOG_DEBUG));
static_assert(Same(engine::Phase::kQueued, LLMRT_STREAM_QUEUED));
static_assert(Same(engine::Phase::kPrefill, LLMRT_STREAM_PREFILL));
static_assert(Same(engine::Phase::kDecode, LLMRT_STREAM_DECODE));
static_assert(Same(engine::Phase::kPaused, LLMRT_STREAM_PAUSED));
static_assert(Same(engine::Phase::kFinished, LLMRT_STREAM_FINISHED));
static_assert(Same(engine::FinishReason::kNone, LLMRT_FINISH_NONE));
static_assert(Same(engine::FinishReason::kStopToken, LLMRT_FINISH_STOP_TOKEN));
static_assert(Same(engine::FinishReason::kStopString, LLMRT_FINISH_STOP_STRING));
static_assert(Same(engine::FinishReason::kMaxTokens, LLMRT_FINISH_MAX_TOKENS));
static_assert(Same(engine::FinishReason::kContextFull, LLMRT_FINISH_CONTEXT_FULL));
static_assert(Same(engine::FinishReason::kCancelled, LLMRT_FINISH_CANCELLED));
static_assert(Same(engine::FinishReason::kEngineClosed, LLMRT_FINISH_ENGINE_CLOSED));
static_assert(Same(engine::FinishReason::kError, LLMRT_FINISH_ERROR));

// Parameters of all tensors. A tensor's dimensions multiply to at most 2^63 - 1 (its bytes fit),
// the sum of hostile ones might not: it saturates.
int64_t CountParameters(const formats::ModelFile& file) {
  int64_t sum = 0;
  for (const formats::TensorInfo& tensor : file.tensors()) {
    const int64_t values = tensor.cols() * tensor.rows();
    const int64_t room = std::numeric_limits<int64_t>::max() - sum;
    sum += values < room ? values : room;
  }
  return sum;
}

// 0 where the file does not say.
int64_t ContextLength(const formats::ModelFile& file) {
  const absl::StatusOr<std::string> architecture = file.GetString("general.architecture", "");
  if (!architecture.ok()) return 0;
  return file.GetInt(absl::StrCat(*architecture, ".context_length"), 0).value_or(0);
}

}  // namespace

absl::StatusOr<engine::EngineOptions> EngineOptionsOf(llmrt_options* options) {
  if (options == nullptr) return engine::EngineOptions();
  ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
  return object->ToEngineOptions();
}

absl::StatusOr<engine::SessionOptions> SessionOptionsOf(llmrt_options* options) {
  if (options == nullptr) return engine::SessionOptions();
  ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
  return object->ToSessionOptions();
}

absl::StatusOr<engine::StreamOptions> StreamOptionsOf(llmrt_options* options) {
  if (options == nullptr) return engine::StreamOptions();
  ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
  return object->ToStreamOptions();
}

absl::StatusOr<text::EncodeOptions> ToEncodeOptions(int32_t flags) {
  if ((flags & ~(LLMRT_TEXT_PLAIN | LLMRT_TEXT_PARSE_SPECIAL)) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "text flags are ", flags, "; flags are 0 to 3; pass a combination of LLMRT_TEXT_ bits"));
  }
  return text::EncodeOptions{.add_special = (flags & LLMRT_TEXT_PLAIN) == 0,
                             .parse_special = (flags & LLMRT_TEXT_PARSE_SPECIAL) != 0};
}

llmrt_model_info ToModelInfo(const engine::Model& model) {
  const formats::ModelFile& file = model.file();
  llmrt_model_info info = {};
  info.vocab_size = static_cast<int32_t>(model.vocab_size());
  info.num_metadata = static_cast<int64_t>(file.metadata().size());
  info.num_tensors = static_cast<int64_t>(file.tensors().size());
  info.num_parameters = CountParameters(file);
  info.file_bytes = file.file_bytes();
  info.context_length = ContextLength(file);
  const absl::StatusOr<const text::Tokenizer*> tokenizer = model.tokenizer();
  info.bos_id = tokenizer.ok() ? (*tokenizer)->bos_id() : -1;
  info.eos_id = tokenizer.ok() ? (*tokenizer)->eos_id() : -1;
  info.eot_id = tokenizer.ok() ? (*tokenizer)->eot_id() : -1;
  return info;
}

llmrt_plan ToPlan(const engine::Plan& plan) {
  llmrt_plan out = {};
  out.block_size = plan.block_size;
  out.weights_bytes = plan.weights_bytes;
  out.kv_bytes_per_token = plan.kv_bytes_per_token;
  out.kv_blocks = plan.kv_blocks;
  out.kv_bytes = plan.kv_bytes;
  out.workspace_bytes = plan.workspace_bytes;
  out.total_bytes = plan.total_bytes;
  out.context_length = plan.context_length;
  out.read_bandwidth_bytes_per_second = plan.read_bandwidth_bytes_per_second;
  out.decode_tokens_per_second_ceiling = plan.decode_tokens_per_second_ceiling;
  out.heap_bytes = plan.heap_bytes;
  out.overhead_bytes = plan.overhead_bytes;
  return out;
}

llmrt_load_info ToLoadInfo(const engine::LoadInfo& load) {
  llmrt_load_info out = {};
  out.phase = static_cast<int32_t>(load.phase);
  out.status = StatusCode(load.status);
  out.fraction = load.fraction;
  return out;
}

llmrt_engine_info ToEngineInfo(const engine::EngineInfo& engine) {
  llmrt_engine_info out = {};
  out.num_sessions = engine.num_sessions;
  out.num_streams = engine.num_streams;
  out.threads = engine.threads;
  out.blocks_total = engine.blocks_total;
  out.blocks_used = engine.blocks_used;
  out.memory_used_bytes = engine.memory_used_bytes;
  out.memory_peak_bytes = engine.memory_peak_bytes;
  out.heap_bytes = engine.heap_bytes;
  out.steps = engine.totals.steps;
  out.tokens_prefilled = engine.totals.prefilled;
  out.tokens_generated = engine.totals.generated;
  out.blocks_cached = engine.blocks_cached;
  out.blocks_free = engine.blocks_free;
  out.tokens_stored = engine.tokens_stored;
  out.preemptions = engine.preemptions;
  out.tokens_recomputed = engine.tokens_recomputed;
  out.kv_slots_sum = engine.totals.kv_slots;
  out.kv_tokens_sum = engine.totals.kv_tokens;
  out.step_us = Micros(engine.totals.plan_us + engine.totals.pass_us + engine.totals.draw_us +
                       engine.totals.commit_us);
  out.plan_us = Micros(engine.totals.plan_us);
  out.run_us = Micros(engine.totals.pass_us);
  out.draw_us = Micros(engine.totals.draw_us);
  out.commit_us = Micros(engine.totals.commit_us);
  out.rows_sum = engine.totals.rows;
  out.streams_running = engine.streams_running;
  out.streams_waiting = engine.streams_waiting;
  out.tokens_drafted = engine.totals.drafted;
  out.tokens_accepted = engine.totals.accepted;
  out.draft_us = Micros(engine.totals.draft_us);
  return out;
}

llmrt_step_info ToStepInfo(const engine::StepInfo& step) {
  llmrt_step_info out = {};
  out.work_remains = step.work_remains ? 1 : 0;
  out.elapsed_us = step.elapsed_us;
  out.tokens_committed = step.tokens_committed;
  return out;
}

llmrt_log_info ToLogInfo(const engine::LogRecord& record) {
  llmrt_log_info out = {};
  out.level = static_cast<int32_t>(record.level);
  out.sequence = record.sequence;
  out.time_us = record.time_us;
  return out;
}

llmrt_session_info ToSessionInfo(const engine::SessionInfo& session) {
  llmrt_session_info out = {};
  out.stream_in_flight = session.stream_in_flight ? 1 : 0;
  out.num_tokens = session.num_tokens;
  out.num_pending = session.num_pending;
  out.num_cached = session.num_cached;
  out.context_length = session.context_length;
  return out;
}

llmrt_read_result ToReadResult(const engine::ReadResult& read) {
  llmrt_read_result out = {};
  out.finish_reason = static_cast<int32_t>(read.finish_reason);
  out.status = StatusCode(read.status);
  out.num_tokens = read.num_tokens;
  out.text_bytes = read.text_bytes;
  out.first_token = read.first_token;
  return out;
}

llmrt_stream_info ToStreamInfo(const engine::StreamInfo& stream) {
  llmrt_stream_info out = {};
  out.state = static_cast<int32_t>(stream.phase);
  out.finish_reason = static_cast<int32_t>(stream.finish_reason);
  out.status = StatusCode(stream.status);
  out.seed = static_cast<int64_t>(stream.seed);
  out.prompt_tokens = stream.prompt_tokens;
  out.cached_tokens = stream.cached_tokens;
  out.generated_tokens = stream.generated_tokens;
  out.queue_us = stream.queue_us;
  out.ttft_us = stream.ttft_us;
  out.total_us = stream.total_us;
  out.tpot_us = stream.tpot_us;
  out.preemptions = stream.preemptions;
  out.tokens_recomputed = stream.tokens_recomputed;
  out.drafted = stream.drafted;
  out.accepted = stream.accepted;
  out.steps = stream.steps;
  return out;
}

}  // namespace llmrt::abi
