// Reads a GGUF header from front to back through one buffer, and knows how many bytes can still
// come: every count in the file is held against that before anything is made of it.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "formats/byte_source.h"
#include "formats/sha256.h"

namespace llmrt::formats {

static_assert(std::endian::native == std::endian::little, "GGUF numbers are read as they lie");

// What bounds the memory that a hostile file of any size can make the reader take. No header is
// longer (the largest known, with vocabularies of 262144 tokens, have 16 MiB):
inline constexpr int64_t kGgufHeaderBytesMax = int64_t{256} << 20;
// A key of 14 bytes in the file takes some 250 in memory while its tables grow, and a tensor of 33
// some 600, so bytes alone would be no bound. These are: 16 and 40 MiB. Known models have below 100
// keys and a few thousand tensors.
inline constexpr uint64_t kGgufKeysMax = 65536;
inline constexpr uint64_t kGgufTensorsMax = 65536;
// Elements of an array, the vocabulary among them. An empty string has 8 bytes in the file and 32
// in memory, 96 at the moment when its vector has doubled: 12 times the file at worst. A header
// full of such strings takes 1.3 GiB, since one array holds half of it at most.
inline constexpr uint64_t kGgufElementsMax = uint64_t{1} << 24;

class GgufCursor {
 public:
  // Bytes that are read go into `hash`. Both must outlive the cursor.
  GgufCursor(ByteSource* source, Sha256* hash);

  // DATA_LOSS when the header ends before `what` does.
  absl::Status ReadBytes(absl::Span<uint8_t> out, std::string_view what);
  template <typename T>
  absl::Status Read(T* out, std::string_view what) {
    return ReadBytes(absl::MakeSpan(reinterpret_cast<uint8_t*>(out), sizeof(T)), what);
  }
  // A length (64 bits) and that many bytes. Longer than `bytes_max` or than what is left:
  // DATA_LOSS.
  absl::Status ReadString(int64_t bytes_max, std::string_view what, std::string* out);
  // The same without keeping the bytes.
  absl::Status SkipString(std::string_view what);
  absl::Status Skip(int64_t bytes, std::string_view what);

  // A count of things that take at least `minimum_bytes` each: DATA_LOSS if so many cannot follow.
  absl::Status CheckCount(uint64_t count, int64_t minimum_bytes, std::string_view what) const;

  // DATA_LOSS above one of the limits that this header states.
  absl::Status CheckLimit(uint64_t count, uint64_t limit, std::string_view what) const;

  int64_t offset() const { return chunk_offset_ + static_cast<int64_t>(position_); }
  int64_t remaining() const { return limit_ - offset(); }
  const ByteSource& source() const { return *source_; }

  // Takes what was read but not hashed yet into the hash: call it once, after the last read.
  void FinishHash();

  // "x.gguf: <what> (at byte 123); download or convert the file again"
  absl::Status Corrupt(std::string_view what) const;
  absl::Status Unsupported(std::string_view what) const;

 private:
  absl::Status Refill();
  absl::Status ReadLength(int64_t bytes_max, std::string_view what, int64_t* length);

  ByteSource* const source_;
  Sha256* const hash_;
  const int64_t limit_;  // where a header must have ended
  std::vector<uint8_t> chunk_;
  int64_t chunk_offset_ = 0;  // of chunk_[0] in the source
  size_t position_ = 0;       // in chunk_
};

}  // namespace llmrt::formats
