#include "formats/quote_for_message.h"

#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace llmrt::formats {
namespace {

// Longer than any tensor name of a known model, short enough for a line.
constexpr size_t kBytesMax = 80;

}  // namespace

std::string QuoteForMessage(std::string_view bytes) {
  const bool cut = bytes.size() > kBytesMax;
  // CHexEscape leaves nothing but printable ASCII, whatever the bytes are.
  return absl::StrCat("\"", absl::CHexEscape(std::string(bytes.substr(0, kBytesMax))),
                      cut ? "...\"" : "\"");
}

}  // namespace llmrt::formats
