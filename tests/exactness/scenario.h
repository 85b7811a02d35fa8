// Conversations side by side in one engine that does everything to them that it may: any batch,
// chunk, block size and arrival, forks that run beside their parents, rewinds, blocks that are too
// few (preemption, eviction, recompute), readers that lag, neighbours that are cancelled. Each must
// answer what it answers alone, and leave the same KV. Where they speculate, tokens are drafted
// whether it pays or not, by look-up and by drafters that know the answer more or less well, or
// fail.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/engine.h"
#include "tests/exactness/conversation.h"

namespace llmrt::testing {

struct ScenarioCounts {
  int64_t conversations = 0;
  int64_t turns = 0;
  int64_t forks = 0;
  int64_t rewinds = 0;
  int64_t cancelled = 0;
  int64_t preemptions = 0;
  int64_t tokens_recomputed = 0;
  int64_t evicted_turns = 0;  // turns that found less KV than their session had
  int64_t kv_compared = 0;    // tokens whose KV was still there at the end, and equal
  int64_t largest_batch = 0;  // streams that ran at a time
  int64_t drafted = 0;
  int64_t accepted = 0;
  int64_t drafters_dropped = 0;  // that failed on purpose

  void Add(const ScenarioCounts& other);
};

// Sixty-four streams that all decode in the same steps, on an engine that has room for them. Here
// and below `on` says on what device, with what cache.
ScenarioCounts RunFullBatch(const std::shared_ptr<engine::ModelSource>& source,
                            const engine::EngineOptions& on, std::mt19937_64& rng);

// What a scenario may do.
struct ScenarioStyle {
  int64_t most = 64;  // conversations
  bool speculates = false;
};

// Runs one scenario; a difference is a gtest failure.
ScenarioCounts RunScenario(const std::shared_ptr<engine::ModelSource>& source,
                           const engine::EngineOptions& on,
                           absl::Span<const Conversation> conversations, std::mt19937_64& rng,
                           const ScenarioStyle& style = {});

}  // namespace llmrt::testing
