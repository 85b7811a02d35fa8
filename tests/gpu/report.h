// What a program that looks at a GPU has to say: rows of a table for people, and the same as JSON.
#pragma once

#include <string>
#include <vector>

namespace llmrt::gpu {

enum class Verdict { kInfo, kGood, kBad };

struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  Verdict verdict = Verdict::kInfo;
  std::string remark;
};

class Report {
 public:
  void Add(Row row);
  // A row that only says whether something held.
  void Check(const std::string& name, bool good, const std::string& remark);
  bool good() const { return good_; }
  // One JSON object: {"rows": [...]}. False where the file cannot be written.
  bool WriteJson(const std::string& path) const;

 private:
  std::vector<Row> rows_;
  bool good_ = true;
};

}  // namespace llmrt::gpu
