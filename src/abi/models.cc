// The C entry points of models.

#include <algorithm>

#include "abi/arguments.h"
#include "abi/conversions.h"
#include "abi/objects.h"
#include "abi/status.h"
#include "backend/numeric_class.h"
#include "formats/quote_for_message.h"
#include "llmrt.h"
#include "text/tokenizer.h"

namespace llmrt::abi {
namespace {

// NOT_FOUND unless 0 <= index < count.
absl::Status CheckIndex(int64_t index, size_t count, std::string_view what) {
  if (index >= 0 && static_cast<uint64_t>(index) < count) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(what, " ", index, " does not exist; the model has ",
                                          count, "; count them with llmrt_model_get_info"));
}

llmrt_tensor_info ToTensorInfo(const formats::TensorInfo& tensor) {
  llmrt_tensor_info info = {};
  info.num_dims = tensor.num_dims;
  std::copy(std::begin(tensor.dims), std::end(tensor.dims), info.dims);
  info.bytes = tensor.bytes;
  const bool supported = tensor.unsupported_type.empty();
  const std::string_view type =
      supported ? backend::GeometryOf(tensor.type).name : tensor.unsupported_type;
  const std::string_view numeric_class = supported ? backend::ClassOf(tensor.type).name : "";
  // One byte of each array stays 0.
  type.copy(info.type, sizeof info.type - 1);
  numeric_class.copy(info.numeric_class, sizeof info.numeric_class - 1);
  return info;
}

absl::Status CheckTokens(absl::Span<const int32_t> tokens, int64_t vocab_size) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < vocab_size) continue;
    return absl::OutOfRangeError(absl::StrCat("token ", tokens[i], " at index ", i,
                                              "; the vocabulary has ids 0 to ", vocab_size - 1,
                                              "; pass ids of this model"));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace llmrt::abi

using namespace llmrt::abi;  // NOLINT: this file is the C face of that namespace.

llmrt_status llmrt_model_open(llmrt_source* source, llmrt_model** model) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(source));
    ABI_RETURN_IF_ERROR(CheckOutput(model, "model"));
    ABI_ASSIGN_OR_RETURN(const auto opened, llmrt::engine::Model::Open(*object, false));
    return Give(opened, nullptr, model);
  });
}

llmrt_status llmrt_model_get_info(llmrt_model* model, llmrt_model_info* info) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(model));
    ABI_RETURN_IF_ERROR(CheckStruct(info, "info"));
    WriteStruct(ToModelInfo(*object), info);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_model_metadata_key(llmrt_model* model, int64_t index, char* buffer,
                                      int64_t capacity, int64_t* length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(model));
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    const auto metadata = object->file().metadata();
    ABI_RETURN_IF_ERROR(CheckIndex(index, metadata.size(), "metadata key"));
    return output.Copy(metadata[static_cast<size_t>(index)].key);
  });
}

llmrt_status llmrt_model_metadata_value(llmrt_model* model, const char* key, int64_t key_length,
                                        char* buffer, int64_t capacity, int64_t* length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(model));
    ABI_ASSIGN_OR_RETURN(const std::string_view name, InputText(key, key_length, "key"));
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    const auto* value = object->file().FindMetadata(name);
    if (value == nullptr) {
      return absl::NotFoundError(absl::StrCat(
          "the model has no metadata key ", llmrt::formats::QuoteForMessage(name), " among its ",
          object->file().metadata().size(), "; list them with llmrt_model_metadata_key"));
    }
    return output.Copy(llmrt::formats::ModelFile::ToText(*value));
  });
}

llmrt_status llmrt_model_tensor_name(llmrt_model* model, int64_t index, char* buffer,
                                     int64_t capacity, int64_t* length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(model));
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    const auto tensors = object->file().tensors();
    ABI_RETURN_IF_ERROR(CheckIndex(index, tensors.size(), "tensor"));
    return output.Copy(tensors[static_cast<size_t>(index)].name);
  });
}

llmrt_status llmrt_model_tensor_info(llmrt_model* model, int64_t index, llmrt_tensor_info* info) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(model));
    ABI_RETURN_IF_ERROR(CheckStruct(info, "info"));
    const auto tensors = object->file().tensors();
    ABI_RETURN_IF_ERROR(CheckIndex(index, tensors.size(), "tensor"));
    WriteStruct(ToTensorInfo(tensors[static_cast<size_t>(index)]), info);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_model_tokenize(llmrt_model* model, const char* text, int64_t length,
                                  int32_t flags, int32_t* tokens, int64_t capacity,
                                  int64_t* count) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(model));
    ABI_ASSIGN_OR_RETURN(const std::string_view input, InputText(text, length, "text"));
    ABI_ASSIGN_OR_RETURN(const auto options, ToEncodeOptions(flags));
    ABI_RETURN_IF_ERROR(CheckOutput(count, "count"));
    ABI_RETURN_IF_ERROR(CheckBuffer(tokens, capacity, "tokens"));
    ABI_ASSIGN_OR_RETURN(const llmrt::text::Tokenizer* tokenizer, object->tokenizer());
    ABI_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenizer->Encode(input, options));
    *count = static_cast<int64_t>(ids.size());
    ABI_RETURN_IF_ERROR(CheckCapacity(tokens, capacity, *count, "tokens"));
    if (tokens != nullptr) std::copy(ids.begin(), ids.end(), tokens);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_model_detokenize(llmrt_model* model, const int32_t* tokens, int64_t count,
                                    char* buffer, int64_t capacity, int64_t* length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(model));
    ABI_RETURN_IF_ERROR(CheckArray(tokens, count, "tokens"));
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    ABI_ASSIGN_OR_RETURN(const llmrt::text::Tokenizer* tokenizer, object->tokenizer());
    const absl::Span<const int32_t> ids(tokens, static_cast<size_t>(count));
    ABI_RETURN_IF_ERROR(CheckTokens(ids, tokenizer->vocab_size()));
    return output.Copy(tokenizer->Decode(ids));
  });
}

llmrt_status llmrt_model_plan(llmrt_model* model, llmrt_options* engine_options, llmrt_plan* plan) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(model));
    ABI_ASSIGN_OR_RETURN(const auto options, EngineOptionsOf(engine_options));
    ABI_RETURN_IF_ERROR(CheckStruct(plan, "plan"));
    ABI_ASSIGN_OR_RETURN(const llmrt::engine::Plan made, object->MakePlan(options));
    WriteStruct(ToPlan(made), plan);
    return absl::OkStatus();
  });
}

void llmrt_model_release(llmrt_model* model) {
  EnterRelease([&] { ReleaseHandle(model); });
}
