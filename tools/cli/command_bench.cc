// llmrt bench: tokens a second of prompts and of decoding, beside what the memory's bandwidth in
// the same run allows. How it is measured stands in benchmark.h.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "benchmark.h"
#include "commands.h"
#include "engine_flags.h"
#include "json_output.h"
#include "loading.h"
#include "number_list.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

struct BenchFlags {
  std::string model;
  std::optional<int64_t> prompt;
  std::optional<int64_t> generated;
  std::optional<std::string> depth_text;
  std::optional<std::string> batch_text;
  std::optional<int64_t> repeat;
  bool speculate = false;
  bool json = false;
  EngineFlags engine;
  std::vector<int64_t> depths = {0};
  std::vector<int64_t> batches = {1, 4, 16};
};

Outcome CheckBenchFlags(BenchFlags* flags) {
  constexpr int64_t kMost = int64_t{1} << 31;
  const int64_t prompt = flags->prompt.value_or(512);
  const int64_t generated = flags->generated.value_or(128);
  if (prompt < 0 || prompt > kMost) return WrongUsage("--pp is 0 or more");
  if (generated < 0 || generated == 1 || generated > kMost) {
    return WrongUsage("--tg is 0, or 2 or more: the first token starts the clock");
  }
  if (prompt == 0 && generated == 0) return WrongUsage("--pp 0 with --tg 0 measures nothing");
  if (flags->repeat.value_or(3) < 1) return WrongUsage("--repeat is 1 or more");
  if (flags->depth_text) {
    LLMRT_CLI_TRY(ParseNumberList(*flags->depth_text, "--depth", 0, &flags->depths));
  }
  if (flags->batch_text) {
    LLMRT_CLI_TRY(ParseNumberList(*flags->batch_text, "--batch", 1, &flags->batches));
  }
  return flags->speculate ? Failed("bench --speculate is not built yet") : Done();
}

Outcome ParseBenchFlags(const std::vector<std::string>& arguments, BenchFlags* flags,
                        bool* helped) {
  Arguments parser(
      "bench MODEL [--pp 512] [--tg 128] [--depth D] [--batch 1,4,16] [flags]\n"
      "Measures prompts (one, after D tokens) and decoding (a batch of sessions with D tokens "
      "each) with\n"
      "random tokens. The figures are medians; what is read for a token is compared with the "
      "memory's\n"
      "bandwidth, measured before and after.");
  parser.Positional("MODEL", &flags->model);
  parser.Integer("--pp", "tokens of the prompt; 0: no prompts (512, less where the context ends)",
                 &flags->prompt);
  parser.Integer("--tg", "tokens that each session generates; 0: no decoding (128, or less)",
                 &flags->generated);
  parser.Text("--depth", "tokens that are in the KV cache before, or a list of them (0)",
              &flags->depth_text);
  parser.Text("--batch", "sessions that decode at once, or a list of them (1,4,16)",
              &flags->batch_text);
  parser.Integer("--repeat", "measurements of each (3)", &flags->repeat);
  parser.Switch("--speculate", "not built yet", &flags->speculate);
  parser.Switch("--json", "one JSON object on stdout", &flags->json);
  flags->engine.AddTo(&parser);
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, helped));
  if (*helped) return Done();
  return CheckBenchFlags(flags);
}

// What was not given is shortened to what a model of a short context can do.
Outcome SetDefaults(BenchFlags* flags) {
  Model model;
  LLMRT_CLI_TRY(OpenModel(flags->model, &model));
  auto info = Sized<llmrt_model_info>();
  LLMRT_CLI_TRY(Check(llmrt_model_get_info(model.get(), &info)));
  // One token comes before a decode, and one is drawn at the end of a prompt.
  const int64_t deepest = *std::max_element(flags->depths.begin(), flags->depths.end());
  const int64_t left = std::max<int64_t>(info.context_length - deepest - 2, 2);
  if (!flags->prompt) flags->prompt = std::min<int64_t>(512, left);
  if (!flags->generated) flags->generated = std::min<int64_t>(128, left);
  return Done();
}

std::vector<BenchmarkCase> MakeCases(const BenchFlags& flags) {
  const int64_t prompt = *flags.prompt;
  const int64_t generated = *flags.generated;
  std::vector<BenchmarkCase> cases;
  for (const int64_t depth : flags.depths) {
    if (prompt > 0) cases.push_back({.prefill = true, .depth = depth, .prompt = prompt});
    if (generated == 0) continue;
    for (const int64_t batch : flags.batches) {
      cases.push_back({.batch = batch, .depth = depth, .generated = generated});
    }
  }
  return cases;
}

