// Attention on the device for tests: random sequences in a paged cache with shuffled blocks and
// poison in every slot that was not written, batches of their rows, and what must come out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "cuda/kernels/attention.h"
#include "cuda/test_device.h"
#include "memory/large_buffer.h"
#include "ops/host_storage.h"
#include "tests/ops/random_data.h"

namespace llmrt::cuda {

// A row of a step: one position of one sequence.
struct AttentionRow {
  int32_t sequence;
  int32_t position;
};

// How a batch is launched. What is not set is as AttentionLaunchFor has it, for all units.
struct AttentionBatch {
  std::vector<AttentionRow> rows;
  std::vector<AttentionTile> tiles;  // none: each row alone
  int32_t tile_rows = 1;
  std::optional<AttentionVariant> variant;
  uint32_t splits = 0;  // 0: no partial states
  std::optional<backend::Range> units;
  int32_t ignored_rows = 0;  // behind the rows that count: launched, holding garbage
};

class AttentionCase {
 public:
  struct Options {
    Element element;
    int32_t num_kv_heads;
    int32_t group;
    int32_t head_dim;
    int32_t block_size;
    int major;  // of the device
  };
  // Sequence s has lengths[s] tokens.
  AttentionCase(const Options& options, std::vector<int32_t> lengths);

  // One value of sequence `sequence`, before the first Run.
  void SetValue(int32_t sequence, int32_t position, int32_t kv_head, int32_t dim, uint16_t bits);

  // The output, [rows + ignored_rows][num_q_heads * head_dim], poisoned where it was not written.
  std::vector<float> Run(const AttentionBatch& batch);
  // What Run must return.
  std::vector<float> Expected(const AttentionBatch& batch);
  // softmax(q k^T scale) v of unit `head` of a row in double, and the bound within which the
  // oracle's roundings stay.
  struct Formula {
    std::vector<double> out;
    double bound;
  };
  Formula FormulaOf(const AttentionRow& row, int32_t head) const;

  int32_t num_q_heads() const { return options_.num_kv_heads * options_.group; }
  int32_t row_floats() const { return num_q_heads() * options_.head_dim; }

 private:
  const std::vector<float>& ExpectedRow(const AttentionRow& row);
  std::vector<float> Float32Row(const AttentionRow& row) const;
  std::vector<float> MmaRow(const AttentionRow& row) const;
  const float* Query(const AttentionRow& row) const {
    return &queries_[row.sequence][int64_t{row.position} * row_floats()];
  }
  uint8_t* Slot(int32_t sequence, int32_t which, int32_t kv_head, int32_t t) const;

  Options options_;
  float scale_;
  ops::Random random_;
  memory::LargeMemory memory_{0};
  ops::PagedCache paged_;
  std::vector<std::vector<float>> queries_;  // [sequence][position][row_floats]
  std::map<std::pair<int32_t, int32_t>, std::vector<float>> expected_;
};

}  // namespace llmrt::cuda
