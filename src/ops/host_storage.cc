#include "ops/host_storage.h"

#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quant/dequantize.h"

namespace llmrt::ops {
namespace {

using backend::WeightType;

// A row of an unblocked type is extended to whole vectors of 64 bytes.
constexpr int64_t kRowAlignment = 64;

int64_t StrideFor(WeightType type, int64_t row_bytes) {
  if (backend::IsQuantized(type)) return row_bytes;
  return (row_bytes + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

absl::Status RangeError(absl::string_view what, int64_t offset, int64_t size, int64_t limit) {
  return absl::OutOfRangeError(absl::StrCat(what, ": ", size, " bytes at offset ", offset,
                                            " do not fit a buffer of ", limit,
                                            " bytes; copy a range inside the buffer"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<backend::Buffer>> HostBuffer::Create(memory::LargeMemory& memory,
                                                                    int64_t bytes,
                                                                    memory::Tag tag) {
  if (bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a buffer of ", bytes, " bytes cannot exist; ask for 0 or more"));
  }
  absl::StatusOr<memory::LargeBuffer> storage = memory.Allocate(bytes, tag);
  if (!storage.ok()) return storage.status();
  return std::unique_ptr<backend::Buffer>(new HostBuffer(*std::move(storage)));
}

absl::StatusOr<int64_t> HostMatrix::Bytes(WeightType type, int64_t rows, int64_t cols) {
  // 2^40 keeps every product below inside int64.
  constexpr int64_t kDimensionMax = int64_t{1} << 40;
  const std::optional<int64_t> row_bytes =
      cols > 0 && cols <= kDimensionMax ? backend::RowBytes(type, cols) : std::nullopt;
  if (!row_bytes.has_value() || rows < 0 || rows > kDimensionMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a matrix of ", rows, " x ", cols, " cannot be stored as ", backend::GeometryOf(type).name,
        "; rows must be whole blocks of ", backend::GeometryOf(type).values, " values"));
  }
  const int64_t stride = StrideFor(type, *row_bytes);
  if (rows > std::numeric_limits<int64_t>::max() / stride) {
    return absl::InvalidArgumentError(
        absl::StrCat("a matrix of ", rows, " x ", cols, " is larger than an address; shrink it"));
  }
  return rows * stride;
}

HostMatrix::HostMatrix(memory::LargeBuffer memory, WeightType type, int64_t rows, int64_t cols)
    : memory_(std::move(memory)),
      type_(type),
      rows_(rows),
      cols_(cols),
      row_bytes_(backend::RowBytes(type, cols).value_or(0)),
      row_stride_(StrideFor(type, row_bytes_)) {}

absl::StatusOr<std::unique_ptr<backend::Matrix>> HostMatrix::Create(memory::LargeMemory& memory,
                                                                    WeightType type, int64_t rows,
                                                                    int64_t cols) {
  absl::StatusOr<int64_t> bytes = Bytes(type, rows, cols);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<memory::LargeBuffer> storage = memory.Allocate(*bytes, memory::Tag::kWeights);
  if (!storage.ok()) return storage.status();
  return std::unique_ptr<backend::Matrix>(new HostMatrix(*std::move(storage), type, rows, cols));
}

absl::Status HostMatrix::WriteRows(int64_t first_row, absl::Span<const uint8_t> bytes) {
  const int64_t size = static_cast<int64_t>(bytes.size());
  const int64_t count = size / row_bytes_;
  if (size % row_bytes_ != 0 || first_row < 0 || first_row > rows_ || count > rows_ - first_row) {
    return absl::OutOfRangeError(
        absl::StrCat(size, " bytes from row ", first_row, " do not fit a matrix of ", rows_,
                     " rows of ", row_bytes_, " bytes; write whole rows inside the matrix"));
  }
  uint8_t* out = memory_.data() + first_row * row_stride_;
  for (int64_t i = 0; i < count; ++i, out += row_stride_) {
    std::memcpy(out, bytes.data() + i * row_bytes_, row_bytes_);
    if (row_stride_ > row_bytes_) std::memset(out + row_bytes_, 0, row_stride_ - row_bytes_);
  }
  return absl::OkStatus();
}

void HostMatrix::DequantizeRow(int64_t index, float* out) const {
  DequantizePart(index, {0, cols_}, out);
}

void HostMatrix::DequantizePart(int64_t index, backend::Range columns, float* out) const {
  const backend::BlockGeometry geometry = backend::GeometryOf(type_);
  const uint8_t* bytes = row(index) + columns.begin / geometry.values * geometry.bytes;
  // It fails for wrong lengths only, and these are right by construction.
  quant::DequantizeRow(
      type_, absl::MakeConstSpan(bytes, columns.size() / geometry.values * geometry.bytes),
      absl::MakeSpan(out, columns.size()))
      .IgnoreError();
}

absl::StatusOr<std::unique_ptr<backend::KvCache>> HostKvCache::Create(memory::LargeMemory& memory,
                                                                      const backend::KvShape& shape,
                                                                      int64_t num_blocks) {
  if (shape.num_layers <= 0 || shape.num_kv_heads <= 0 || shape.head_dim <= 0 ||
      shape.block_size <= 0 || num_blocks < 0 || num_blocks > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a KV cache of ", num_blocks, " blocks with ", shape.num_layers, " layers, ",
                     shape.num_kv_heads, " heads of ", shape.head_dim, " and ", shape.block_size,
                     " tokens a block cannot exist; every number must be positive"));
  }
  int64_t total = 2 * backend::KvElementBytes(shape.type);
  bool too_large = false;
  for (const int64_t factor : {int64_t{shape.num_layers}, int64_t{shape.num_kv_heads},
                               int64_t{shape.block_size}, int64_t{shape.head_dim}, num_blocks}) {
    too_large |= __builtin_mul_overflow(total, factor, &total);
  }
  if (too_large) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a KV cache of ", num_blocks, " blocks is larger than an address; ask for fewer blocks"));
  }
  absl::StatusOr<memory::LargeBuffer> storage = memory.Allocate(total, memory::Tag::kKv);
  if (!storage.ok()) return storage.status();
  return std::unique_ptr<backend::KvCache>(new HostKvCache(*std::move(storage), shape, num_blocks));
}

absl::Status HostKvCache::CopyBlocks(absl::Span<const backend::BlockCopy> copies) {
  for (const backend::BlockCopy& copy : copies) {
    if (copy.from < 0 || copy.from >= num_blocks_ || copy.to < 0 || copy.to >= num_blocks_) {
      return absl::OutOfRangeError(absl::StrCat("copy of KV block ", copy.from, " to ", copy.to,
                                                "; the cache has blocks 0 to ", num_blocks_ - 1));
    }
    if (copy.from == copy.to) continue;
    const int64_t bytes = shape_.BlockBytes();
    std::memcpy(memory_.data() + copy.to * bytes, memory_.data() + copy.from * bytes, bytes);
  }
  return absl::OkStatus();
}

absl::Status HostKvCache::ReadBlock(int32_t block, absl::Span<uint8_t> out) const {
  const int64_t bytes = shape_.BlockBytes();
  if (block < 0 || block >= num_blocks_ || static_cast<int64_t>(out.size()) != bytes) {
    return absl::OutOfRangeError(
        absl::StrCat("KV block ", block, " into ", out.size(), " bytes; the cache has blocks 0 to ",
                     num_blocks_ - 1, " of ", bytes, " bytes each; pass such a block and size"));
  }
  std::memcpy(out.data(), memory_.data() + block * bytes, bytes);
  return absl::OkStatus();
}

absl::Status UploadToHost(backend::Buffer& buffer, int64_t offset,
                          absl::Span<const uint8_t> bytes) {
  const int64_t size = static_cast<int64_t>(bytes.size());
  if (offset < 0 || size > buffer.bytes() || offset > buffer.bytes() - size) {
    return RangeError("upload", offset, size, buffer.bytes());
  }
  if (size != 0) std::memcpy(buffer.data() + offset, bytes.data(), size);
  return absl::OkStatus();
}

absl::Status DownloadFromHost(const backend::Buffer& buffer, int64_t offset,
                              absl::Span<uint8_t> out) {
  const int64_t size = static_cast<int64_t>(out.size());
  if (offset < 0 || size > buffer.bytes() || offset > buffer.bytes() - size) {
    return RangeError("download", offset, size, buffer.bytes());
  }
  if (size != 0) std::memcpy(out.data(), buffer.data() + offset, size);
  return absl::OkStatus();
}

}  // namespace llmrt::ops
