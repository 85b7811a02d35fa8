#include "engine/build_name.h"

namespace llmrt::engine {

std::string_view BuildName() { return LLMRT_BUILD_NAME; }

}  // namespace llmrt::engine
