// Names and values from files and hosts, fit for an error message.
#pragma once

#include <string>
#include <string_view>

namespace llmrt::formats {

// Bytes of an untrusted string as one printable line: quoted, escaped, cut to 80.
std::string QuoteForMessage(std::string_view bytes);

}  // namespace llmrt::formats
