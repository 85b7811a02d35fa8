// The system's words for an error number. Abseil has such a function, but it keeps a table on the
// heap for good, which a host that loads and unloads the library would lose each time.
#pragma once

#include <string>
#include <string_view>

namespace llmrt::formats {

// "cannot open x.gguf: No such file or directory"
std::string WithSystemWords(std::string_view what, int error);

}  // namespace llmrt::formats
