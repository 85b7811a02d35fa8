#include "engine/heap_plan.h"

#include "engine/active_stream.h"
#include "engine/drafting.h"
#include "engine/engine_core.h"
#include "engine/resources.h"
#include "engine/session.h"
#include "engine/session_state.h"
#include "engine/step.h"
#include "engine/stream.h"
#include "engine/stream_state.h"
#include "memory/counted_heap.h"
#include "model/forward_pass.h"
#include "model/llama_weights.h"
#include "model/rope_pieces.h"
#include "sampling/sampler.h"

namespace llmrt::engine {
namespace {

using memory::HeapBytesOf;

// A shared pointer's counts stand before the object.
constexpr int64_t kSharedCounts = 16;

// An object of the backend for each matrix: storage, type and sizes (80 bytes hold each of them).
constexpr int64_t kMatrixObject = HeapBytesOf(80);
constexpr int64_t kMatricesALayer = 7;

// Backend, caches, names, the load's log record: a few dozen objects of 32 to 300 bytes, whose
// number does not depend on the model.
constexpr int64_t kSmallObjects = 4608;
// A thread's start record and handle.
constexpr int64_t kThreadObjects = 96;
// For what a step allocates and frees: texts of tokens, lists of candidates.
constexpr int64_t kStreamReserve = 8 << 10;

}  // namespace

int64_t StreamReserveBytes(int32_t sessions) {
  return kStreamReserve + sessions * StreamState::RunningHeapBytes();
}

int64_t LoadingHeapBytes(const HeapShape& shape) {
  const int64_t matrices = kMatricesALayer * shape.num_layers + 2;
  return shape.model.bytes + HeapBytesOf(sizeof(Engine) + kSharedCounts) +
         HeapBytesOf(sizeof(EngineCore)) + HeapBytesOf(sizeof(Resources)) +
         HeapBytesOf(shape.num_layers * int64_t{sizeof(model::LlamaLayer)}) +
         matrices * kMatrixObject + shape.threads * kThreadObjects + kSmallObjects +
         shape.staging_bytes;
}

int64_t LoadedHeapBytes(const HeapShape& shape, int64_t kv_blocks) {
  return LoadingHeapBytes(shape) - shape.staging_bytes + HeapBytesOf(sizeof(model::ForwardPass)) +
         model::RopePieces::HeapBytes(shape.rope_dims, shape.limits.context_length) +
         HeapBytesOf(sizeof(kv::PagedCache)) + kv::BlockPool::HeapBytes(kv_blocks) +
         scheduler::Scheduler::HeapBytes(shape.running_max) +
         sampling::Sampler::ScratchBytes(shape.vocab_size) +
         Step::HeapBytes(shape.limits, shape.running_max) +
         (shape.draft_max > 0 ? Drafting::HeapBytes(shape.running_max) : 0);
}

int64_t SessionHeapBytes(const HeapShape& shape, int64_t context_length) {
  // The lists of streams, the engine's and the scheduler's: an entry in each, and as much again for
  // their growth.
  constexpr int64_t kLists = 2 * (2 * sizeof(void*) + sizeof(std::weak_ptr<StreamState>));
  return HeapBytesOf(sizeof(Session) + kSharedCounts) +
         HeapBytesOf(sizeof(Stream) + kSharedCounts) +
         SessionState::HeapBytes(context_length, shape.block_size, shape.draft_lookup) +
         (shape.draft_max > 0 ? HeapBytesOf(sizeof(speculation::StreamDrafts)) : 0) +
         StreamState::HeapBytes(context_length, shape.draft_max > 0) +
         HeapBytesOf(sizeof(ActiveStream)) + kLists;
}

int64_t RunningHeapBytes(const HeapShape& shape, int64_t kv_blocks, int64_t context_length) {
  const int64_t session = SessionHeapBytes(shape, context_length);
  // One array of tokens grows at a time: the old one is there until the new one is filled.
  const int64_t growing = HeapBytesOf(context_length * int64_t{sizeof(int32_t)});
  // The three lists of streams begin with room for four.
  constexpr int64_t kLists = 3 * HeapBytesOf(4 * sizeof(std::weak_ptr<StreamState>));
  return LoadedHeapBytes(shape, kv_blocks) + shape.sessions * session + kLists + growing +
         kStreamReserve;
}

}  // namespace llmrt::engine
