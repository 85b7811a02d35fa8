#include "formats/gguf_cursor.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "formats/status_macros.h"

namespace llmrt::formats {
namespace {

// One read a megabyte: few calls for a large vocabulary, little memory for a small file.
constexpr int64_t kChunkBytes = int64_t{1} << 20;

}  // namespace

GgufCursor::GgufCursor(ByteSource* source, Sha256* hash)
    : source_(source), hash_(hash), limit_(std::min(source->size(), kGgufHeaderBytesMax)) {}

absl::Status GgufCursor::Refill() {
  hash_->Update(chunk_);
  const int64_t next = chunk_offset_ + static_cast<int64_t>(chunk_.size());
  const int64_t bytes = std::min(kChunkBytes, limit_ - next);
  chunk_.resize(static_cast<size_t>(bytes));
  chunk_offset_ = next;
  position_ = 0;
  return source_->ReadAt(next, absl::MakeSpan(chunk_));
}

absl::Status GgufCursor::ReadBytes(absl::Span<uint8_t> out, std::string_view what) {
  if (static_cast<int64_t>(out.size()) > remaining()) {
    return Corrupt(
        absl::StrCat(what, " takes ", out.size(), " bytes and ", remaining(), " are left"));
  }
  while (!out.empty()) {
    if (position_ == chunk_.size()) FORMATS_RETURN_IF_ERROR(Refill());
    const size_t taken = std::min(out.size(), chunk_.size() - position_);
    std::memcpy(out.data(), chunk_.data() + position_, taken);
    position_ += taken;
    out.remove_prefix(taken);
  }
  return absl::OkStatus();
}

absl::Status GgufCursor::Skip(int64_t bytes, std::string_view what) {
  if (bytes > remaining()) {
    return Corrupt(absl::StrCat(what, " takes ", bytes, " bytes and ", remaining(), " are left"));
  }
  while (bytes > 0) {
    if (position_ == chunk_.size()) FORMATS_RETURN_IF_ERROR(Refill());
    const int64_t taken = std::min(bytes, static_cast<int64_t>(chunk_.size() - position_));
    position_ += static_cast<size_t>(taken);
    bytes -= taken;
  }
  return absl::OkStatus();
}

absl::Status GgufCursor::ReadLength(int64_t bytes_max, std::string_view what, int64_t* length) {
  uint64_t value = 0;
  FORMATS_RETURN_IF_ERROR(Read(&value, what));
  if (value > static_cast<uint64_t>(remaining())) {
    return Corrupt(absl::StrCat(what, " has length ", value, "; ", remaining(), " bytes are left"));
  }
  if (value > static_cast<uint64_t>(bytes_max)) {
    return Corrupt(absl::StrCat(what, " has length ", value, "; the limit is ", bytes_max));
  }
  *length = static_cast<int64_t>(value);
  return absl::OkStatus();
}

absl::Status GgufCursor::ReadString(int64_t bytes_max, std::string_view what, std::string* out) {
  int64_t length = 0;
  FORMATS_RETURN_IF_ERROR(ReadLength(bytes_max, what, &length));
  out->resize(static_cast<size_t>(length));
  return ReadBytes(absl::MakeSpan(reinterpret_cast<uint8_t*>(out->data()), out->size()), what);
}

absl::Status GgufCursor::SkipString(std::string_view what) {
  int64_t length = 0;
  FORMATS_RETURN_IF_ERROR(ReadLength(kGgufHeaderBytesMax, what, &length));
  return Skip(length, what);
}

absl::Status GgufCursor::CheckCount(uint64_t count, int64_t minimum_bytes,
                                    std::string_view what) const {
  const auto possible = static_cast<uint64_t>(remaining() / minimum_bytes);
  if (count <= possible) return absl::OkStatus();
  return Corrupt(absl::StrCat(what, " is ", count, "; the ", remaining(),
                              " bytes left hold at most ", possible));
}

absl::Status GgufCursor::CheckLimit(uint64_t count, uint64_t limit, std::string_view what) const {
  if (count <= limit) return absl::OkStatus();
  return Corrupt(absl::StrCat(what, " is ", count, "; the limit is ", limit));
}

void GgufCursor::FinishHash() {
  hash_->Update(absl::MakeConstSpan(chunk_.data(), position_));
  chunk_offset_ = offset();
  chunk_.clear();
  position_ = 0;
}

absl::Status GgufCursor::Corrupt(std::string_view what) const {
  return absl::DataLossError(absl::StrCat(source_->name(), ": ", what, " (at byte ", offset(),
                                          "); download or convert the file again"));
}

absl::Status GgufCursor::Unsupported(std::string_view what) const {
  return absl::UnimplementedError(absl::StrCat(source_->name(), ": ", what));
}

}  // namespace llmrt::formats
