// Flag values that are lists of whole numbers: "1,4,16".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.h"

namespace llmrt::cli {

// Replaces `values` where `text` is not empty. Wrong usage of `flag`: what is no list of numbers
// from `least` up, or no number at all between two commas.
Outcome ParseNumberList(const std::string& text, std::string_view flag, int64_t least,
                        std::vector<int64_t>* values);

}  // namespace llmrt::cli
