// The id of this build: a hash of its sources, compiler and flags (cmake/BuildId.cmake). A plugin
// with another one is not spoken to.
#pragma once

#include <string_view>

namespace llmrt::plugin {

// 64 hex digits.
std::string_view BuildId();

}  // namespace llmrt::plugin
