// The tokens before a draw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace llmrt::sampling {

// Those that were said, then those that are only drafted.
struct History {
  History() = default;
  // Conversions on purpose: most draws have no drafts before them.
  History(const std::vector<int32_t>& tokens) : said(tokens) {}  // NOLINT
  History(absl::Span<const int32_t> tokens) : said(tokens) {}    // NOLINT
  History(absl::Span<const int32_t> tokens, absl::Span<const int32_t> drafts)
      : said(tokens), drafted(drafts) {}

  size_t size() const { return said.size() + drafted.size(); }

  absl::Span<const int32_t> said;
  absl::Span<const int32_t> drafted;
};

}  // namespace llmrt::sampling
