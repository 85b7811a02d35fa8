#include "perplexity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "generation.h"
#include "loading.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

// The text's tokens behind the one that comes before all of them.
struct EvalText {
  std::vector<int32_t> tokens;
  bool bos = false;  // tokens[0] is BOS, for every window anew
};

Outcome TokenizeForEval(llmrt_engine* engine, const std::string& text, EvalText* result) {
  Model model;
  LLMRT_CLI_TRY(GetModel(engine, &model));
  std::vector<int32_t> plain;
  LLMRT_CLI_TRY(Tokenize(model.get(), text, LLMRT_TEXT_PLAIN, &plain));
  LLMRT_CLI_TRY(TokenizeOpenEnded(model.get(), text, LLMRT_TEXT_DEFAULT, &result->tokens));
  result->bos = result->tokens.size() > plain.size();
  if (result->tokens.size() >= 2) return Done();
  return Failed("the text has " + std::to_string(plain.size()) +
                " tokens; perplexity needs at least one token after another");
}

// Adds the negative log-probabilities of window[1..] to `sum`, each given those before it.
Outcome ScoreWindow(llmrt_engine* engine, llmrt_options* options, const InterruptScope& interrupt,
                    const std::vector<int32_t>& window, double* sum) {
  const auto count = static_cast<int64_t>(window.size());
  Session session;
  LLMRT_CLI_TRY(CreateSession(engine, &session));
  LLMRT_CLI_TRY(Check(llmrt_session_append_tokens(session.get(), window.data(), count)));
  Stream stream;
  LLMRT_CLI_TRY(Submit(session.get(), options, &stream));
  Generation generation;
  const auto ignore_text = [](std::string_view) { return Done(); };
  LLMRT_CLI_TRY(ReadToEnd(stream.get(), interrupt, ignore_text, &generation));
  if (generation.finish_reason == LLMRT_FINISH_CANCELLED) return Failed("interrupted");

  std::vector<float> logprobs(window.size());
  int64_t copied = 0;
  LLMRT_CLI_TRY(
      Check(llmrt_stream_prompt_logprobs(stream.get(), 0, logprobs.data(), count, &copied)));
  if (copied != count) return Failed("the library scored fewer tokens than it was given");
  for (size_t i = 1; i < logprobs.size(); ++i) *sum -= logprobs[i];
  return Done();
}

}  // namespace

Outcome MeasurePerplexity(llmrt_engine* engine, const std::string& text, const std::string& label,
                          const InterruptScope& interrupt, Perplexity* result) {
  EvalText eval;
  LLMRT_CLI_TRY(TokenizeForEval(engine, text, &eval));
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(Check(llmrt_engine_get_plan(engine, &plan)));
  Options options;
  LLMRT_CLI_TRY(CreateOptions(LLMRT_OPTIONS_STREAM, &options));
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(options.get(), LLMRT_STREAM_PROMPT_LOGPROBS, 1)));
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(options.get(), LLMRT_STREAM_MAX_TOKENS, 0)));

  // Nothing is generated, so a window may fill the context.
  result->window = plan.context_length;
  result->stride = result->window - 1;
  result->bos = eval.bos;
  if (result->stride < 1) return Failed("a context of 1 token scores nothing; choose 2 or more");
  ProgressBar bar(label);
  double sum = 0;
  const auto total = static_cast<int64_t>(eval.tokens.size());
  for (int64_t first = 1; first < total; first += result->stride) {
    bar.Show(static_cast<float>(first) / static_cast<float>(total));
    const int64_t end = std::min(total, first + result->stride);
    std::vector<int32_t> window = {eval.tokens[static_cast<size_t>(eval.bos ? 0 : first - 1)]};
    window.insert(window.end(), eval.tokens.begin() + first, eval.tokens.begin() + end);
    LLMRT_CLI_TRY(ScoreWindow(engine, options.get(), interrupt, window, &sum));
  }
  result->tokens = total - 1;
  result->perplexity = std::exp(sum / static_cast<double>(result->tokens));
  return Done();
}

}  // namespace llmrt::cli
