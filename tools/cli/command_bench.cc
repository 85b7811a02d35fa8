// llmrt bench: tokens a second of prompts and of decoding, the time to load and the memory for it,
// beside what the machine can do in the same run. How it is measured stands in benchmark.h.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench_report.h"
#include "benchmark.h"
#include "commands.h"
#include "engine_flags.h"
#include "loading.h"
#include "number_list.h"
#include "peak_memory.h"
#include "speculation_run.h"
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
  std::optional<int64_t> loads;
  bool speculate = false;
  std::optional<std::string> acceptance_text;
  std::optional<std::string> chart;
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
  if (flags->loads.value_or(3) < 1) return WrongUsage("--loads is 1 or more");
  if (flags->depth_text) {
    LLMRT_CLI_TRY(ParseNumberList(*flags->depth_text, "--depth", 0, &flags->depths));
  }
  if (flags->batch_text) {
    LLMRT_CLI_TRY(ParseNumberList(*flags->batch_text, "--batch", 1, &flags->batches));
  }
  if (!flags->speculate && (flags->acceptance_text || flags->chart)) {
    return WrongUsage("--acceptance and --chart go with --speculate");
  }
  if (flags->speculate && (flags->prompt || flags->depth_text || flags->loads)) {
    return WrongUsage("--pp, --depth and --loads do not go with --speculate");
  }
  if (flags->speculate && generated == 0) return WrongUsage("--tg is 2 or more with --speculate");
  return Done();
}

Outcome ParseBenchFlags(const std::vector<std::string>& arguments, BenchFlags* flags,
                        bool* helped) {
  Arguments parser(
      "bench MODEL [--pp 512] [--tg 128] [--depth D] [--batch 1,4,16] [flags]\n"
      "Measures loading, prompts (one, after D tokens) and decoding (a batch of sessions with D "
      "tokens each)\n"
      "with random tokens. The figures are medians; what is read for a token is compared with the "
      "memory's\n"
      "bandwidth, measured before and after, and what the processor can compute stands beside.");
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
  parser.Integer("--loads", "times that the model is loaded (3)", &flags->loads);
  parser.Switch("--speculate", "measure what speculation gains, by batch and acceptance, instead",
                &flags->speculate);
  parser.Text("--acceptance",
              "per cent of a replayed draft that are right, or a list (20,40,60,80,90)",
              &flags->acceptance_text);
  parser.Text("--chart", "file for a chart of --speculate, as SVG", &flags->chart);
  parser.Switch("--json", "one JSON object on stdout", &flags->json);
  flags->engine.AddTo(&parser);
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, helped));
  if (*helped) return Done();
  return CheckBenchFlags(flags);
}

// Other defaults: pairs of runs, in which the engine learns what pays, and many widths.
Outcome Speculate(const BenchFlags& flags) {
  SpeculationFlags speculation;
  speculation.model = flags.model;
  if (flags.batch_text) speculation.batches = flags.batches;
  if (flags.acceptance_text) {
    LLMRT_CLI_TRY(
        ParseNumberList(*flags.acceptance_text, "--acceptance", 0, &speculation.acceptances));
    for (const int64_t acceptance : speculation.acceptances) {
      if (acceptance > 100) return WrongUsage("--acceptance is per cent, 0 to 100");
    }
  }
  speculation.generated = flags.generated.value_or(speculation.generated);
  speculation.pairs = flags.repeat.value_or(speculation.pairs);
  speculation.chart = flags.chart.value_or("");
  speculation.json = flags.json;
  return MeasureSpeculation(speculation, flags.engine);
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
    context = std::max(context, PositionsOf(what));
    sessions = std::max(sessions, what.batch);
  }
  LLMRT_CLI_TRY(SetInteger(options, LLMRT_ENGINE_CONTEXT_LENGTH, "context", context));
  return SetInteger(options, LLMRT_ENGINE_SESSIONS, "--batch", sessions);
}

Outcome GetPlan(const std::string& path, llmrt_options* options, llmrt_plan* plan) {
  Model model;
  LLMRT_CLI_TRY(OpenModel(path, &model));
  *plan = Sized<llmrt_plan>();
  return Check(llmrt_model_plan(model.get(), options, plan));
}

Outcome DescribeEngine(llmrt_engine* engine, BenchReport* report) {
  EngineIdentity identity;
  LLMRT_CLI_TRY(Identify(engine, &identity));
  report->fingerprint = identity.fingerprint;
  report->device = identity.device;
  report->threads = identity.threads;
  return Done();
}

// So that the first load does not measure the disk. A file that memory cannot hold stays where it
// is, and whatever is no file is the library's business.
void CacheFile(const std::string& path, const InterruptScope& interrupt) {
  auto info = Sized<llmrt_model_info>();
  Model model;
  const int64_t memory_bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE);
  if (!OpenModel(path, &model).ok() ||
      llmrt_model_get_info(model.get(), &info) != LLMRT_STATUS_OK ||
      info.file_bytes > memory_bytes / 2) {
    return;
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             &std::fclose);
  std::vector<char> part(size_t{1} << 20);
  while (file != nullptr && !interrupt.interrupted() &&
         std::fread(part.data(), 1, part.size(), file.get()) == part.size()) {
  }
}

