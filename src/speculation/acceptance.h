// How often a drafter was right about a stream, by depth: of the first drafted token, of the second
// where the first was right, and so on.
#pragma once

#include <cstdint>

namespace llmrt::speculation {

inline constexpr int64_t kDraftMax = 16;  // tokens drafted for one stream in one step

class Acceptance {
 public:
  // Nothing is known yet: an average drafter's.
  Acceptance() = default;
  // As `others` were, until more is known: what they tell weighs as much as a few drafts.
  static Acceptance Like(const Acceptance& others);

  // Of `drafted` tokens the first `kept` were right; at most kDraftMax.
  void Observe(int64_t drafted, int64_t kept);
  // The chance that the first `depth` tokens are all right, 1 to kDraftMax. Falls with depth.
  double Survival(int64_t depth) const;

 private:
  struct Count {
    double tried = 0;
    double kept = 0;
  };
  Count counts_[kDraftMax];  // both fade with each step
};

}  // namespace llmrt::speculation
