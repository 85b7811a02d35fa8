// Writing GGUF version 3: for synthetic models, conversion, quantization and tests.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backend/weight_type.h"
#include "formats/byte_sink.h"
#include "formats/gguf_types.h"
#include "formats/model_file.h"

namespace llmrt::formats {

// Collects metadata and tensor descriptions, then writes them and the tensors in the order of their
// addition. Tensor bytes are produced while writing, so a model never has to be in memory at once.
class GgufWriter {
 public:
  // Appends one tensor's bytes, in as many pieces as it likes.
  using TensorBytes = std::function<absl::Status(ByteSink& sink)>;

  // `alignment` of the tensors: a multiple of 8. Anything but 32 is recorded in the file.
  explicit GgufWriter(int64_t alignment = kGgufDefaultAlignment);

  void AddBool(std::string_view key, bool value);
  void AddUint16(std::string_view key, uint16_t value);
  void AddUint32(std::string_view key, uint32_t value);
  void AddInt32(std::string_view key, int32_t value);
  void AddUint64(std::string_view key, uint64_t value);
  void AddInt64(std::string_view key, int64_t value);
  void AddFloat32(std::string_view key, float value);
  void AddFloat64(std::string_view key, double value);
  void AddString(std::string_view key, std::string_view value);
  void AddStrings(std::string_view key, absl::Span<const std::string> values);
  void AddInt32s(std::string_view key, absl::Span<const int32_t> values);
  void AddFloat32s(std::string_view key, absl::Span<const float> values);
  // A value of any type as it stands in the file: for types that the rest lacks.
  void AddRaw(std::string_view key, GgufValueType type, std::string_view value_bytes);

  // All metadata of `file` and the arrays of its tokenizer. Numbers are written in the narrowest
  // type of 32 or 64 bits, as the field's readers expect them. UNIMPLEMENTED: an array that was too
  // large to keep when `file` was read. Keys in `except` and "general.alignment" are left out.
  absl::Status AddMetadataOf(const ModelFile& file, absl::Span<const std::string_view> except = {});

  // `dims` from the contiguous one outwards, 1 to 4. INVALID_ARGUMENT: a shape that the type cannot
  // have.
  absl::Status AddTensor(std::string_view name, backend::WeightType type,
                         absl::Span<const int64_t> dims, TensorBytes bytes);
  absl::Status AddTensor(std::string_view name, backend::WeightType type,
                         absl::Span<const int64_t> dims, std::vector<uint8_t> bytes);

  // INTERNAL when a TensorBytes appends more or fewer bytes than its tensor has.
  absl::Status Write(ByteSink& sink) const;

 private:
  struct Tensor {
    std::string name;
    backend::WeightType type;
    std::vector<int64_t> dims;
    int64_t bytes;
    TensorBytes write;
  };

  void BeginKey(std::string_view key, GgufValueType type);
  void BeginArray(std::string_view key, GgufValueType type, size_t count);
  void AddEntry(const std::string& key, const MetadataValue& value);
  bool AddTokenizerArray(const std::string& key, const TokenizerData& tokenizer);
  std::string Header() const;
  int64_t Padding(int64_t bytes) const;

  const int64_t alignment_;
  uint64_t num_keys_ = 0;
  std::string metadata_;  // as it will stand in the file
  std::vector<Tensor> tensors_;
};

}  // namespace llmrt::formats
