// Draws tokens from rows of logits (draw.h). DrawPartsKernel: a thread looks at every
// BlockThreads()-th token of the block's part, warps find their best by exchanges, and the first
// warp that of all warps through shared memory (a DrawPart a warp). DrawMergeKernel: one warp finds
// the best of a request's parts the same way. "Best" is a total order (larger, then lower token),
// so how the work is split changes nothing.
#include "cuda/device/device.h"
#include "cuda/kernels/draw.h"
#include "numerics/exact_math_constants.h"
#include "numerics/noise.h"

namespace llmrt::cuda {
namespace {

constexpr float kInfinity = numerics::constants::kInfinity;
constexpr uint32_t kDrawWarps = kDrawThreads / kWarpLanes;

struct Best {
  float value = -kInfinity;
  int32_t token = -1;  // none
};

// What is known of some tokens.
struct Seen {
  Best largest;  // logit
  Best score;
  bool not_a_number = false;
};

LLMRT_DEVICE void Offer(Best candidate, Best& best) {
  const bool lower = candidate.value == best.value && candidate.token < best.token;
  const bool better = best.token < 0 || candidate.value > best.value || lower;
  if (candidate.token >= 0 && better) best = candidate;
}

LLMRT_DEVICE void OfferPart(const DrawPart* part, Seen& seen) {
  Offer({Load(&part->largest), Load(&part->largest_token)}, seen.largest);
  Offer({Load(&part->score), Load(&part->score_token)}, seen.score);
  seen.not_a_number |= Load(&part->not_a_number) != 0;
}

LLMRT_DEVICE void StorePart(DrawPart* part, const Seen& seen) {
  Store(&part->largest, seen.largest.value);
  Store(&part->largest_token, seen.largest.token);
  Store(&part->score, seen.score.value);
  Store(&part->score_token, seen.score.token);
  Store(&part->not_a_number, int32_t{seen.not_a_number});
}

LLMRT_DEVICE Best BestOfWarp(Best best) {
  for (uint32_t mask = kWarpLanes / 2; mask > 0; mask /= 2) {
    Offer({ShuffleXor(best.value, mask), ShuffleXor(best.token, mask)}, best);
  }
  return best;
}

LLMRT_DEVICE Seen OfWarp(const Seen& seen) {
  return {BestOfWarp(seen.largest), BestOfWarp(seen.score), Ballot(seen.not_a_number) != 0};
}

// Tokens first + thread, first + thread + threads, ... below `end`, of this request.
LLMRT_DEVICE Seen LookAt(const float* logits, const DrawRequest* request, int32_t first,
                         int32_t end) {
  const float temperature = Load(&request->temperature);
  const uint64_t seed = Load(&request->seed);
  const int64_t position = Load(&request->position);
  const int32_t sample_index = Load(&request->sample_index);
  Seen seen;
  for (int32_t token = first + static_cast<int32_t>(ThreadIndex()); token < end;
       token += static_cast<int32_t>(BlockThreads())) {
    const float logit = Load(logits + token);
    seen.not_a_number |= !(logit < kInfinity);
    // Tokens ascend, so the first of equals is the lowest.
    if (logit > seen.largest.value) seen.largest = {logit, token};
    if (temperature == 0.0f) continue;
    const float scaled = logit / temperature;
    if (!(scaled > -kInfinity)) continue;
    const float score = numerics::GumbelScore(scaled, seed, position, token, sample_index);
    if (score > seen.score.value) seen.score = {score, token};
  }
  return seen;
}

LLMRT_DEVICE DrawState StateOf(const Seen& seen, float temperature) {
  if (seen.not_a_number) return DrawState::kNotANumber;
  if (seen.largest.token < 0) return DrawState::kNothing;
  if (temperature == 0.0f || numerics::IsFinite(seen.largest.value / temperature)) {
    return DrawState::kDrawn;
  }
  return DrawState::kScaledTooFar;
}

}  // namespace

LLMRT_KERNEL(DrawPartsKernel, DrawArgs, kDrawThreads) {
  const uint32_t index = BlockIndexY();
  if (index >= static_cast<uint32_t>(Load(args.num_requests))) return;
  const DrawRequest* request = args.requests + index;
  const float* logits = args.logits + int64_t{Load(&request->logit_row)} * args.vocab_size;
  const uint32_t part = BlockIndexX();
  const int32_t first = static_cast<int32_t>(part) * kDrawPartTokens;
  const int32_t left = args.vocab_size - first;
  const int32_t end = first + (left < kDrawPartTokens ? left : kDrawPartTokens);

  DrawPart* of_warps = reinterpret_cast<DrawPart*>(SharedMemory());
  const Seen of_warp = OfWarp(LookAt(logits, request, first, end));
  const uint32_t lane = LaneIndex();
  const uint32_t warp = WarpIndex();
  if (lane == 0) StorePart(of_warps + warp, of_warp);
  SyncBlock();
  if (warp != 0) return;
  Seen seen;
  if (lane < kDrawWarps) OfferPart(of_warps + lane, seen);
  seen = OfWarp(seen);
  const int64_t place = int64_t{index} * DrawParts(args.vocab_size) + part;
  if (lane == 0) StorePart(args.parts + place, seen);
}

LLMRT_KERNEL(DrawMergeKernel, DrawArgs, kWarpLanes) {
  const uint32_t index = BlockIndexY();
  if (index >= static_cast<uint32_t>(Load(args.num_requests))) return;
  const uint32_t num_parts = DrawParts(args.vocab_size);
  const DrawPart* parts = args.parts + int64_t{index} * num_parts;
  Seen seen;
  for (uint32_t part = LaneIndex(); part < num_parts; part += kWarpLanes) {
    OfferPart(parts + part, seen);
  }
  seen = OfWarp(seen);
  if (LaneIndex() != 0) return;

  const float temperature = Load(&args.requests[index].temperature);
  const DrawState state = StateOf(seen, temperature);
  const int32_t drawn = temperature == 0.0f ? seen.largest.token : seen.score.token;
  DrawResult* result = args.results + index;
  Store(&result->token, state == DrawState::kDrawn ? drawn : -1);
  Store(&result->state, state);
  Store(&result->largest, seen.largest.value);
  Store(&result->reserved, 0);
}

}  // namespace llmrt::cuda
