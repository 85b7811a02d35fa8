// The name of this build, as llmrt_version and fingerprints give it.
#pragma once

#include <string_view>

namespace llmrt::engine {

// "0.1.0": the version that the build system gave.
std::string_view BuildName();

}  // namespace llmrt::engine
