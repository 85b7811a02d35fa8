// Which tokens end a generation. Files name one EOS and perhaps one end-of-turn token, while chat
// models have several (end of turn, end of message, end of text); like the rest of the field, this
// goes by their well-known names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace llmrt::text {

// Ids of the tokens whose text is a well-known end token, ascending.
std::vector<int32_t> EndTokensByName(absl::Span<const std::string> tokens);

}  // namespace llmrt::text
