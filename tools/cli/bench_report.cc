#include "bench_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "json_output.h"
#include "percentiles.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

using Json = nlohmann::ordered_json;

// Null where the bandwidth, and with it the bytes that a token reads, is unknown.
Json OrNull(bool known, double value) { return known ? Json(value) : Json(); }
Json OrNull(int64_t bytes) { return bytes > 0 ? Json(bytes) : Json(); }

Json CeilingsJson(const ceilings::Ceilings& ceilings) {
  Json object;
  object["read"] = Json::array();
  for (const ceilings::ReadCeiling& read : ceilings.reads) {
    object["read"].push_back({{"streams", read.streams},
                              {"prefetch", read.prefetch},
                              {"bytes_per_second", read.bytes_per_second}});
  }
  object["compute"] = Json::array();
  for (const ceilings::ComputeCeiling& compute : ceilings.computes) {
    object["compute"].push_back(
        {{"name", compute.name}, {"operations_per_second", compute.operations_per_second}});
  }
  return object;
}

Json ResultJson(const BenchReport& report, const BenchResult& result) {
  const double rate = result.rates.median();
  const double bytes = rate * result.bytes_per_token;
  Json entry;
  entry["kind"] = result.what.prefill ? "prefill" : "decode";
  entry["batch"] = result.what.batch;
  entry["depth"] = result.what.depth;
  entry["prompt"] = result.what.prompt;
  entry["generated"] = result.what.generated;
  entry["tokens_per_second"] = rate;
  entry["tokens_per_second_min"] = result.rates.lowest();
  entry["tokens_per_second_max"] = result.rates.highest();
  entry["repeats"] = result.rates.sorted.size();
  entry["bytes_per_second"] = OrNull(report.bytes_known(), bytes);
  entry["fraction_of_bandwidth"] =
      OrNull(report.bytes_known() && report.bandwidth() > 0, bytes / report.bandwidth());
  entry["operations_per_second"] = rate * result.operations_per_token;
  return entry;
}

std::string MemoryText(const BenchMemory& memory) {
  if (memory.peak == 0) return "";
  return "; at most " + FormatNumber(static_cast<double>(memory.peak) / 1e6, 0) +
         " MB of memory, " + FormatNumber(static_cast<double>(memory.peak_without_kv()) / 1e6, 0) +
         " without keys and values";
}

// A row for each way to read, a column for each number of streams.
std::string ReadCeilingsText(const std::vector<ceilings::ReadCeiling>& reads) {
  if (reads.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"read, GB/s"}, {"plain"}, {"prefetched"}};
  for (const ceilings::ReadCeiling& read : reads) {
    if (!read.prefetch) {
      rows[0].push_back(std::to_string(read.streams) + (read.streams == 1 ? " stream" : ""));
    }
    rows[read.prefetch ? 2 : 1].push_back(FormatNumber(read.bytes_per_second / 1e9, 1));
  }
  std::vector<bool> right(rows[0].size(), true);
  right[0] = false;
  return FormatTable(rows, right) + "\n";
}

std::string ComputeCeilingsText(const std::vector<ceilings::ComputeCeiling>& computes) {
  if (computes.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"operations"}, {"G/s"}};
  for (const ceilings::ComputeCeiling& compute : computes) {
    rows[0].push_back(compute.name);
    rows[1].push_back(FormatNumber(compute.operations_per_second / 1e9, 0));
  }
  std::vector<bool> right(rows[0].size(), true);
  right[0] = false;
  return FormatTable(rows, right) + "\n";
}

std::vector<std::string> ResultRow(const BenchReport& report, const BenchResult& result) {
  const BenchmarkCase& what = result.what;
  const double bytes = result.rates.median() * result.bytes_per_token;
  const bool known = report.bytes_known() && report.bandwidth() > 0;
  return {what.prefill ? "prefill" : "decode",
          std::to_string(what.batch),
          std::to_string(what.depth),
          std::to_string(what.prefill ? what.prompt : what.generated),
          FormatNumber(result.rates.median(), 1),
          FormatNumber(result.rates.lowest(), 1),
          FormatNumber(result.rates.highest(), 1),
          known ? FormatNumber(bytes / 1e9, 1) : "?",
          known ? FormatNumber(100 * bytes / report.bandwidth(), 0) + " %" : "?",
          FormatNumber(result.rates.median() * result.operations_per_token / 1e9, 1)};
}

}  // namespace

double Measurements::median() const { return Percentile(sorted, 0.5); }

double BenchReport::bandwidth() const {
  double best = std::max(bandwidth_before, bandwidth_after);
  for (const ceilings::ReadCeiling& read : ceilings.reads) {
    best = std::max(best, read.bytes_per_second);
  }
  return best;
}

Outcome PrintReportJson(const BenchReport& report) {
  Json object;
  object["model"] = report.model;
  object["device"] = report.device;
  object["threads"] = report.threads;
  object["read_bandwidth_bytes_per_second"] = OrNull(report.bandwidth() > 0, report.bandwidth());
  object["read_bandwidth_before"] = OrNull(report.bandwidth_before > 0, report.bandwidth_before);
  object["read_bandwidth_after"] = OrNull(report.bandwidth_after > 0, report.bandwidth_after);
  object["ceilings"] = CeilingsJson(report.ceilings);
  object["weights_bytes_per_step"] = OrNull(report.bytes_known(), report.bytes.weights_bytes);
  object["kv_bytes_per_token"] = report.bytes.kv_bytes_per_token;
  object["load_ms"] = report.load_ms.median();
  object["load_ms_min"] = report.load_ms.lowest();
  object["load_ms_max"] = report.load_ms.highest();
  object["loads"] = report.load_ms.sorted.size();
  object["peak_rss_after_load_bytes"] = OrNull(report.memory.peak_after_load);
  object["peak_rss_bytes"] = OrNull(report.memory.peak);
  object["peak_rss_without_kv_bytes"] =
      OrNull(report.memory.peak > 0 ? report.memory.peak_without_kv() : 0);
  object["kv_bytes"] = report.memory.kv;
  object["kv_used_bytes"] = report.memory.kv_used;
  object["fingerprint"] = report.fingerprint;
  object["results"] = Json::array();
  for (const BenchResult& result : report.results) {
    object["results"].push_back(ResultJson(report, result));
  }
  return PrintJsonLine(object);
}

Outcome PrintReportTable(const BenchReport& report) {
  std::string text = report.device + ", " + std::to_string(report.threads) + " threads";
  if (report.bandwidth() > 0) {
    text += "; memory is read at " + FormatNumber(report.bandwidth_before / 1e9, 1) +
            " GB/s before and " + FormatNumber(report.bandwidth_after / 1e9, 1) +
            " after, at best " + FormatNumber(report.bandwidth() / 1e9, 1);
  }
  text += "\nloaded in " + FormatNumber(report.load_ms.median(), 0) + " ms (" +
          FormatNumber(report.load_ms.lowest(), 0) + " to " +
          FormatNumber(report.load_ms.highest(), 0) + ")" + MemoryText(report.memory) + "\n\n";
  text += ReadCeilingsText(report.ceilings.reads) + ComputeCeilingsText(report.ceilings.computes);
  std::vector<std::vector<std::string>> rows = {{"", "batch", "depth", "tokens", "tokens/s",
                                                 "lowest", "highest", "GB/s", "of bandwidth",
                                                 "Gop/s"}};
  for (const BenchResult& result : report.results) rows.push_back(ResultRow(report, result));
  std::vector<bool> right(rows[0].size(), true);
  right[0] = false;
  return Print(text + FormatTable(rows, right));
}

}  // namespace llmrt::cli
