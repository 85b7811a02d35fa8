// llmrt load: many requests at once, as a service or a game full of characters would send them, and
// how long they wait. How they are drawn stands in load_requests.h, how they are played and what
// the modes are in load_run.h.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "engine_flags.h"
#include "json_output.h"
#include "load_requests.h"
#include "load_run.h"
#include "loading.h"
#include "percentiles.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

struct LoadFlags {
  std::string model;
  std::optional<double> rate;
  std::optional<int64_t> requests;
  std::optional<std::string> mode;
  std::optional<int64_t> group_size;
  std::optional<double> prompt_mean;
  std::optional<double> output_mean;
  std::optional<int64_t> context;
  std::optional<int64_t> sessions;
  std::optional<int64_t> seed;
  bool json = false;
  EngineFlags engine;
};

void AddFlags(LoadFlags* flags, Arguments* parser) {
  parser->Positional("MODEL", &flags->model);
  parser->Number("--rate", "arrivals a second on average; 0: all at once", &flags->rate);
  parser->Integer("--requests", "how many", &flags->requests);
  parser->Choice("--mode", "how they are batched (continuous)",
                 {"continuous", "static", "static-early"}, &flags->mode);
  parser->Integer("--static-batch", "requests of a static group (16)", &flags->group_size);
  parser->Number("--prompt-mean", "mean length of prompts, tokens (256)", &flags->prompt_mean);
  parser->Number("--output-mean", "mean length of answers, tokens (256)", &flags->output_mean);
  parser->Integer("--context", "most tokens of a prompt and its answer; longer ones are cut (2048)",
                  &flags->context);
  parser->Integer("--sessions", "full contexts that KV memory is planned for (16)",
                  &flags->sessions);
  parser->Integer("--seed", "of arrivals, lengths and tokens (0)", &flags->seed);
  parser->Switch("--json", "one JSON object on stdout", &flags->json);
  flags->engine.AddTo(parser);
}

Outcome ParseLoadFlags(const std::vector<std::string>& arguments, LoadFlags* flags, bool* helped) {
  Arguments parser(
      "load MODEL --rate R --requests N [flags]\n"
      "Requests arrive as a Poisson process, whether or not those before are done; lengths are "
      "log-normal\n"
      "(sigma 1), tokens random. Static batching: groups in order of arrival; a group starts when "
      "it is\n"
      "complete and the one before has wholly ended, and all its rows run until its longest answer "
      "is done\n"
      "(static-early: a row is given up when its own answer is done). TTFT counts from the "
      "arrival.");
  AddFlags(flags, &parser);
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, helped));
  if (*helped) return Done();
  if (!flags->rate) return WrongUsage("--rate is missing");
  if (!flags->requests) return WrongUsage("--requests is missing");
  if (*flags->rate < 0) return WrongUsage("--rate is 0 or more");
  constexpr int64_t kRequestsMax = 1000000;
  if (*flags->requests < 1 || *flags->requests > kRequestsMax) {
    return WrongUsage("--requests is 1 to " + std::to_string(kRequestsMax));
  }
  if (flags->group_size.value_or(1) < 1) return WrongUsage("--static-batch is 1 or more");
  if (flags->group_size && (!flags->mode || *flags->mode == "continuous")) {
    return WrongUsage("--static-batch goes with --mode static or static-early");
  }
  if (flags->prompt_mean.value_or(1) < 1) return WrongUsage("--prompt-mean is 1 or more");
  if (flags->output_mean.value_or(1) < 1) return WrongUsage("--output-mean is 1 or more");
  if (flags->context.value_or(4) < 4) return WrongUsage("--context is 4 or more");
  return flags->seed.value_or(0) < 0 ? WrongUsage("--seed is 0 or more") : Done();
}

// Sets what KV memory is planned from, and says what the context came to.
Outcome SetSizes(const LoadFlags& flags, llmrt_options* options, int64_t* context) {
  constexpr int64_t kContextMax = 2048;
  *context = flags.context.value_or(kContextMax);
  if (!flags.context) {
    Model model;
    LLMRT_CLI_TRY(OpenModel(flags.model, &model));
    auto info = Sized<llmrt_model_info>();
    LLMRT_CLI_TRY(Check(llmrt_model_get_info(model.get(), &info)));
    if (info.context_length > 0) *context = std::min(info.context_length, kContextMax);
  }
  LLMRT_CLI_TRY(SetInteger(options, LLMRT_ENGINE_CONTEXT_LENGTH, "--context", *context));
  return SetInteger(options, LLMRT_ENGINE_SESSIONS, "--sessions", flags.sessions.value_or(16));
}

LoadMode ModeOf(const LoadFlags& flags) {
  const std::string name = flags.mode.value_or("continuous");
  if (name == "static") return LoadMode::kStatic;
  return name == "static-early" ? LoadMode::kStaticEarly : LoadMode::kContinuous;
}

// What the engine's counters say of one run: the readings before and after it.
struct EngineCounts {
  llmrt_engine_info before = Sized<llmrt_engine_info>();
  llmrt_engine_info after = Sized<llmrt_engine_info>();

  // Those that nobody asked for included.
  int64_t generated() const { return after.tokens_generated - before.tokens_generated; }
  int64_t preemptions() const { return after.preemptions - before.preemptions; }
  // Share of the slots of KV blocks in use that held no token, averaged over the steps; null
  // without steps.
  nlohmann::json kv_waste() const {
    const int64_t slots = after.kv_slots_sum - before.kv_slots_sum;
    const int64_t tokens = after.kv_tokens_sum - before.kv_tokens_sum;
    if (slots <= 0) return nullptr;
    return 1 - static_cast<double>(tokens) / static_cast<double>(slots);
  }
};

