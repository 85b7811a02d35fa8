// A drafter that costs no model: what followed the last tokens where they stood before in the same
// session. Answers that quote their prompt, code, names and lists repeat themselves.
//
// Every place in the session is chained to the last one before it that ends with the same
// kKeyTokens tokens. A look-up follows the chain and takes the place where most tokens agree, the
// latest of equals.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace llmrt::speculation {

class PromptLookup {
 public:
  // Of a session of at most `tokens_max` tokens. All storage is allocated here.
  explicit PromptLookup(int64_t tokens_max);
  static int64_t HeapBytes(int64_t tokens_max);

  // Makes the index that of `tokens`, which begin with those of the last call but for
  // what Rewind forgot.
  void Extend(absl::Span<const int32_t> tokens);
  // Tokens that it has read.
  int64_t num_tokens() const { return num_tokens_; }
  // Forgets the tokens from `num_tokens` on.
  void Rewind(int64_t num_tokens);

  // Where the end of `tokens`, those of the last Extend, stood before.
  struct Match {
    int64_t length = 0;  // tokens that agree, up to kMatchMax; 0: there is no such place
    int64_t place = 0;   // tokens before what followed there
  };
  Match Find(absl::Span<const int32_t> tokens) const;
  // What follows if all goes on as it did there. Where that runs into the end of `tokens`, it goes
  // on with itself: the text repeats then.
  static void Continue(absl::Span<const int32_t> tokens, const Match& match,
                       absl::Span<int32_t> out);

  static constexpr int64_t kKeyTokens = 2;
  static constexpr int64_t kMatchMax = 16;

 private:
  size_t BucketOf(absl::Span<const int32_t> tokens, int64_t end) const;

  // Places are counts of tokens: place n is behind token n - 1. kNone ends a chain.
  static constexpr int32_t kNone = 0;
  std::vector<int32_t> last_;      // by bucket: the last place
  std::vector<int32_t> previous_;  // by place: the one before in its bucket
  std::vector<int32_t> bucket_;    // by place
  int64_t num_tokens_ = 0;
};

}  // namespace llmrt::speculation
