// What an engine's small objects will take, worked out before they are made. The model's part is
// measured (it is open when a plan is made); the rest follows from sizes: arrays that the load
// makes once, and sessions with a stream each at their full context.
//
// The formulas say "at least", by little: what a plan adds beyond what is ever used is memory that
// a budget does not give to KV. tests/engine/heap_plan_test.cc and tests/budget hold them to 2 % of
// the whole.
#pragma once

#include <cstdint>

#include "engine/model.h"
#include "model/workspace_layout.h"

namespace llmrt::engine {

struct HeapShape {
  ModelHeap model;
  model::StepLimits limits;
  int64_t running_max = 0;    // streams in a step
  int32_t draft_max = 0;      // tokens drafted for a stream in a step
  bool draft_lookup = false;  // sessions are indexed for prompt lookup
  int32_t num_layers = 0;
  int32_t vocab_size = 0;
  int32_t rope_dims = 0;
  int32_t threads = 0;
  int32_t sessions = 0;
  int32_t block_size = 0;     // tokens
  int64_t staging_bytes = 0;  // of the load's reads
};

// The most while weights are read; KV, workspace and step arrays are not there yet.
int64_t LoadingHeapBytes(const HeapShape& shape);

// After the load, before there is a session.
int64_t LoadedHeapBytes(const HeapShape& shape, int64_t kv_blocks);

// Of one session that holds `context_length` tokens, with a stream of which nothing is read yet.
int64_t SessionHeapBytes(const HeapShape& shape, int64_t context_length);

// What streams that run may still allocate, by number of sessions: part of RunningHeapBytes, and
// kept free for them when sessions, prompts and streams are added.
int64_t StreamReserveBytes(int32_t sessions);

// The most at any time after the load: all sessions full.
int64_t RunningHeapBytes(const HeapShape& shape, int64_t kv_blocks, int64_t context_length);

}  // namespace llmrt::engine
