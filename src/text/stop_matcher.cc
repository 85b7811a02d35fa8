#include "text/stop_matcher.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace llmrt::text {

absl::StatusOr<StopMatcher> StopMatcher::Create(std::vector<std::string> stop_strings) {
  StopMatcher matcher;
  matcher.patterns_.reserve(stop_strings.size());
  for (size_t i = 0; i < stop_strings.size(); ++i) {
    if (stop_strings[i].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("stop string ", i, " is empty; leave it out to generate without it"));
    }
    if (stop_strings[i].size() > std::numeric_limits<int32_t>::max()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "stop string ", i, " is ", stop_strings[i].size(), " bytes; the limit is 2147483647"));
    }
    Pattern pattern;
    pattern.text = std::move(stop_strings[i]);
    pattern.borders.assign(pattern.text.size(), 0);
    for (size_t end = 1; end < pattern.text.size(); ++end) {
      int32_t border = pattern.borders[end - 1];
      while (border > 0 && pattern.text[end] != pattern.text[border]) {
        border = pattern.borders[border - 1];
      }
      if (pattern.text[end] == pattern.text[border]) ++border;
      pattern.borders[end] = border;
    }
    matcher.patterns_.push_back(std::move(pattern));
  }
  return matcher;
}

int32_t StopMatcher::Advance(char byte) {
  int32_t complete = -1;
  for (size_t i = 0; i < patterns_.size(); ++i) {
    Pattern& pattern = patterns_[i];
    while (pattern.state > 0 && pattern.text[pattern.state] != byte) {
      pattern.state = pattern.borders[pattern.state - 1];
    }
    if (pattern.text[pattern.state] == byte) ++pattern.state;
    if (pattern.state < static_cast<int32_t>(pattern.text.size())) continue;
    if (complete < 0 || pattern.text.size() > patterns_[complete].text.size()) {
      complete = static_cast<int32_t>(i);
    }
  }
  return complete;
}

StopMatcher::Output StopMatcher::Feed(std::string_view bytes) {
  Output out;
  if (matched()) {
    out.matched = true;
    out.stop_index = stop_index_;
    return out;
  }
  if (patterns_.empty()) {
    out.text = bytes;
    return out;
  }
  out.text = std::exchange(held_, std::string());
  out.text.reserve(out.text.size() + bytes.size());
  for (const char byte : bytes) {
    out.text.push_back(byte);
    stop_index_ = Advance(byte);
    if (!matched()) continue;
    // Held text begins where the longest partial match began, so the match lies in out.text whole.
    out.text.resize(out.text.size() - patterns_[stop_index_].text.size());
    out.matched = true;
    out.stop_index = stop_index_;
    return out;
  }
  int32_t keep = 0;
  for (const Pattern& pattern : patterns_) keep = std::max(keep, pattern.state);
  held_ = out.text.substr(out.text.size() - static_cast<size_t>(keep));
  out.text.resize(out.text.size() - held_.size());
  return out;
}

std::string StopMatcher::Flush() {
  stop_index_ = -1;
  for (Pattern& pattern : patterns_) pattern.state = 0;
  return std::exchange(held_, std::string());
}

}  // namespace llmrt::text
