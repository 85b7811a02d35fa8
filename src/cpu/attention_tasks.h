// How an Attention op is cut for the threads. A task is a window of rows, a KV head, and some of
// the query heads that read it (all of them, but where there are too few KV heads to go round).
// Inside it, rows of one sequence at consecutive positions go to the kernel as one block, so that
// a prompt's chunk, or rows to verify, read each key once; rows of other sequences follow, block by
// block. Nothing is allocated, and no bit depends on any cut.
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "cpu/cpu_kv_cache.h"
#include "cpu/kernel_table.h"

namespace llmrt::cpu {

class AttentionTasks {
 public:
  // `heads` are the op's units, and not empty; what it is made of must outlive it.
  AttentionTasks(const backend::AttentionParams& params, backend::Range heads, int32_t threads);

  int64_t count() const;
  void Run(int64_t task, void (*kernel)(const AttentionTask&), uint8_t* scratch) const;

 private:
  // Heads of one row, counted inside the row.
  backend::Range HeadsOf(int64_t row, backend::Range wanted) const;
  // Rows from `row` to `end` that make one block with it.
  int64_t CountRows(int64_t row, int64_t end, backend::Range wanted) const;

  const backend::AttentionParams& params_;
  const CpuKvCache& cache_;
  const backend::Range heads_;
  const backend::Range rows_;  // that `heads_` touches
  const int64_t num_kv_heads_;
  const int64_t group_;
  int64_t group_each_;     // query heads a task
  int64_t rows_each_ = 1;  // rows a task
};

}  // namespace llmrt::cpu
