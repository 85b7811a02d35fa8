// Loading an engine from the command line: the wait, its progress bar and Ctrl-C.
#pragma once

#include <cstdint>
#include <string>

#include "interrupt.h"
#include "library.h"

namespace llmrt::cli {

// Returns when the model at `path` is ready; a load that Ctrl-C ended is a failure.
Outcome LoadEngine(const std::string& path, llmrt_options* options, const InterruptScope& interrupt,
                   Engine* engine);

Outcome CreateSession(llmrt_engine* engine, Session* session);

// The model that the engine loaded.
Outcome GetModel(llmrt_engine* engine, Model* model);

// What a report says of an engine.
struct EngineIdentity {
  std::string fingerprint;
  std::string device;  // "cpu/avx2"
  int64_t threads = 0;
};
Outcome Identify(llmrt_engine* engine, EngineIdentity* identity);

Outcome GetFingerprint(llmrt_engine* engine, std::string* fingerprint);

}  // namespace llmrt::cli
