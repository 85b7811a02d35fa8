// The name of this build, as llmrt_version and fingerprints give it.
#pragma once

#include <string_view>

namespace llmrt::engine {

// "0.1.0 (3f2a91c5d07e)": the version, and the beginning of the linker's hash of the file that this
// code was loaded from (where the system has such hashes), so that no two builds have the same
// name.
std::string_view BuildName();

}  // namespace llmrt::engine
