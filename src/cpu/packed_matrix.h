// A weight matrix of the CPU backend: panels of 16 features (cpu/panel_layout.h) in one allocation.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/backend.h"
#include "memory/large_buffer.h"

namespace llmrt::cpu {

class PackedMatrix final : public backend::Matrix {
 public:
  // Bytes that a matrix takes; INVALID_ARGUMENT where the shape is impossible.
  static absl::StatusOr<int64_t> Bytes(backend::WeightType type, int64_t rows, int64_t cols);
  static absl::StatusOr<std::unique_ptr<backend::Matrix>> Create(memory::LargeMemory& memory,
                                                                 backend::WeightType type,
                                                                 int64_t rows, int64_t cols);
  // Whole rows as the file has them, in any order; different rows from several threads at once.
  // Fastest where whole panels come together.
  absl::Status WriteRows(int64_t first_row, absl::Span<const uint8_t> bytes);
  // Row `index` in float32, as quant::DequantizeRow has it; `out` holds cols() values.
  void DequantizeRow(int64_t index, float* out) const;

  backend::WeightType type() const override { return type_; }
  int64_t rows() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  const uint8_t* panels() const { return memory_.data(); }
  int64_t panel_bytes() const { return panel_bytes_; }

 private:
  PackedMatrix(memory::LargeBuffer memory, backend::WeightType type, int64_t rows, int64_t cols);
  memory::LargeBuffer memory_;
  const backend::WeightType type_;
  const int64_t rows_;
  const int64_t cols_;
  const int64_t panel_bytes_;
};

}  // namespace llmrt::cpu