Outcome Play(const LoadFlags& flags, LoadOutcome* outcome, EngineCounts* counts) {
  Options options;
  LoadShape shape = {.requests = *flags.requests,
                     .rate = *flags.rate,
                     .prompt_mean = flags.prompt_mean.value_or(256),
                     .output_mean = flags.output_mean.value_or(256),
                     .seed = static_cast<uint64_t>(flags.seed.value_or(0))};
  LLMRT_CLI_TRY(flags.engine.MakeOptions(&options));
  LLMRT_CLI_TRY(SetSizes(flags, options.get(), &shape.context_length));
  const InterruptScope interrupt;
  Engine engine;
  LLMRT_CLI_TRY(LoadEngine(flags.model, options.get(), interrupt, &engine));
  // A budget may leave less than was asked for.
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(Check(llmrt_engine_get_plan(engine.get(), &plan)));
  shape.context_length = std::min(shape.context_length, plan.context_length);
  if (shape.context_length < 4) return Failed("the context is shorter than 4 tokens; raise it");
  const std::vector<LoadRequest> requests = DrawRequests(shape);
  LLMRT_CLI_TRY(Check(llmrt_engine_get_info(engine.get(), &counts->before)));
  LoadRun run(engine.get(), requests, shape.seed, interrupt);
  LLMRT_CLI_TRY(run.Play(ModeOf(flags), flags.group_size.value_or(16), outcome));
  return Check(llmrt_engine_get_info(engine.get(), &counts->after));
}

constexpr double kFractions[] = {0.5, 0.9, 0.99};

nlohmann::ordered_json PercentilesJson(std::vector<double> values) {
  constexpr const char* kNames[] = {"p50", "p90", "p99"};
  std::sort(values.begin(), values.end());
  nlohmann::ordered_json object;
  for (int i = 0; i < 3; ++i) {
    object[kNames[i]] =
        values.empty() ? nlohmann::json() : nlohmann::json(Percentile(values, kFractions[i]));
  }
  return object;
}

double PerSecond(int64_t count, const LoadOutcome& outcome) {
  return static_cast<double>(count) * 1e6 /
         static_cast<double>(std::max<int64_t>(outcome.duration_us, 1));
}

Outcome PrintJson(const LoadFlags& flags, const LoadOutcome& outcome, const EngineCounts& counts) {
  nlohmann::ordered_json object;
  object["model"] = flags.model;
  object["mode"] = flags.mode.value_or("continuous");
  object["rate"] = *flags.rate;
  object["seed"] = flags.seed.value_or(0);
  object["requests"] = outcome.finished + outcome.rejected;
  object["rejected"] = outcome.rejected;
  object["duration_s"] = static_cast<double>(outcome.duration_us) / 1e6;
  object["prompt_tokens"] = outcome.prompt_tokens;
  object["output_tokens"] = outcome.output_tokens;
  object["generated_tokens"] = counts.generated();
  object["ttft_ms"] = PercentilesJson(outcome.ttft_ms);
  object["tpot_ms"] = PercentilesJson(outcome.tpot_ms);
  object["itl_ms"] = PercentilesJson(outcome.itl_ms);
  object["tokens_per_second"] = PerSecond(outcome.output_tokens, outcome);
  object["requests_per_second"] = PerSecond(outcome.finished, outcome);
  object["kv_waste"] = counts.kv_waste();
  object["preemptions"] = counts.preemptions();
  object["tokens_recomputed"] = counts.after.tokens_recomputed - counts.before.tokens_recomputed;
  object["cached_tokens"] = outcome.cached_tokens;
  return PrintJsonLine(object);
}

std::vector<std::string> PercentilesRow(std::string name, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  std::vector<std::string> row = {std::move(name)};
  for (const double fraction : kFractions) {
    row.push_back(values.empty() ? "-" : FormatNumber(Percentile(values, fraction), 1));
  }
  return row;
}

Outcome PrintTable(const LoadOutcome& outcome, const EngineCounts& counts) {
  const nlohmann::json waste = counts.kv_waste();
  std::string text = std::to_string(outcome.finished) +
                     (outcome.finished == 1 ? " request in " : " requests in ") +
                     FormatNumber(static_cast<double>(outcome.duration_us) / 1e6, 1) + " s";
  if (outcome.rejected > 0) {
    text += ", " + std::to_string(outcome.rejected) + " more rejected for want of memory";
  }
  text += "\n" + FormatNumber(PerSecond(outcome.output_tokens, outcome), 1) + " tokens/s, " +
          FormatNumber(PerSecond(outcome.finished, outcome), 2) + " requests/s; " +
          std::to_string(counts.preemptions()) + " preemptions, " +
          std::to_string(outcome.cached_tokens) + " of " + std::to_string(outcome.prompt_tokens) +
          " prompt tokens from the cache, KV waste " +
          (waste.is_null() ? "unknown" : FormatNumber(100 * waste.get<double>(), 1) + " %") +
          "\n\n";
  return Print(text + FormatTable({{"milliseconds", "p50", "p90", "p99"},
                                   PercentilesRow("to the first token", outcome.ttft_ms),
                                   PercentilesRow("per output token", outcome.tpot_ms),
                                   PercentilesRow("between tokens", outcome.itl_ms)},
                                  {false, true, true, true}));
}

}  // namespace

Outcome LoadCommand(const std::vector<std::string>& arguments) {
  LoadFlags flags;
  bool helped = false;
  LLMRT_CLI_TRY(ParseLoadFlags(arguments, &flags, &helped));
  if (helped) return Done();
  LoadOutcome outcome;
  EngineCounts counts;
  LLMRT_CLI_TRY(Play(flags, &outcome, &counts));
  return flags.json ? PrintJson(flags, outcome, counts) : PrintTable(outcome, counts);
}

}  // namespace llmrt::cli
