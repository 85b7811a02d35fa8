// What `llmrt bench` found out, and how it shows it: a table, or one JSON object whose fields are
// explained in bench/README.md.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "benchmark.h"
#include "ceilings/ceilings.h"
#include "outcome.h"

namespace llmrt::cli {

// Measurements of one thing, ascending; not empty once there is a result.
struct Measurements {
  std::vector<double> sorted;

  double lowest() const { return sorted.front(); }
  double highest() const { return sorted.back(); }
  double median() const;
};

struct BenchResult {
  BenchmarkCase what;
  Measurements rates;  // tokens a second
  double bytes_per_token = 0;
  double operations_per_token = 0;
};

// Bytes of the process; 0 where unknown.
struct BenchMemory {
  int64_t peak_after_load = 0;
  int64_t peak = 0;
  int64_t kv = 0;       // what the engine has for keys and values
  int64_t kv_used = 0;  // of these, what the cases wrote to at least: that much is resident

  // The peak with keys and values left out that are known to be in it. None of them were while the
  // model was loaded, and that may have taken more than all that followed.
  int64_t peak_without_kv() const { return std::max(peak - kv_used, peak_after_load); }
};

struct BenchReport {
  std::string model;
  std::string fingerprint;
  std::string device;
  int64_t threads = 0;
  // Zero where it cannot be measured; then nothing is known of the bytes either.
  double bandwidth_before = 0;
  double bandwidth_after = 0;
  ceilings::Ceilings ceilings;  // of the processor; empty where another device computes
  BytesModel bytes;
  Measurements load_ms;
  BenchMemory memory;
  std::vector<BenchResult> results;

  // The ceiling: the highest rate at which memory was read in this run, in whatever way.
  double bandwidth() const;
  bool bytes_known() const { return bytes.weights_bytes > 0; }
};

Outcome PrintReportJson(const BenchReport& report);
Outcome PrintReportTable(const BenchReport& report);

}  // namespace llmrt::cli
