// A model as its file describes it: metadata, the directory of tensors, the tokenizer's tables. It
// is what every format reader produces and the only thing the layers above see of a file. Reading
// it reads headers only; tensor bytes are fetched later, piece by piece.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/weight_type.h"
#include "formats/byte_source.h"
#include "formats/tokenizer_data.h"

namespace llmrt::formats {

// Scalars keep their sign and kind; arrays keep their element kind. Large arrays (the vocabulary)
// are moved into TokenizerData and stay here only as their length.
struct OmittedArray {
  int64_t length = 0;
  bool operator==(const OmittedArray&) const = default;
};
using MetadataValue =
    std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>,
                 std::vector<double>, std::vector<std::string>, OmittedArray>;

struct MetadataEntry {
  std::string key;
  MetadataValue value;
};

struct TensorInfo {
  std::string name;
  backend::WeightType type = backend::WeightType::kF32;
  int32_t num_dims = 0;
  int64_t dims[4] = {1, 1, 1, 1};  // dims[0] is the contiguous one (columns), dims[1] rows
  int32_t part = 0;                // index of the file it lies in
  int64_t offset = 0;              // absolute, in that file
  int64_t bytes = 0;
  // The file's name of a type that the library cannot compute with ("IQ4_XS", "type 200"), else
  // empty. Such a tensor is listed and never read: `type` says nothing of it, its bytes are not
  // known and stay 0.
  std::string unsupported_type;

  int64_t cols() const { return dims[0]; }
  int64_t rows() const { return dims[1] * dims[2] * dims[3]; }
};

class ModelFile {
 public:
  // Metadata, in the file's order.
  absl::Span<const MetadataEntry> metadata() const { return metadata_; }
  const MetadataValue* FindMetadata(std::string_view key) const;  // null: absent
  // Typed look-ups. Absent: `fallback`. Present with another kind or out of range: INVALID_ARGUMENT
  // naming key and value. An integer will do where a double is asked for.
  absl::StatusOr<int64_t> GetInt(std::string_view key, int64_t fallback) const;
  absl::StatusOr<double> GetDouble(std::string_view key, double fallback) const;
  absl::StatusOr<bool> GetBool(std::string_view key, bool fallback) const;
  absl::StatusOr<std::string> GetString(std::string_view key, std::string_view fallback) const;
  // A metadata value as text, for people and for the ABI: "4096", "[1, 2]", "llama".
  static std::string ToText(const MetadataValue& value);

  absl::Span<const TensorInfo> tensors() const { return tensors_; }
  // UNIMPLEMENTED where a tensor has an unsupported type, naming file, tensor and type.
  absl::Status CheckTypes() const;
  const TensorInfo* FindTensor(std::string_view name) const;  // null: absent

  const TokenizerData& tokenizer() const { return tokenizer_; }
  std::string_view format() const { return format_; }  // "GGUF v3"
  std::string_view name() const;                       // of the first part, for messages
  int64_t file_bytes() const;                          // of all parts

  // SHA-256 (hex) of what the header says (metadata and tensor directory): the model's name in
  // fingerprints. The engine extends it by the tensors' bytes as it reads them.
  const std::string& header_hash() const { return header_hash_; }

  // Reads `out.size()` bytes of a tensor from `offset` within it. OUT_OF_RANGE past its end,
  // UNIMPLEMENTED for one of an unsupported type.
  absl::Status ReadTensor(const TensorInfo& tensor, int64_t offset, absl::Span<uint8_t> out) const;
  // The same bytes where they lie in memory, or else read into `room`, whose size says how many.
  absl::StatusOr<absl::Span<const uint8_t>> ViewTensor(const TensorInfo& tensor, int64_t offset,
                                                       absl::Span<uint8_t> room) const;
  // What was read of a tensor is not needed again.
  void ForgetTensor(const TensorInfo& tensor, int64_t offset, int64_t bytes) const;
  // Of all parts; see ByteSource.
  bool reads_in_parallel() const;

 private:
  friend class ModelFileBuilder;
  absl::Status CheckInside(const TensorInfo& tensor, int64_t offset, int64_t bytes) const;
  // Ordered: names come from the file, and a tree is neither slowed down by chosen collisions nor
  // left broken by an allocation that fails, as a hash table of Abseil would be.
  using NameIndex = std::map<std::string, int32_t, std::less<>>;

  std::vector<MetadataEntry> metadata_;
  NameIndex metadata_index_;
  std::vector<TensorInfo> tensors_;
  NameIndex tensor_index_;
  std::vector<std::shared_ptr<ByteSource>> parts_;
  TokenizerData tokenizer_;
  std::string format_;
  std::string header_hash_;
};

// Opens any supported format by its magic. `resolver` may be null: then a split model fails with
// NOT_FOUND that names the missing part.
absl::StatusOr<std::unique_ptr<ModelFile>> OpenModelFile(std::shared_ptr<ByteSource> source,
                                                         PartResolver* resolver);

}  // namespace llmrt::formats
