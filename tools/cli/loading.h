// Loading an engine from the command line: the wait, its progress bar and Ctrl-C.
#pragma once

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

Outcome GetFingerprint(llmrt_engine* engine, std::string* fingerprint);
// "cpu/avx2" of "build=...;device=cpu/avx2;...".
std::string DeviceOf(const std::string& fingerprint);

}  // namespace llmrt::cli
