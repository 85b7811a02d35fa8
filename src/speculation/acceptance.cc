#include "speculation/acceptance.h"

#include <algorithm>

namespace llmrt::speculation {
namespace {

// What one step leaves of the counts: about thirty drafts are remembered.
constexpr double kFade = 31.0 / 32;

// Where nothing is known a depth counts as the one before it, and the first as right half of the
// time; that weighs as much as two drafts.
constexpr double kFirstGuess = 0.5;
constexpr double kGuessWeight = 2;

// What others' drafts weigh for a stream of its own, at most.
constexpr double kOthersWeight = 4;

}  // namespace

Acceptance Acceptance::Like(const Acceptance& others) {
  Acceptance like;
  for (int64_t i = 0; i < kDraftMax; ++i) {
    const Count& count = others.counts_[i];
    const double share = count.tried > kOthersWeight ? kOthersWeight / count.tried : 1;
    like.counts_[i] = {.tried = share * count.tried, .kept = share * count.kept};
  }
  return like;
}

void Acceptance::Observe(int64_t drafted, int64_t kept) {
  // Behind the first wrong token nothing is learned.
  const int64_t tried = std::min({drafted, kept + 1, kDraftMax});
  for (int64_t i = 0; i < tried; ++i) {
    counts_[i].tried = kFade * counts_[i].tried + 1;
    counts_[i].kept = kFade * counts_[i].kept + (i < kept ? 1 : 0);
  }
}

double Acceptance::Survival(int64_t depth) const {
  double survival = 1, right = kFirstGuess;
  for (int64_t i = 0; i < std::min(depth, kDraftMax); ++i) {
    right = (counts_[i].kept + kGuessWeight * right) / (counts_[i].tried + kGuessWeight);
    survival *= right;
  }
  return survival;
}

}  // namespace llmrt::speculation
