// Buffers, matrices and KV caches in host memory, in the plainest layout: matrices keep the rows of
// their file, caches are an array of blocks. The reference backend and the CPU backend use them,
// and the oracles of this folder read them. Allocation goes through memory::LargeMemory; ops are
// elsewhere.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/backend.h"
#include "memory/large_buffer.h"

namespace llmrt::ops {

class HostBuffer final : public backend::Buffer {
 public:
  static absl::StatusOr<std::unique_ptr<backend::Buffer>> Create(memory::LargeMemory& memory,
                                                                 int64_t bytes, memory::Tag tag);
  uint8_t* data() const override { return memory_.data(); }
  int64_t bytes() const override { return memory_.bytes(); }

 private:
  explicit HostBuffer(memory::LargeBuffer memory) : memory_(std::move(memory)) {}
  memory::LargeBuffer memory_;
};

// Rows as in the file, `row_stride` bytes apart. Rows of F32, F16 and BF16 are extended with zeros
// to a multiple of 64 bytes, so that vector loads of whole lanes stay inside a row and add zeros;
// rows of block types are whole blocks already.
class HostMatrix final : public backend::Matrix {
 public:
  // Bytes that a matrix takes; INVALID_ARGUMENT where the shape is impossible.
  static absl::StatusOr<int64_t> Bytes(backend::WeightType type, int64_t rows, int64_t cols);
  static absl::StatusOr<std::unique_ptr<backend::Matrix>> Create(memory::LargeMemory& memory,
                                                                 backend::WeightType type,
                                                                 int64_t rows, int64_t cols);
  absl::Status WriteRows(int64_t first_row, absl::Span<const uint8_t> bytes);
  // Row `index` in float32, as quant::DequantizeRow has it; `out` holds cols() values.
  void DequantizeRow(int64_t index, float* out) const;
  // The same for a part of it; `columns` are whole blocks of the type.
  void DequantizePart(int64_t index, backend::Range columns, float* out) const;

  backend::WeightType type() const override { return type_; }
  int64_t rows() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  int64_t row_stride() const { return row_stride_; }
  const uint8_t* row(int64_t index) const { return memory_.data() + index * row_stride_; }

 private:
  HostMatrix(memory::LargeBuffer memory, backend::WeightType type, int64_t rows, int64_t cols);
  memory::LargeBuffer memory_;
  const backend::WeightType type_;
  const int64_t rows_;
  const int64_t cols_;
  const int64_t row_bytes_;   // in the file
  const int64_t row_stride_;  // here
};

class HostKvCache final : public backend::KvCache {
 public:
  static absl::StatusOr<std::unique_ptr<backend::KvCache>> Create(memory::LargeMemory& memory,
                                                                  const backend::KvShape& shape,
                                                                  int64_t num_blocks);
  absl::Status CopyBlocks(absl::Span<const backend::BlockCopy> copies);
  absl::Status ReadBlock(int32_t block, absl::Span<uint8_t> out) const;

  const backend::KvShape& shape() const override { return shape_; }
  int64_t num_blocks() const override { return num_blocks_; }
  uint8_t* data() const { return memory_.data(); }
  // The tile [block_size, head_dim] of one head's keys (kv 0) or values (kv 1).
  uint8_t* Tile(int32_t block, int32_t layer, int32_t kv, int32_t head) const {
    return memory_.data() + block * shape_.BlockBytes() + shape_.TileOffset(layer, kv, head);
  }

 private:
  HostKvCache(memory::LargeBuffer memory, const backend::KvShape& shape, int64_t num_blocks)
      : memory_(std::move(memory)), shape_(shape), num_blocks_(num_blocks) {}
  memory::LargeBuffer memory_;
  const backend::KvShape shape_;
  const int64_t num_blocks_;
};

// Bounds-checked copies between a buffer and the host.
absl::Status UploadToHost(backend::Buffer& buffer, int64_t offset, absl::Span<const uint8_t> bytes);
absl::Status DownloadFromHost(const backend::Buffer& buffer, int64_t offset,
                              absl::Span<uint8_t> out);

}  // namespace llmrt::ops
