// llmrt run: continues a prompt and streams the text to stdout as it comes, or prints one JSON
// object at the end.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "engine_flags.h"
#include "generation.h"
#include "json_output.h"
#include "loading.h"
#include "sampling_flags.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

struct RunFlags {
  std::string model;
  std::optional<std::string> prompt;
  bool special = false;
  SamplingFlags sampling;
  std::vector<std::string> stop_strings;
  std::optional<std::string> draft;
  std::optional<int64_t> draft_max;
  bool logprobs = false;
  bool json = false;
  EngineFlags engine;
};

Outcome ParseRunFlags(const std::vector<std::string>& arguments, RunFlags* flags, bool* helped) {
  Arguments parser("run MODEL -p TEXT [flags]");
  parser.Positional("MODEL", &flags->model);
  parser.Text("-p", "the prompt", &flags->prompt);
  parser.Switch("--special", "special tokens in the prompt, such as <|eot_id|>, are tokens",
                &flags->special);
  flags->sampling.AddTo(&parser);
  parser.TextList("--stop", "end before this string; may be given again", &flags->stop_strings);
  parser.Text("--draft", "where drafts of speculative decoding come from: lookup or none (none)",
              &flags->draft);
  parser.Integer("--draft-max", "most tokens to draft in a step, up to 16 (8)", &flags->draft_max);
  parser.Switch("--logprobs", "with --json: log-probability of every token", &flags->logprobs);
  parser.Switch("--json", "one JSON object on stdout", &flags->json);
  flags->engine.AddTo(&parser);
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, helped));
  if (*helped) return Done();
  if (!flags->prompt) return WrongUsage("-p is missing");
  if (flags->logprobs && !flags->json) return WrongUsage("--logprobs goes with --json");
  if (flags->draft && *flags->draft != "none" && *flags->draft != "lookup") {
    return Failed("draft models are not built yet; --draft takes lookup and none");
  }
  if (flags->draft_max && !flags->draft) return WrongUsage("--draft-max goes with --draft");
  return Done();
}

Outcome MakeEngineOptions(const RunFlags& flags, Options* options) {
  LLMRT_CLI_TRY(flags.engine.MakeOptions(options));
  if (!flags.draft || *flags.draft == "none") return Done();
  LLMRT_CLI_TRY(SetInteger(options->get(), LLMRT_ENGINE_DRAFT_MAX, "--draft-max", flags.draft_max));
  return Check(llmrt_options_set_i64(options->get(), LLMRT_ENGINE_DRAFT_LOOKUP, 1));
}

Outcome MakeStreamOptions(const RunFlags& flags, Options* options) {
  LLMRT_CLI_TRY(flags.sampling.MakeOptions(options));
  LLMRT_CLI_TRY(SetStopStrings(options->get(), flags.stop_strings));
  return Check(
      llmrt_options_set_i64(options->get(), LLMRT_STREAM_LOGPROBS, flags.logprobs ? 1 : 0));
}

Outcome AppendPrompt(const RunFlags& flags, llmrt_engine* engine, llmrt_session* session) {
  Model model;
  LLMRT_CLI_TRY(GetModel(engine, &model));
  const int32_t how = flags.special ? LLMRT_TEXT_PARSE_SPECIAL : LLMRT_TEXT_DEFAULT;
  std::vector<int32_t> tokens;
  LLMRT_CLI_TRY(TokenizeOpenEnded(model.get(), *flags.prompt, how, &tokens));
  return Check(
      llmrt_session_append_tokens(session, tokens.data(), static_cast<int64_t>(tokens.size())));
}

Outcome GetPromptTokens(llmrt_session* session, const Generation& generation,
                        std::vector<int32_t>* tokens) {
  tokens->resize(static_cast<size_t>(generation.info.prompt_tokens));
  int64_t count = 0;
  LLMRT_CLI_TRY(Check(
      llmrt_session_get_tokens(session, 0, tokens->data(), generation.info.prompt_tokens, &count)));
  // A stream that was cancelled inside its prompt has committed less.
  tokens->resize(static_cast<size_t>(count));
  return Done();
}

// Milliseconds from the first token to the last, a token; null where there is no such interval.
nlohmann::json TimePerOutputToken(const llmrt_stream_info& info) {
  if (info.generated_tokens < 2 || info.ttft_us < 0 || info.total_us < 0) return nullptr;
  return static_cast<double>(info.total_us - info.ttft_us) / 1000.0 /
         static_cast<double>(info.generated_tokens - 1);
}

