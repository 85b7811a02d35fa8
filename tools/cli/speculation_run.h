// llmrt bench --speculate: from flags to measured cases.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine_flags.h"
#include "outcome.h"

namespace llmrt::cli {

struct SpeculationFlags {
  std::string model;
  std::vector<int64_t> batches = {1, 2, 4, 8, 16, 32};
  std::vector<int64_t> acceptances = {20, 40, 60, 80, 90};  // per cent
  int64_t generated = 64;
  int64_t pairs = 5;
  std::string chart;  // a file for the SVG; empty: none
  bool json = false;
};

Outcome MeasureSpeculation(const SpeculationFlags& flags, const EngineFlags& engine);

}  // namespace llmrt::cli
