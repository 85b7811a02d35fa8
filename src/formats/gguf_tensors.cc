#include "formats/gguf_tensors.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "formats/gguf_types.h"
#include "formats/quote_for_message.h"
#include "formats/status_macros.h"

namespace llmrt::formats {
namespace {

using backend::WeightType;

// The format allows 64 bytes; converters of odd models have exceeded that.
constexpr int64_t kNameBytesMax = 1024;
// Name of one byte, dimension count, one dimension, type, offset.
constexpr int64_t kEntryBytesMin = 8 + 1 + 4 + 8 + 4 + 8;
constexpr uint32_t kDimsMax = 4;
// Keeps the bytes of one row inside 64 bits whatever the type.
constexpr int64_t kDimMax = int64_t{1} << 48;

absl::Status ReadDims(GgufCursor& cursor, const std::string& what, TensorInfo* tensor) {
  uint32_t num_dims = 0;
  FORMATS_RETURN_IF_ERROR(cursor.Read(&num_dims, what));
  if (num_dims < 1 || num_dims > kDimsMax) {
    return cursor.Corrupt(absl::StrCat(what, " has ", num_dims, " dimensions; 1 to 4 are allowed"));
  }
  tensor->num_dims = static_cast<int32_t>(num_dims);
  for (uint32_t i = 0; i < num_dims; ++i) {
    uint64_t dim = 0;
    FORMATS_RETURN_IF_ERROR(cursor.Read(&dim, what));
    if (dim < 1 || dim > static_cast<uint64_t>(kDimMax)) {
      return cursor.Corrupt(
          absl::StrCat(what, " has dimension ", i, " of size ", dim, "; sizes are 1 to ", kDimMax));
    }
    tensor->dims[i] = static_cast<int64_t>(dim);
  }
  return absl::OkStatus();
}

std::string ShapeText(const TensorInfo& tensor) {
  std::string text = absl::StrCat(tensor.dims[0]);
  for (int i = 1; i < tensor.num_dims; ++i) absl::StrAppend(&text, " x ", tensor.dims[i]);
  return text;
}

absl::Status TooLarge(GgufCursor& cursor, const std::string& what, const TensorInfo& tensor) {
  return cursor.Corrupt(absl::StrCat(what, " has shape ", ShapeText(tensor),
                                     ", whose size in bytes exceeds 2^63 - 1"));
}

// Fills in the size in bytes: whole rows, no overflow. Of an unsupported type only the number of
// values can be checked.
absl::Status SetBytes(GgufCursor& cursor, const std::string& what, TensorInfo* tensor) {
  int64_t rows = 1;
  bool overflow = false;
  for (int i = 1; i < 4; ++i) overflow |= __builtin_mul_overflow(rows, tensor->dims[i], &rows);
  int64_t values = 0;
  overflow |= __builtin_mul_overflow(rows, tensor->dims[0], &values);
  if (overflow) return TooLarge(cursor, what, *tensor);
  if (!tensor->unsupported_type.empty()) return absl::OkStatus();
  const backend::BlockGeometry geometry = backend::GeometryOf(tensor->type);
  const std::optional<int64_t> row_bytes = backend::RowBytes(tensor->type, tensor->dims[0]);
  if (!row_bytes.has_value()) {
    return cursor.Corrupt(absl::StrCat(what, " has rows of ", tensor->dims[0],
                                       " values, which is not whole ", geometry.name, " blocks of ",
                                       geometry.values));
  }
  if (__builtin_mul_overflow(rows, *row_bytes, &tensor->bytes)) {
    return TooLarge(cursor, what, *tensor);
  }
  return absl::OkStatus();
}

absl::Status ReadType(GgufCursor& cursor, const std::string& what, TensorInfo* tensor) {
  uint32_t number = 0;
  FORMATS_RETURN_IF_ERROR(cursor.Read(&number, what));
  const std::optional<WeightType> type = WeightTypeOfGguf(number);
  if (type.has_value()) {
    tensor->type = *type;
  } else {
    tensor->unsupported_type = GgufTensorTypeName(number);
  }
  return absl::OkStatus();
}

absl::Status ReadTensor(GgufCursor& cursor, TensorInfo* tensor) {
  FORMATS_RETURN_IF_ERROR(cursor.ReadString(kNameBytesMax, "a tensor name", &tensor->name));
  if (tensor->name.empty()) return cursor.Corrupt("a tensor name has length 0");
  const std::string what = absl::StrCat("tensor ", QuoteForMessage(tensor->name));
  FORMATS_RETURN_IF_ERROR(ReadDims(cursor, what, tensor));
  FORMATS_RETURN_IF_ERROR(ReadType(cursor, what, tensor));
  FORMATS_RETURN_IF_ERROR(SetBytes(cursor, what, tensor));
  uint64_t offset = 0;
  FORMATS_RETURN_IF_ERROR(cursor.Read(&offset, what));
  if (offset > static_cast<uint64_t>(cursor.source().size())) {
    return cursor.Corrupt(absl::StrCat(what, " starts at offset ", offset, "; the file has ",
                                       cursor.source().size(), " bytes"));
  }
  tensor->offset = static_cast<int64_t>(offset);
  return absl::OkStatus();
}

// The least that a tensor takes in the file; of an unsupported type one byte is sure.
int64_t BytesMin(const TensorInfo& tensor) { return std::max<int64_t>(1, tensor.bytes); }

absl::Status CheckOverlap(const GgufCursor& cursor, const std::vector<TensorInfo>& tensors) {
  std::vector<const TensorInfo*> sorted;
  sorted.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const int64_t end = sorted[i - 1]->offset + BytesMin(*sorted[i - 1]);
    if (sorted[i]->offset < end) {
      return cursor.Corrupt(absl::StrCat(
          "tensor ", QuoteForMessage(sorted[i]->name), " starts at byte ", sorted[i]->offset,
          ", inside tensor ", QuoteForMessage(sorted[i - 1]->name), ", which ends at ", end));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadGgufTensors(GgufCursor& cursor, uint64_t count, std::vector<TensorInfo>* tensors) {
  FORMATS_RETURN_IF_ERROR(cursor.CheckCount(count, kEntryBytesMin, "the number of tensors"));
  FORMATS_RETURN_IF_ERROR(cursor.CheckLimit(count, kGgufTensorsMax, "the number of tensors"));
  std::set<std::string> names;
  for (uint64_t i = 0; i < count; ++i) {
    TensorInfo tensor;
    FORMATS_RETURN_IF_ERROR(ReadTensor(cursor, &tensor));
    if (!names.insert(tensor.name).second) {
      return cursor.Corrupt(
          absl::StrCat("tensor ", QuoteForMessage(tensor.name), " appears twice"));
    }
    tensors->push_back(std::move(tensor));
  }
  return absl::OkStatus();
}

absl::Status PlaceGgufTensors(const GgufCursor& cursor, int64_t alignment,
                              std::vector<TensorInfo>* tensors) {
  const int64_t file_bytes = cursor.source().size();
  // The alignment is a uint32 at most and the header 256 MiB: no overflow. A file without tensors
  // may end before its padding does.
  const int64_t data_start = (cursor.offset() + alignment - 1) / alignment * alignment;
  for (TensorInfo& tensor : *tensors) {
    const std::string what = absl::StrCat("tensor ", QuoteForMessage(tensor.name));
    if (tensor.offset % alignment != 0) {
      return cursor.Corrupt(absl::StrCat(what, " has offset ", tensor.offset,
                                         ", which is no multiple of the alignment ", alignment));
    }
    tensor.offset += data_start;
    if (tensor.offset > file_bytes || BytesMin(tensor) > file_bytes - tensor.offset) {
      return cursor.Corrupt(absl::StrCat(what, " has ", BytesMin(tensor), " bytes from byte ",
                                         tensor.offset, " on; the file ends at ", file_bytes));
    }
  }
  return CheckOverlap(cursor, *tensors);
}

}  // namespace llmrt::formats
