#include "speculation_run.h"

#include <algorithm>

#include "interrupt.h"
#include "loading.h"
#include "speculation_report.h"
#include "terminal.h"
#include "text_file.h"

namespace llmrt::cli {
namespace {

Outcome MakeEngineOptions(const SpeculationFlags& flags, const EngineFlags& engine, bool lookup,
                          Options* options) {
  constexpr int64_t kDraftMax = 8;
  LLMRT_CLI_TRY(engine.MakeOptions(options));
  llmrt_options* const set = options->get();
  const int64_t streams = *std::max_element(flags.batches.begin(), flags.batches.end());
  LLMRT_CLI_TRY(SetInteger(set, LLMRT_ENGINE_CONTEXT_LENGTH, "--tg",
                           SpeculationBench::PositionsOf(flags.generated)));
  LLMRT_CLI_TRY(SetInteger(set, LLMRT_ENGINE_SESSIONS, "--batch", streams));
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_ENGINE_DRAFT_MAX, kDraftMax)));
  return Check(llmrt_options_set_i64(set, LLMRT_ENGINE_DRAFT_LOOKUP, lookup ? 1 : 0));
}

Outcome Describe(llmrt_engine* engine, SpeculationReport* report) {
  EngineIdentity identity;
  LLMRT_CLI_TRY(Identify(engine, &identity));
  report->fingerprint = identity.fingerprint;
  report->device = identity.device;
  report->threads = identity.threads;
  return Done();
}

// Pair after pair of every case in each round, so that a machine that drifts does so for all.
Outcome MeasureCases(const SpeculationFlags& flags, const EngineFlags& engine_flags,
                     const InterruptScope& interrupt, std::vector<SpeculationCase> cases,
                     SpeculationReport* report) {
  Options options;
  Engine engine;
  LLMRT_CLI_TRY(MakeEngineOptions(flags, engine_flags, cases.front().lookup, &options));
  LLMRT_CLI_TRY(LoadEngine(flags.model, options.get(), interrupt, &engine));
  LLMRT_CLI_TRY(Describe(engine.get(), report));
  SpeculationBench bench(engine.get(), interrupt, flags.generated);
  std::vector<SpeculationResult> results;
  for (const SpeculationCase& what : cases) results.push_back({.what = what});
  // Pages are touched and clocks go up.
  SpeculationResult warm_up = {.what = cases.front()};
  LLMRT_CLI_TRY(bench.Measure(&warm_up));
  ProgressBar bar(cases.front().lookup ? "prompt lookup" : "replay");
  const auto total = static_cast<float>(flags.pairs * static_cast<int64_t>(results.size()));
  float done = 0;
  for (int64_t pair = 0; pair < flags.pairs; ++pair) {
    for (SpeculationResult& result : results) {
      bar.Show(done++ / total);
      LLMRT_CLI_TRY(bench.Measure(&result));
    }
  }
  report->results.insert(report->results.end(), results.begin(), results.end());
  return Done();
}

}  // namespace

Outcome MeasureSpeculation(const SpeculationFlags& flags, const EngineFlags& engine) {
  const InterruptScope interrupt;
  SpeculationReport report;
  report.model = flags.model;
  report.generated = flags.generated;
  // What could not be written later is told before anything is measured.
  if (!flags.chart.empty()) LLMRT_CLI_TRY(WriteTextFile(flags.chart, ""));
  std::vector<SpeculationCase> replays, lookups;
  for (const int64_t acceptance : flags.acceptances) {
    for (const int64_t batch : flags.batches) {
      replays.push_back({.batch = batch, .acceptance = acceptance});
    }
  }
  for (const int64_t batch : flags.batches) lookups.push_back({.lookup = true, .batch = batch});
  LLMRT_CLI_TRY(MeasureCases(flags, engine, interrupt, replays, &report));
  LLMRT_CLI_TRY(MeasureCases(flags, engine, interrupt, lookups, &report));
  if (!flags.chart.empty()) LLMRT_CLI_TRY(WriteTextFile(flags.chart, SpeculationChart(report)));
  return flags.json ? PrintSpeculationJson(report) : PrintSpeculationTable(report);
}

}  // namespace llmrt::cli
