// The flags that every command with an engine knows, and the engine options that they stand for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "arguments.h"
#include "library.h"

namespace llmrt::cli {

class EngineFlags {
 public:
  void AddTo(Arguments* arguments);

  // Engine options with what was given. A value that this build does not have is a failure, not
  // wrong usage: the same command line works where it does.
  Outcome MakeOptions(Options* options) const;

 private:
  std::optional<std::string> device_;
  std::optional<int64_t> threads_;
  std::optional<std::string> kv_type_;
  std::optional<int64_t> memory_bytes_;
  std::optional<std::string> numerics_;
  std::optional<std::string> tier_;
  std::optional<std::string> plugin_folder_;
};

// Sets one option where `value` is given. Numbers outside the library's bounds are wrong usage of
// `flag`.
Outcome SetInteger(llmrt_options* options, llmrt_option key, std::string_view flag,
                   const std::optional<int64_t>& value);
Outcome SetNumber(llmrt_options* options, llmrt_option key, std::string_view flag,
                  const std::optional<double>& value);
Outcome SetText(llmrt_options* options, llmrt_option key, std::string_view flag,
                const std::optional<std::string>& value);

}  // namespace llmrt::cli
