// The flags that say how tokens are drawn and when a generation ends, shared by the commands that
// generate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arguments.h"
#include "library.h"

namespace llmrt::cli {

class SamplingFlags {
 public:
  void AddTo(Arguments* arguments);

  // Stream options with what was given.
  Outcome MakeOptions(Options* options) const;

 private:
  std::optional<int64_t> max_tokens_;
  std::optional<double> temperature_;
  std::optional<int64_t> top_k_;
  std::optional<double> top_p_;
  std::optional<double> min_p_;
  std::optional<int64_t> seed_;
  bool ignore_eos_ = false;
};

// Ends the stream before any of `strings`.
Outcome SetStopStrings(llmrt_options* options, const std::vector<std::string>& strings);

}  // namespace llmrt::cli
