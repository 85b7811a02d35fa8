// Apart from everything else: this file is compiled again whenever a source changes.
#include "plugin/build_id.h"

#include "backend/plugin_table.h"
#include "generated/build_id.h"

namespace llmrt::plugin {

static_assert(sizeof(generated::kBuildId) == backend::kBuildIdBytes);

std::string_view BuildId() { return generated::kBuildId; }

}  // namespace llmrt::plugin