// Loads as a host does, from the name of a file to an engine that takes sessions. The last of the
// engines stays.
Outcome MeasureLoads(const BenchFlags& flags, llmrt_options* options,
                     const InterruptScope& interrupt, Engine* engine, BenchReport* report) {
  CacheFile(flags.model, interrupt);
  ForgetPeakMemory();
  std::vector<double>& load_ms = report->load_ms.sorted;
  for (int64_t i = 0; i < flags.loads.value_or(3); ++i) {
    engine->reset();
    const auto begin = std::chrono::steady_clock::now();
    LLMRT_CLI_TRY(LoadEngine(flags.model, options, interrupt, engine));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    load_ms.push_back(took.count());
  }
  std::sort(load_ms.begin(), load_ms.end());
  report->memory.peak_after_load = PeakMemoryBytes();
  return Done();
}

Outcome MeasureCases(const BenchFlags& flags, Benchmark* benchmark,
                     std::vector<BenchResult>* results) {
  LLMRT_CLI_TRY(benchmark->WarmUp());
  const int64_t repeat = flags.repeat.value_or(3);
  ProgressBar bar("measuring");
  const auto total = static_cast<float>(repeat * static_cast<int64_t>(results->size()));
  float done = 0;
  // Case after case in every round, so that a machine that drifts does so for all of them.
  for (int64_t round = 0; round < repeat; ++round) {
    for (BenchResult& result : *results) {
      bar.Show(done++ / total);
      double rate = 0;
      LLMRT_CLI_TRY(benchmark->Measure(result.what, &rate));
      result.rates.sorted.push_back(rate);
    }
  }
  for (BenchResult& result : *results) {
    std::sort(result.rates.sorted.begin(), result.rates.sorted.end());
  }
  return Done();
}

Outcome MeasureAll(const BenchFlags& flags, llmrt_options* options, BenchReport* report) {
  const InterruptScope interrupt;
  Engine engine;
  LLMRT_CLI_TRY(MeasureLoads(flags, options, interrupt, &engine, report));
  LLMRT_CLI_TRY(DescribeEngine(engine.get(), report));
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(Check(llmrt_engine_get_plan(engine.get(), &plan)));
  report->memory.kv = plan.kv_bytes;
  Benchmark benchmark(engine.get(), interrupt);
  LLMRT_CLI_TRY(MeasureCases(flags, &benchmark, &report->results));
  report->memory.peak = PeakMemoryBytes();
  for (const BenchResult& result : report->results) {
    // The last position of each session is never computed: nothing follows what is drawn there.
    const int64_t positions = result.what.batch * (PositionsOf(result.what) - 1);
    report->memory.kv_used = std::max(report->memory.kv_used,
                                      std::min(plan.kv_bytes, positions * plan.kv_bytes_per_token));
  }
  return Done();
}

// What is known before anything is loaded.
Outcome PlanReport(const BenchFlags& flags, llmrt_options* options, BenchReport* report) {
  report->model = flags.model;
  for (const BenchmarkCase& what : MakeCases(flags)) report->results.push_back({.what = what});
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(GetPlan(flags.model, options, &plan));
  report->bandwidth_before = plan.read_bandwidth_bytes_per_second;
  // The ceiling is bandwidth / bytes that a token reads of the weights.
  if (plan.decode_tokens_per_second_ceiling > 0) {
    report->bytes.weights_bytes =
        plan.read_bandwidth_bytes_per_second / plan.decode_tokens_per_second_ceiling;
  }
  report->bytes.kv_bytes_per_token = static_cast<double>(plan.kv_bytes_per_token);
  LLMRT_CLI_TRY(
      Check(llmrt_options_get_i64(options, LLMRT_ENGINE_STEP_TOKENS, &report->bytes.step_tokens)));
  Model model;
  OperationsModel operations;
  LLMRT_CLI_TRY(OpenModel(flags.model, &model));
  LLMRT_CLI_TRY(OperationsModel::Of(model.get(), &operations));
  for (BenchResult& result : report->results) {
    result.bytes_per_token = report->bytes.PerToken(result.what);
    result.operations_per_token = operations.PerToken(result.what);
  }
  return Done();
}

}  // namespace

Outcome BenchCommand(const std::vector<std::string>& arguments) {
  BenchFlags flags;
  bool helped = false;
  LLMRT_CLI_TRY(ParseBenchFlags(arguments, &flags, &helped));
  if (helped) return Done();
  if (flags.speculate) return Speculate(flags);
  LLMRT_CLI_TRY(SetDefaults(&flags));
  Options options;
  LLMRT_CLI_TRY(flags.engine.MakeOptions(&options));
  LLMRT_CLI_TRY(SetSizes(MakeCases(flags), options.get()));
  BenchReport report;
  LLMRT_CLI_TRY(PlanReport(flags, options.get(), &report));
  LLMRT_CLI_TRY(MeasureAll(flags, options.get(), &report));
  // The engine is gone: the threads below have the cores for themselves.
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(GetPlan(flags.model, options.get(), &plan));
  report.bandwidth_after = plan.read_bandwidth_bytes_per_second;
  if (report.device.starts_with("cpu/") && report.bandwidth() > 0) {
    report.ceilings = ceilings::Measure(static_cast<int32_t>(report.threads));
  }
  return flags.json ? PrintReportJson(report) : PrintReportTable(report);
}

}  // namespace llmrt::cli