// Room for the longest and the widest of the cases.
Outcome SetSizes(const std::vector<BenchmarkCase>& cases, llmrt_options* options) {
  int64_t context = 0;
  int64_t sessions = 1;
  for (const BenchmarkCase& what : cases) {
    // Of either kind the last token is drawn; a decode has at least one token to begin with.
    const int64_t depth = what.prefill ? what.depth : std::max<int64_t>(what.depth, 1);
    context = std::max(context, depth + what.prompt + what.generated + 1);
    sessions = std::max(sessions, what.batch);
  }
  LLMRT_CLI_TRY(SetInteger(options, LLMRT_ENGINE_CONTEXT_LENGTH, "context", context));
  return SetInteger(options, LLMRT_ENGINE_SESSIONS, "--batch", sessions);
}

struct BenchResult {
  BenchmarkCase what;
  std::vector<double> rates;  // ascending
  double bytes_per_token = 0;

  double median() const {
    const size_t half = rates.size() / 2;
    return rates.size() % 2 == 1 ? rates[half] : (rates[half - 1] + rates[half]) / 2;
  }
};

struct BenchReport {
  std::string fingerprint;
  std::string device;
  int64_t threads = 0;
  // Zero where it cannot be measured; then nothing is known of the bytes either.
  double bandwidth_before = 0;
  double bandwidth_after = 0;
  BytesModel bytes;
  std::vector<BenchResult> results;

  double bandwidth() const { return (bandwidth_before + bandwidth_after) / 2; }
  bool bytes_known() const { return bytes.weights_bytes > 0; }
};

Outcome GetPlan(const std::string& path, llmrt_options* options, llmrt_plan* plan) {
  Model model;
  LLMRT_CLI_TRY(OpenModel(path, &model));
  *plan = Sized<llmrt_plan>();
  return Check(llmrt_model_plan(model.get(), options, plan));
}

// "cpu/avx2" of "build=...;device=cpu/avx2;...".
std::string DeviceOf(const std::string& fingerprint) {
  constexpr std::string_view kKey = ";device=";
  const size_t place = fingerprint.find(kKey);
  if (place == std::string::npos) return "unknown";
  const size_t first = place + kKey.size();
  return fingerprint.substr(first, fingerprint.find(';', first) - first);
}

Outcome DescribeEngine(llmrt_engine* engine, BenchReport* report) {
  LLMRT_CLI_TRY(GetText(
      [engine](char* buffer, int64_t capacity, int64_t* length) {
        return llmrt_engine_get_fingerprint(engine, buffer, capacity, length);
      },
      &report->fingerprint));
  report->device = DeviceOf(report->fingerprint);
  auto info = Sized<llmrt_engine_info>();
  LLMRT_CLI_TRY(Check(llmrt_engine_get_info(engine, &info)));
  report->threads = info.threads;
  return Done();
}

Outcome MeasureAll(const BenchFlags& flags, const std::vector<BenchmarkCase>& cases,
                   llmrt_options* options, BenchReport* report) {
  const InterruptScope interrupt;
  Engine engine;
  LLMRT_CLI_TRY(LoadEngine(flags.model, options, interrupt, &engine));
  LLMRT_CLI_TRY(DescribeEngine(engine.get(), report));
  Benchmark benchmark(engine.get(), interrupt);
  LLMRT_CLI_TRY(benchmark.WarmUp());
  const int64_t repeat = flags.repeat.value_or(3);
  for (const BenchmarkCase& what : cases) report->results.push_back({.what = what});
  ProgressBar bar("measuring");
  // Case after case in every round, so that a machine that drifts does so for all of them.
  for (int64_t round = 0; round < repeat; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      bar.Show(
          static_cast<float>(round * static_cast<int64_t>(cases.size()) + static_cast<int64_t>(i)) /
          static_cast<float>(repeat * static_cast<int64_t>(cases.size())));
      double rate = 0;
      LLMRT_CLI_TRY(benchmark.Measure(cases[i], &rate));
      report->results[i].rates.push_back(rate);
    }
  }
  for (BenchResult& result : report->results) std::sort(result.rates.begin(), result.rates.end());
  return Done();
}

// Null where the bandwidth, and with it the bytes that a token reads, is unknown.
nlohmann::json OrNull(bool known, double value) {
  return known ? nlohmann::json(value) : nlohmann::json();
}

