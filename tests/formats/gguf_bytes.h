// Builds GGUF files byte by byte, so that tests can lie in any field; and the small valid file that
// most of those tests start from.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "formats/byte_source.h"
#include "formats/gguf_types.h"
#include "formats/gguf_writer.h"
#include "formats/model_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace llmrt::formats {

class GgufBytes {
 public:
  GgufBytes& U8(uint8_t value) { return Put(value); }
  GgufBytes& U16(uint16_t value) { return Put(value); }
  GgufBytes& U32(uint32_t value) { return Put(value); }
  GgufBytes& U64(uint64_t value) { return Put(value); }
  GgufBytes& F32(float value) { return Put(value); }
  GgufBytes& F64(double value) { return Put(value); }
  GgufBytes& Raw(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  GgufBytes& Text(std::string_view text) { return U64(text.size()).Raw(text); }

  GgufBytes& Header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    return Raw("GGUF").U32(version).U64(tensors).U64(keys);
  }
  GgufBytes& Key(std::string_view key, GgufValueType type) {
    return Text(key).U32(static_cast<uint32_t>(type));
  }
  GgufBytes& Array(std::string_view key, GgufValueType type, uint64_t count) {
    return Key(key, GgufValueType::kArray).U32(static_cast<uint32_t>(type)).U64(count);
  }
  GgufBytes& Tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                    uint64_t offset) {
    Text(name).U32(static_cast<uint32_t>(dims.size()));
    for (uint64_t dim : dims) U64(dim);
    return U32(type).U64(offset);
  }
  GgufBytes& Pad(size_t alignment = 32) {
    while (bytes_.size() % alignment != 0) U8(0);
    return *this;
  }
  GgufBytes& Zeros(size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  template <typename T>
  GgufBytes& Put(T value) {
    uint8_t raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
    return *this;
  }

  std::vector<uint8_t> bytes_;
};

inline absl::StatusOr<std::unique_ptr<ModelFile>> OpenBytes(const std::vector<uint8_t>& bytes,
                                                            PartResolver* resolver = nullptr) {
  return OpenModelFile(CopyMemory(bytes), resolver);
}

inline std::vector<uint8_t> Written(const GgufWriter& writer) {
  MemorySink sink;
  EXPECT_TRUE(writer.Write(sink).ok());
  return sink.bytes();
}

// A file that is wrong in one way, and what the reader must say about it.
struct Lie {
  std::string_view name;
  std::function<void(GgufBytes&)> write;
  absl::StatusCode code;
  std::string_view message;  // a regular expression that must be found
};

inline void ExpectRefused(const Lie& lie) {
  SCOPED_TRACE(lie.name);
  GgufBytes file;
  lie.write(file);
  const absl::Status status = OpenBytes(file.bytes()).status();
  EXPECT_EQ(status.code(), lie.code) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::ContainsRegex(std::string(lie.message)));
  EXPECT_EQ(status.message().find('\n'), std::string_view::npos) << status;
}

// A few keys of every kind, a SentencePiece vocabulary of four tokens, two tensors.
inline GgufWriter SmallModel() {
  GgufWriter writer;
  writer.AddString("general.architecture", "llama");
  writer.AddUint32("llama.block_count", 1);
  writer.AddFloat32("llama.rope.freq_base", 10000.0f);
  writer.AddInt32s("test.sizes", {{1, -2, 3}});
  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddStrings("tokenizer.ggml.tokens", {{"<unk>", "<s>", "</s>", "a"}});
  writer.AddFloat32s("tokenizer.ggml.scores", {{0, 0, 0, -1}});
  writer.AddInt32s("tokenizer.ggml.token_type", {{2, 3, 3, 1}});
  EXPECT_TRUE(
      writer.AddTensor("norm", backend::WeightType::kF32, {4}, std::vector<uint8_t>(16, 1)).ok());
  EXPECT_TRUE(
      writer.AddTensor("output", backend::WeightType::kQ8_0, {32, 2}, std::vector<uint8_t>(68, 2))
          .ok());
  return writer;
}

}  // namespace llmrt::formats
