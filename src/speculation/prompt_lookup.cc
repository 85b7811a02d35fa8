#include "speculation/prompt_lookup.h"

#include <algorithm>
#include <bit>

#include "memory/counted_heap.h"

namespace llmrt::speculation {
namespace {

// Places that one look-up visits: a token that repeats for pages must not make it slow.
constexpr int kVisitsMax = 64;

size_t NumBuckets(int64_t tokens_max) {
  return std::bit_ceil(static_cast<size_t>(std::max<int64_t>(1, tokens_max)));
}

// Tokens that agree before places `a` and `b`, b < a.
int64_t Agreement(absl::Span<const int32_t> tokens, int64_t a, int64_t b) {
  const int64_t most = std::min(b, PromptLookup::kMatchMax);
  int64_t length = 0;
  while (length < most && tokens[static_cast<size_t>(a - 1 - length)] ==
                              tokens[static_cast<size_t>(b - 1 - length)]) {
    ++length;
  }
  return length;
}

}  // namespace

PromptLookup::PromptLookup(int64_t tokens_max)
    : last_(NumBuckets(tokens_max), kNone),
      previous_(static_cast<size_t>(tokens_max) + 1),
      bucket_(static_cast<size_t>(tokens_max) + 1) {}

int64_t PromptLookup::HeapBytes(int64_t tokens_max) {
  constexpr int64_t kPlace = sizeof(int32_t);
  return memory::HeapBytesOf(static_cast<int64_t>(NumBuckets(tokens_max)) * kPlace) +
         2 * memory::HeapBytesOf((tokens_max + 1) * kPlace);
}

size_t PromptLookup::BucketOf(absl::Span<const int32_t> tokens, int64_t end) const {
  uint64_t hash = 0;
  for (int64_t i = end - kKeyTokens; i < end; ++i) {
    hash = (hash ^ static_cast<uint32_t>(tokens[static_cast<size_t>(i)])) * 0x9e3779b97f4a7c15;
  }
  return static_cast<size_t>(hash >> 32) & (last_.size() - 1);
}

void PromptLookup::Extend(absl::Span<const int32_t> tokens) {
  const auto end = static_cast<int64_t>(tokens.size());
  for (int64_t place = std::max(kKeyTokens, num_tokens_ + 1); place <= end; ++place) {
    const size_t bucket = BucketOf(tokens, place);
    bucket_[static_cast<size_t>(place)] = static_cast<int32_t>(bucket);
    previous_[static_cast<size_t>(place)] = last_[bucket];
    last_[bucket] = static_cast<int32_t>(place);
  }
  num_tokens_ = end;
}

void PromptLookup::Rewind(int64_t num_tokens) {
  // The last place of all is the last one of its bucket.
  for (; num_tokens_ > num_tokens; --num_tokens_) {
    if (num_tokens_ < kKeyTokens) continue;
    const auto place = static_cast<size_t>(num_tokens_);
    last_[static_cast<size_t>(bucket_[place])] = previous_[place];
  }
}

PromptLookup::Match PromptLookup::Find(absl::Span<const int32_t> tokens) const {
  Match match;
  if (num_tokens_ < kKeyTokens) return match;
  int32_t place = previous_[static_cast<size_t>(num_tokens_)];
  for (int visits = 0; place != kNone && visits < kVisitsMax && match.length < kMatchMax;
       ++visits, place = previous_[static_cast<size_t>(place)]) {
    // Different tokens may share a bucket.
    const int64_t length = Agreement(tokens, num_tokens_, place);
    if (length >= kKeyTokens && length > match.length) match = {length, place};
  }
  return match;
}

void PromptLookup::Continue(absl::Span<const int32_t> tokens, const Match& match,
                            absl::Span<int32_t> out) {
  const auto place = static_cast<size_t>(match.place);
  const size_t period = tokens.size() - place;
  for (size_t i = 0; i < out.size(); ++i) out[i] = i < period ? tokens[place + i] : out[i - period];
}

}  // namespace llmrt::speculation