nlohmann::json TimeToFirstToken(const llmrt_stream_info& info) {
  if (info.ttft_us < 0) return nullptr;
  return static_cast<double>(info.ttft_us) / 1000.0;
}

// What speculation did: how much of it was right, what it gained, what drafting took, and how many
// tokens were drafted in each step.
nlohmann::ordered_json Speculation(const llmrt_engine_info& engine, const Generation& generation) {
  const llmrt_stream_info& info = generation.info;
  nlohmann::ordered_json object;
  object["steps"] = info.steps;
  object["tokens_per_step"] = info.steps > 0
                                  ? nlohmann::json(static_cast<double>(info.generated_tokens) /
                                                   static_cast<double>(info.steps))
                                  : nlohmann::json();
  object["draft_ms"] = static_cast<double>(engine.draft_us) / 1000.0;
  object["draft_lengths"] = generation.draft_lengths;
  return object;
}

Outcome PrintJson(const RunFlags& flags, llmrt_engine* engine, llmrt_session* session,
                  const Generation& generation) {
  std::vector<int32_t> prompt_tokens;
  LLMRT_CLI_TRY(GetPromptTokens(session, generation, &prompt_tokens));
  std::string fingerprint;
  LLMRT_CLI_TRY(GetFingerprint(engine, &fingerprint));
  const llmrt_stream_info& info = generation.info;
  nlohmann::ordered_json object;
  object["text"] = generation.text;
  object["prompt_tokens"] = prompt_tokens;
  object["tokens"] = generation.tokens;
  if (flags.logprobs) object["logprobs"] = generation.logprobs;
  object["finish_reason"] = FinishReasonName(generation.finish_reason);
  object["ttft_ms"] = TimeToFirstToken(info);
  object["tpot_ms"] = TimePerOutputToken(info);
  object["drafted"] = info.drafted;
  object["accepted"] = info.accepted;
  if (flags.draft && *flags.draft != "none") {
    auto engine_info = Sized<llmrt_engine_info>();
    LLMRT_CLI_TRY(Check(llmrt_engine_get_info(engine, &engine_info)));
    object["speculation"] = Speculation(engine_info, generation);
  }
  object["cached_tokens"] = info.cached_tokens;
  object["seed"] = info.seed;
  object["fingerprint"] = fingerprint;
  return PrintJsonLine(object);
}

// The end of a run for people: a line's end where the text has none, and on stderr how fast it was.
Outcome PrintClosing(const Generation& generation) {
  if (StdoutIsTerminal() && !generation.text.ends_with('\n')) LLMRT_CLI_TRY(Print("\n"));
  const nlohmann::json tpot_ms = TimePerOutputToken(generation.info);
  if (StderrIsTerminal() && !tpot_ms.is_null()) {
    std::fprintf(stderr, "[%lld tokens, first after %.0f ms, then %.1f a second; %s]\n",
                 static_cast<long long>(generation.info.generated_tokens),
                 static_cast<double>(generation.info.ttft_us) / 1000.0,
                 1000.0 / std::max(tpot_ms.get<double>(), 1e-6),
                 FinishReasonName(generation.finish_reason));
  }
  return Done();
}

}  // namespace

Outcome RunCommand(const std::vector<std::string>& arguments) {
  RunFlags flags;
  bool helped = false;
  LLMRT_CLI_TRY(ParseRunFlags(arguments, &flags, &helped));
  if (helped) return Done();
  Options engine_options;
  Options stream_options;
  LLMRT_CLI_TRY(MakeEngineOptions(flags, &engine_options));
  LLMRT_CLI_TRY(MakeStreamOptions(flags, &stream_options));

  const InterruptScope interrupt;
  Engine engine;
  Session session;
  LLMRT_CLI_TRY(LoadEngine(flags.model, engine_options.get(), interrupt, &engine));
  LLMRT_CLI_TRY(CreateSession(engine.get(), &session));
  LLMRT_CLI_TRY(AppendPrompt(flags, engine.get(), session.get()));
  Generation generation;
  const auto sink = [&](std::string_view text) { return flags.json ? Done() : Print(text); };
  LLMRT_CLI_TRY(Generate(session.get(), stream_options.get(), interrupt, sink, &generation));
  LLMRT_CLI_TRY(flags.json ? PrintJson(flags, engine.get(), session.get(), generation)
                           : PrintClosing(generation));
  if (generation.finish_reason != LLMRT_FINISH_CANCELLED) return Done();
  return Failed("interrupted after " + std::to_string(generation.tokens.size()) + " tokens");
}

}  // namespace llmrt::cli
