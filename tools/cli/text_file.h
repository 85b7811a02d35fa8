// A text file, whole.
#pragma once

#include <string>

#include "outcome.h"

namespace llmrt::cli {

Outcome ReadTextFile(const std::string& path, std::string* text);

}  // namespace llmrt::cli
