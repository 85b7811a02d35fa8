#include "number_list.h"

#include <charconv>

namespace llmrt::cli {

Outcome ParseNumberList(const std::string& text, std::string_view flag, int64_t least,
                        std::vector<int64_t>* values) {
  // No list needs larger ones, and sums of a few of them stay far from overflow.
  constexpr int64_t kMost = int64_t{1} << 31;
  std::vector<int64_t> parsed;
  const char* next = text.data();
  const char* const end = next + text.size();
  for (;;) {
    int64_t value = 0;
    const auto [rest, error] = std::from_chars(next, end, value);
    const bool ended = rest == end;
    if (error != std::errc() || value < least || value > kMost || (!ended && *rest != ',')) {
      return WrongUsage(std::string(flag) + " wants numbers from " + std::to_string(least) +
                        " up, separated by commas, not '" + text + "'");
    }
    parsed.push_back(value);
    if (ended) break;
    next = rest + 1;
  }
  *values = parsed;
  return Done();
}

}  // namespace llmrt::cli
