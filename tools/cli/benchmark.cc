#include "benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "generation.h"
#include "loading.h"
#include "random_tokens.h"

namespace llmrt::cli {
namespace {

int64_t NowUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Greedy, deaf to end tokens, and never paused by a full queue.
Outcome MakeStreamOptions(int64_t generate, Options* options) {
  LLMRT_CLI_TRY(CreateOptions(LLMRT_OPTIONS_STREAM, options));
  llmrt_options* const set = options->get();
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_STREAM_MAX_TOKENS, generate)));
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_STREAM_IGNORE_EOS, 1)));
  return Check(llmrt_options_set_i64(set, LLMRT_STREAM_QUEUE_TOKENS, generate + 1));
}

Outcome CheckEnd(llmrt_stream* stream, const llmrt_stream_info& info) {
  if (info.finish_reason == LLMRT_FINISH_MAX_TOKENS) return Done();
  std::string message;
  LLMRT_CLI_TRY(GetText(
      [stream](char* buffer, int64_t capacity, int64_t* length) {
        return llmrt_stream_get_message(stream, buffer, capacity, length);
      },
      &message));
  const std::string reason = FinishReasonName(info.finish_reason);
  return Failed("a stream ended early (" + reason + ")" + (message.empty() ? "" : ": " + message));
}

}  // namespace

Outcome Benchmark::LookForInterrupt() const {
  return interrupt_.interrupted() ? Failed("interrupted") : Done();
}

Outcome Benchmark::Prepare() {
  if (vocab_size_ > 0) return Done();
  Model model;
  LLMRT_CLI_TRY(GetModel(engine_, &model));
  auto info = Sized<llmrt_model_info>();
  LLMRT_CLI_TRY(Check(llmrt_model_get_info(model.get(), &info)));
  if (info.vocab_size < 1) return Failed("the model has no vocabulary to draw tokens from");
  vocab_size_ = info.vocab_size;
  return Done();
}

Outcome Benchmark::SubmitTokens(llmrt_session* session, const std::vector<int32_t>& tokens,
                                int64_t generate, Running* running) {
  Options options;
  LLMRT_CLI_TRY(MakeStreamOptions(generate, &options));
  if (!tokens.empty()) {
    LLMRT_CLI_TRY(Check(
        llmrt_session_append_tokens(session, tokens.data(), static_cast<int64_t>(tokens.size()))));
  }
  running->submitted_us = NowUs();
  return Submit(session, options.get(), &running->stream);
}

