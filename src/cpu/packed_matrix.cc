#include "cpu/packed_matrix.h"

#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cpu/panel_layout.h"
#include "cpu/panel_packing.h"
#include "ops/host_storage.h"

namespace llmrt::cpu {

using backend::WeightType;

// Rows that come together fill whole panels.
static_assert(backend::Backend::kRowsStep % kPanelRows == 0);

absl::StatusOr<int64_t> PackedMatrix::Bytes(WeightType type, int64_t rows, int64_t cols) {
  // The same shapes are possible; those near the bound grow by less than a factor of 64.
  absl::StatusOr<int64_t> plain = ops::HostMatrix::Bytes(type, rows, cols);
  if (!plain.ok()) return plain.status();
  if (*plain > std::numeric_limits<int64_t>::max() / 64) {
    return absl::InvalidArgumentError(
        absl::StrCat("a matrix of ", rows, " x ", cols, " is larger than an address; shrink it"));
  }
  return (rows + kPanelRows - 1) / kPanelRows * PanelBytes(type, cols);
}

PackedMatrix::PackedMatrix(memory::LargeBuffer memory, WeightType type, int64_t rows, int64_t cols)
    : memory_(std::move(memory)),
      type_(type),
      rows_(rows),
      cols_(cols),
      panel_bytes_(PanelBytes(type, cols)) {}

absl::StatusOr<std::unique_ptr<backend::Matrix>> PackedMatrix::Create(memory::LargeMemory& memory,
                                                                      WeightType type, int64_t rows,
                                                                      int64_t cols) {
  absl::StatusOr<int64_t> bytes = Bytes(type, rows, cols);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<memory::LargeBuffer> storage = memory.Allocate(*bytes, memory::Tag::kWeights);
  if (!storage.ok()) return storage.status();
  const int64_t panel_bytes = PanelBytes(type, cols);
  // The features that the last panel lacks; their products go nowhere.
  if (rows % kPanelRows != 0) {
    std::memset(storage->data() + *bytes - panel_bytes, 0, static_cast<size_t>(panel_bytes));
  }
  return std::unique_ptr<backend::Matrix>(new PackedMatrix(*std::move(storage), type, rows, cols));
}

absl::Status PackedMatrix::WriteRows(int64_t first_row, absl::Span<const uint8_t> bytes) {
  const int64_t row_bytes = backend::RowBytes(type_, cols_).value_or(1);
  const auto size = static_cast<int64_t>(bytes.size());
  const int64_t count = size / row_bytes;
  if (size % row_bytes != 0 || first_row < 0 || first_row > rows_ || count > rows_ - first_row) {
    return absl::OutOfRangeError(
        absl::StrCat(size, " bytes from row ", first_row, " do not fit a matrix of ", rows_,
                     " rows of ", row_bytes, " bytes; write whole rows inside the matrix"));
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = first_row + i;
    PackRow(type_, bytes.data() + i * row_bytes, cols_, row % kPanelRows,
            memory_.data() + row / kPanelRows * panel_bytes_);
  }
  return absl::OkStatus();
}

void PackedMatrix::DequantizeRow(int64_t index, float* out) const {
  UnpackRow(type_, panels() + index / kPanelRows * panel_bytes_, index % kPanelRows, cols_, out);
}

}  // namespace llmrt::cpu
