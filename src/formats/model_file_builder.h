// How a format reader fills a ModelFile. Private to src/formats.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "formats/model_file.h"

namespace llmrt::formats {

class ModelFileBuilder {
 public:
  ModelFileBuilder() : file_(std::make_unique<ModelFile>()) {}

  // What was added so far, with its look-ups.
  const ModelFile& file() const { return *file_; }

  // False, and nothing is added, when the key or name is there already.
  bool AddMetadata(std::string key, MetadataValue value);
  bool AddTensor(TensorInfo tensor);

  // The index that TensorInfo::part refers to.
  int32_t AddPart(std::shared_ptr<ByteSource> source);

  TokenizerData& tokenizer() { return file_->tokenizer_; }
  void SetFormat(std::string format) { file_->format_ = std::move(format); }
  void SetHeaderHash(std::string hash) { file_->header_hash_ = std::move(hash); }

  // The builder is spent afterwards.
  std::unique_ptr<ModelFile> Finish() { return std::move(file_); }

 private:
  std::unique_ptr<ModelFile> file_;
};

}  // namespace llmrt::formats
