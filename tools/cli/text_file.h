// Text files, whole.
#pragma once

#include <string>

#include "outcome.h"

namespace llmrt::cli {

Outcome ReadTextFile(const std::string& path, std::string* text);
Outcome WriteTextFile(const std::string& path, const std::string& text);

}  // namespace llmrt::cli
