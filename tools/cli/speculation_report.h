// What `llmrt bench --speculate` found out, as a table, as JSON and as a chart.
#pragma once

#include <string>
#include <vector>

#include "outcome.h"
#include "speculation_bench.h"

namespace llmrt::cli {

struct SpeculationReport {
  std::string model;
  std::string fingerprint;
  std::string device;
  int64_t threads = 0;
  int64_t generated = 0;  // tokens of each stream
  std::vector<SpeculationResult> results;
};

Outcome PrintSpeculationTable(const SpeculationReport& report);
Outcome PrintSpeculationJson(const SpeculationReport& report);

// Speed-up against the number of streams, a line for each drafter, as SVG.
std::string SpeculationChart(const SpeculationReport& report);

}  // namespace llmrt::cli
