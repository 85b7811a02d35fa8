// Runs tokens through a model in whatever pieces a test likes and keeps the bits: logits of every
// position and the bytes of every KV block.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/create_backend.h"
#include "model/forward_pass.h"
#include "model/llama_config.h"
#include "model/llama_weights.h"

namespace llmrt::testing {

struct RunnerOptions {
  backend::NumericMode numerics = backend::NumericMode::kExact;
  backend::CpuTier tier = backend::CpuTier::kPortable;
  int32_t threads = 1;
  backend::JobHook job_hook;
  backend::KvType kv_type = backend::KvType::kF16;
  int32_t block_size = 16;
  int64_t slice_cost = int64_t{1} << 40;
  int64_t slice_us = 0;  // if not 0, slices are cut by time instead
  int64_t rows = 320;    // that a step may hold
  // Makes another backend than the one that numerics, tier, threads and job_hook ask for.
  std::function<std::unique_ptr<backend::Backend>(memory::LargeMemory&)> make;
  // Puts a backend of the test's around the one that the options above ask for.
  std::function<std::unique_ptr<backend::Backend>(std::unique_ptr<backend::Backend>)> wrap;
  // Sees the cursor between two slices of Step and StepRemoving.
  std::function<void(const model::Cursor&)> watch;
};

// One model on one backend, with room for `kSequences` sequences whose blocks lie scattered.
class StepRunner {
 public:
  static constexpr int32_t kSequences = 3;

  StepRunner(const formats::ModelFile& file, const RunnerOptions& options);

  struct Piece {
    int32_t sequence;
    std::vector<int32_t> tokens;
  };

  // One step of these pieces, each continuing its sequence. Logits of all its rows, in order.
  std::vector<std::vector<float>> Step(const std::vector<Piece>& pieces);

  // Begins a step of these pieces, runs `slices` slices of it and abandons it. Returns where it
  // stood; its op is kDone when the step was over before.
  model::Cursor AbandonAfter(const std::vector<Piece>& pieces, int64_t slices);

  // Rows that leave a step, counted among those that are left when they do.
  struct Removal {
    int64_t after_slices = 0;  // of the whole step
    int64_t first = 0;
    int64_t count = 0;
  };
  // A step of these pieces that loses rows on its way: whole pieces or their ends. Logits of the
  // rows that stayed, in order; in `where` the cursor before each removal. A removal that the step
  // is too far for does not happen, and `where` lacks it.
  std::vector<std::vector<float>> StepRemoving(const std::vector<Piece>& pieces,
                                               const std::vector<Removal>& removals,
                                               std::vector<model::Cursor>& where);

  // Forgets the last tokens of a sequence.
  void Rewind(int32_t sequence, int64_t length) {
    lengths_[static_cast<size_t>(sequence)] = length;
  }

  // Sequence 0 is empty again; its tokens will lie elsewhere in the same blocks.
  void DropKv();

  // Runs `tokens` of sequence 0 in pieces of these sizes, the last one again and again.
  std::vector<std::vector<float>> Run(const std::vector<int32_t>& tokens,
                                      const std::vector<int64_t>& chunks);

  // Runs `tokens` of sequence 0 in pieces of `chunk` and returns the logits of every position.
  std::vector<std::vector<float>> Run(const std::vector<int32_t>& tokens, int64_t chunk);

  // KV of a sequence: for each layer, K or V, and head the rows of its tokens, whatever the blocks'
  // size.
  std::vector<uint8_t> KvBytes(int32_t sequence);

  model::ForwardPass& pass() { return *pass_; }
  int32_t vocab_size() const { return config_.vocab_size; }
  int64_t length(int32_t sequence) const { return lengths_[static_cast<size_t>(sequence)]; }
  int64_t slices() const { return slices_; }
  memory::LargeMemory& memory() { return memory_; }

 private:
  // The rows of a step; what a batch points at until the step is over.
  struct Rows {
    std::vector<int32_t> tokens, positions, sequences, logit_rows;
    std::vector<absl::Span<const int32_t>> tables;
    backend::Batch batch;
    void PointBatch();
  };
  static void RemoveFrom(Rows& rows, const Removal& removal);
  std::vector<std::vector<float>> LogitsOf(const Rows& rows) const;
  void Begin(const std::vector<Piece>& pieces, Rows& rows);
  bool AdvanceOnce();

  memory::LargeMemory memory_{0};
  RunnerOptions options_;
  model::LlamaConfig config_;
  std::unique_ptr<backend::Backend> backend_;
  model::LlamaWeights weights_;
  std::unique_ptr<backend::KvCache> cache_;
  std::unique_ptr<model::ForwardPass> pass_;
  std::vector<std::vector<int32_t>> tables_;
  std::vector<int64_t> lengths_;
  int64_t slices_ = 0;
};

// The tiers that this machine has, the plainest first, and their names in names of tests.
std::vector<backend::CpuTier> TiersHere();
std::string NameOfTier(backend::CpuTier tier);

// Sizes of at least 1 that add up to `count`, by seed: many small ones and some large.
std::vector<int64_t> RandomPartition(int64_t count, int64_t largest, uint32_t seed);

// `count` token ids below `vocab_size`, by seed.
std::vector<int32_t> RandomTokens(int64_t count, int32_t vocab_size, uint32_t seed);

}  // namespace llmrt::testing
