#include "gpu/report.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace llmrt::gpu {
namespace {

const char* VerdictName(Verdict verdict) {
  return verdict == Verdict::kInfo ? "" : verdict == Verdict::kGood ? "ok" : "BAD";
}

}  // namespace

void Report::Add(Row row) {
  std::printf("%-44s %14.6g %-10s %-4s %s\n", row.name.c_str(), row.value, row.unit.c_str(),
              VerdictName(row.verdict), row.remark.c_str());
  std::fflush(stdout);
  good_ = good_ && row.verdict != Verdict::kBad;
  rows_.push_back(std::move(row));
}

void Report::Check(const std::string& name, bool good, const std::string& remark) {
  Add({.name = name,
       .value = good ? 1.0 : 0.0,
       .unit = "",
       .verdict = good ? Verdict::kGood : Verdict::kBad,
       .remark = remark});
}

bool Report::WriteJson(const std::string& path) const {
  nlohmann::json rows = nlohmann::json::array();
  for (const Row& row : rows_) {
    rows.push_back({{"name", row.name},
                    {"value", row.value},
                    {"unit", row.unit},
                    {"verdict", VerdictName(row.verdict)},
                    {"remark", row.remark}});
  }
  std::ofstream file(path);
  file << nlohmann::json{{"good", good_}, {"rows", rows}}.dump(1) << "\n";
  return file.good();
}

}  // namespace llmrt::gpu
