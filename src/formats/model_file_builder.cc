#include "formats/model_file_builder.h"

namespace llmrt::formats {

bool ModelFileBuilder::AddMetadata(std::string key, MetadataValue value) {
  const auto index = static_cast<int32_t>(file_->metadata_.size());
  if (!file_->metadata_index_.try_emplace(key, index).second) return false;
  file_->metadata_.push_back({std::move(key), std::move(value)});
  return true;
}

bool ModelFileBuilder::AddTensor(TensorInfo tensor) {
  const auto index = static_cast<int32_t>(file_->tensors_.size());
  if (!file_->tensor_index_.try_emplace(tensor.name, index).second) return false;
  file_->tensors_.push_back(std::move(tensor));
  return true;
}

int32_t ModelFileBuilder::AddPart(std::shared_ptr<ByteSource> source) {
  file_->parts_.push_back(std::move(source));
  return static_cast<int32_t>(file_->parts_.size()) - 1;
}

}  // namespace llmrt::formats