Outcome Benchmark::WaitForAll(std::vector<Running>* streams) {
  for (Running& running : *streams) {
    running.info = Sized<llmrt_stream_info>();
    for (;;) {
      LLMRT_CLI_TRY(Check(llmrt_stream_get_info(running.stream.get(), &running.info)));
      if (running.info.state == LLMRT_STREAM_FINISHED) break;
      LLMRT_CLI_TRY(LookForInterrupt());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    LLMRT_CLI_TRY(CheckEnd(running.stream.get(), running.info));
  }
  return Done();
}

Outcome Benchmark::FillSessions(int64_t count, int64_t depth, std::vector<Session>* sessions) {
  std::vector<Running> streams(static_cast<size_t>(count));
  sessions->resize(static_cast<size_t>(count));
  for (size_t i = 0; i < sessions->size(); ++i) {
    LLMRT_CLI_TRY(LookForInterrupt());
    LLMRT_CLI_TRY(CreateSession(engine_, &(*sessions)[i]));
    if (depth == 0) continue;
    // A session's history depends on its place alone: it is not measured, so an engine that still
    // has it from the run before may use it.
    std::mt19937_64 history(1000 + i);
    LLMRT_CLI_TRY(SubmitTokens((*sessions)[i].get(), RandomTokens(history, vocab_size_, depth), 1,
                               &streams[i]));
  }
  return depth == 0 ? Done() : WaitForAll(&streams);
}

Outcome Benchmark::MeasurePrefill(const BenchmarkCase& what, double* tokens_per_second) {
  std::vector<Session> sessions;
  LLMRT_CLI_TRY(FillSessions(1, what.depth, &sessions));
  std::vector<Running> streams(1);
  // The token that the history's stream drew is not in the KV cache yet: it is the first of these.
  const int64_t drawn = what.depth > 0 ? 1 : 0;
  LLMRT_CLI_TRY(SubmitTokens(
      sessions[0].get(), RandomTokens(random_, vocab_size_, what.prompt - drawn), 1, &streams[0]));
  LLMRT_CLI_TRY(WaitForAll(&streams));
  const double seconds = static_cast<double>(std::max<int64_t>(streams[0].info.ttft_us, 1)) / 1e6;
  *tokens_per_second = static_cast<double>(what.prompt) / seconds;
  return Done();
}

Outcome Benchmark::MeasureDecode(const BenchmarkCase& what, double* tokens_per_second) {
  std::vector<Session> sessions;
  LLMRT_CLI_TRY(FillSessions(what.batch, std::max<int64_t>(what.depth, 1), &sessions));
  std::vector<Running> streams(sessions.size());
  for (size_t i = 0; i < sessions.size(); ++i) {
    LLMRT_CLI_TRY(LookForInterrupt());
    LLMRT_CLI_TRY(SubmitTokens(sessions[i].get(), {}, what.generated, &streams[i]));
  }
  LLMRT_CLI_TRY(WaitForAll(&streams));
  int64_t start_us = 0;
  int64_t end_us = 0;
  for (const Running& running : streams) {
    start_us = std::max(start_us, running.submitted_us + running.info.ttft_us);
    end_us = std::max(end_us, running.submitted_us + running.info.total_us);
  }
  // The last stream to begin took generated - 1 steps from its first token on. Whoever began some
  // steps before it has that many tokens less to give after the start.
  const double after_first = static_cast<double>(what.generated - 1);
  const double microseconds = static_cast<double>(std::max<int64_t>(end_us - start_us, 1));
  double tokens = 0;
  for (const Running& running : streams) {
    const auto early_us = static_cast<double>(start_us - running.submitted_us) -
                          static_cast<double>(running.info.ttft_us);
    tokens += std::max(0.0, after_first - std::round(early_us * after_first / microseconds));
  }
  *tokens_per_second = tokens / (microseconds / 1e6);
  return Done();
}

Outcome Benchmark::WarmUp() {
  double ignored = 0;
  LLMRT_CLI_TRY(Measure({.prefill = true, .prompt = 2}, &ignored));
  return Measure({.generated = 2}, &ignored);
}

Outcome Benchmark::Measure(const BenchmarkCase& what, double* tokens_per_second) {
  LLMRT_CLI_TRY(Prepare());
  LLMRT_CLI_TRY(what.prefill ? MeasurePrefill(what, tokens_per_second)
                             : MeasureDecode(what, tokens_per_second));
  // A short case may be over before anybody waited for it.
  return LookForInterrupt();
}

int64_t PositionsOf(const BenchmarkCase& what) {
  const int64_t depth = what.prefill ? what.depth : std::max<int64_t>(what.depth, 1);
  return depth + what.prompt + what.generated + 1;
}

Outcome OperationsModel::Of(llmrt_model* model, OperationsModel* operations) {
  auto info = Sized<llmrt_model_info>();
  LLMRT_CLI_TRY(Check(llmrt_model_get_info(model, &info)));
  double embedding = 0;  // multiplied with, too, where there is no output matrix of its own
  for (int64_t i = 0; i < info.num_tensors; ++i) {
    std::string name;
    LLMRT_CLI_TRY(GetText(
        [model, i](char* buffer, int64_t capacity, int64_t* length) {
          return llmrt_model_tensor_name(model, i, buffer, capacity, length);
        },
        &name));
    auto tensor = Sized<llmrt_tensor_info>();
    LLMRT_CLI_TRY(Check(llmrt_model_tensor_info(model, i, &tensor)));
    if (tensor.num_dims != 2) continue;
    const double elements =
        static_cast<double>(tensor.dims[0]) * static_cast<double>(tensor.dims[1]);
    if (name.starts_with("blk.")) operations->layer_weights += elements;
    if (name.ends_with(".attn_q.weight")) {
      operations->query_values += static_cast<double>(tensor.dims[1]);
    }
    if (name == "output.weight") operations->output_weights = elements;
    if (name == "token_embd.weight") embedding = elements;
  }
  if (operations->output_weights == 0) operations->output_weights = embedding;
  return Done();
}

double OperationsModel::PerToken(const BenchmarkCase& what) const {
  const auto depth = static_cast<double>(what.depth);
  const double length = static_cast<double>(what.prefill ? what.prompt : what.generated);
  // Token i of n has depth + i positions, its own included.
  const double positions = (what.prefill ? depth : std::max(depth, 1.0)) + (length + 1) / 2;
  const double outputs = what.prefill ? 1 / length : 1;
  return 2 * layer_weights + 2 * output_weights * outputs + 4 * query_values * positions;
}

double BytesModel::PerToken(const BenchmarkCase& what) const {
  const auto depth = static_cast<double>(what.depth);
  if (!what.prefill) {
    const double positions = std::max(depth, 1.0) + (static_cast<double>(what.generated) + 1) / 2;
    return weights_bytes / static_cast<double>(what.batch) + kv_bytes_per_token * positions;
  }
  double bytes = 0;
  for (int64_t first = 0; first < what.prompt; first += step_tokens) {
    const int64_t end = std::min(what.prompt, first + step_tokens);
    bytes += weights_bytes + kv_bytes_per_token * (depth + static_cast<double>(end));
  }
  return bytes / static_cast<double>(what.prompt);
}

}  // namespace llmrt::cli