Outcome PrintReportJson(const BenchFlags& flags, const BenchReport& report) {
  nlohmann::ordered_json object;
  object["model"] = flags.model;
  object["device"] = report.device;
  object["threads"] = report.threads;
  object["read_bandwidth_bytes_per_second"] = OrNull(report.bandwidth() > 0, report.bandwidth());
  object["read_bandwidth_before"] = report.bandwidth_before;
  object["read_bandwidth_after"] = report.bandwidth_after;
  object["weights_bytes_per_step"] = OrNull(report.bytes_known(), report.bytes.weights_bytes);
  object["kv_bytes_per_token"] = report.bytes.kv_bytes_per_token;
  object["fingerprint"] = report.fingerprint;
  object["results"] = nlohmann::ordered_json::array();
  for (const BenchResult& result : report.results) {
    const double rate = result.median();
    const double bytes = rate * result.bytes_per_token;
    nlohmann::ordered_json entry;
    entry["kind"] = result.what.prefill ? "prefill" : "decode";
    entry["batch"] = result.what.batch;
    entry["depth"] = result.what.depth;
    entry["prompt"] = result.what.prompt;
    entry["generated"] = result.what.generated;
    entry["tokens_per_second"] = rate;
    entry["tokens_per_second_min"] = result.rates.front();
    entry["tokens_per_second_max"] = result.rates.back();
    entry["repeats"] = result.rates.size();
    entry["bytes_per_second"] = OrNull(report.bytes_known(), bytes);
    entry["fraction_of_bandwidth"] =
        OrNull(report.bytes_known() && report.bandwidth() > 0, bytes / report.bandwidth());
    object["results"].push_back(std::move(entry));
  }
  return PrintJsonLine(object);
}

Outcome PrintReportTable(const BenchReport& report) {
  std::string text = report.device + ", " + std::to_string(report.threads) + " threads";
  if (report.bandwidth() > 0) {
    text += "; memory is read at " + FormatNumber(report.bandwidth_before / 1e9, 1) +
            " GB/s before and " + FormatNumber(report.bandwidth_after / 1e9, 1) + " after";
  }
  std::vector<std::vector<std::string>> rows = {
      {"", "batch", "depth", "tokens", "tokens/s", "lowest", "highest", "GB/s", "of bandwidth"}};
  for (const BenchResult& result : report.results) {
    const BenchmarkCase& what = result.what;
    const double bytes = result.median() * result.bytes_per_token;
    const bool known = report.bytes_known() && report.bandwidth() > 0;
    rows.push_back(
        {what.prefill ? "prefill" : "decode", std::to_string(what.batch),
         std::to_string(what.depth), std::to_string(what.prefill ? what.prompt : what.generated),
         FormatNumber(result.median(), 1), FormatNumber(result.rates.front(), 1),
         FormatNumber(result.rates.back(), 1), known ? FormatNumber(bytes / 1e9, 1) : "?",
         known ? FormatNumber(100 * bytes / report.bandwidth(), 0) + " %" : "?"});
  }
  return Print(text + "\n\n" +
               FormatTable(rows, {false, true, true, true, true, true, true, true, true}));
}

}  // namespace

Outcome BenchCommand(const std::vector<std::string>& arguments) {
  BenchFlags flags;
  bool helped = false;
  LLMRT_CLI_TRY(ParseBenchFlags(arguments, &flags, &helped));
  if (helped) return Done();
  LLMRT_CLI_TRY(SetDefaults(&flags));
  const std::vector<BenchmarkCase> cases = MakeCases(flags);
  Options options;
  LLMRT_CLI_TRY(flags.engine.MakeOptions(&options));
  LLMRT_CLI_TRY(SetSizes(cases, options.get()));
  BenchReport report;
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(GetPlan(flags.model, options.get(), &plan));
  report.bandwidth_before = plan.read_bandwidth_bytes_per_second;
  // The ceiling is bandwidth / bytes that a token reads of the weights.
  if (plan.decode_tokens_per_second_ceiling > 0) {
    report.bytes.weights_bytes =
        plan.read_bandwidth_bytes_per_second / plan.decode_tokens_per_second_ceiling;
  }
  report.bytes.kv_bytes_per_token = static_cast<double>(plan.kv_bytes_per_token);
  LLMRT_CLI_TRY(Check(
      llmrt_options_get_i64(options.get(), LLMRT_ENGINE_STEP_TOKENS, &report.bytes.step_tokens)));
  LLMRT_CLI_TRY(MeasureAll(flags, cases, options.get(), &report));
  LLMRT_CLI_TRY(GetPlan(flags.model, options.get(), &plan));
  report.bandwidth_after = plan.read_bandwidth_bytes_per_second;
  for (BenchResult& result : report.results) {
    result.bytes_per_token = report.bytes.PerToken(result.what);
  }
  return flags.json ? PrintReportJson(flags, report) : PrintReportTable(report);
}

}  // namespace llmrt::cli
