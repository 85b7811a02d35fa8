#include "library.h"

#include <utility>

namespace llmrt::cli {

std::string LastMessage() {
  std::string text;
  // Asking for the message leaves the message alone, so it can be asked for twice.
  int64_t length = 0;
  if (llmrt_last_message(nullptr, 0, &length) != LLMRT_STATUS_OK || length <= 0) {
    return "the library gave no message";
  }
  text.resize(static_cast<size_t>(length));
  if (llmrt_last_message(text.data(), length, &length) != LLMRT_STATUS_OK) {
    return "the library gave no message";
  }
  return text;
}

Outcome Check(llmrt_status status) {
  return status == LLMRT_STATUS_OK ? Done() : Failed(LastMessage());
}

Outcome GetText(const TextGetter& get, std::string* text) {
  int64_t length = 0;
  LLMRT_CLI_TRY(Check(get(nullptr, 0, &length)));
  std::string result(static_cast<size_t>(length), '\0');
  // Empty text needs no second call, and would ask for the length again.
  if (length > 0) LLMRT_CLI_TRY(Check(get(result.data(), length, &length)));
  *text = std::move(result);
  return Done();
}

Outcome CreateOptions(llmrt_options_kind kind, Options* options) {
  llmrt_options* handle = nullptr;
  LLMRT_CLI_TRY(Check(llmrt_options_create(kind, &handle)));
  options->reset(handle);
  return Done();
}

Outcome CreateSource(const std::string& path, Source* source) {
  llmrt_source* handle = nullptr;
  LLMRT_CLI_TRY(Check(
      llmrt_source_create_path(path.data(), static_cast<int64_t>(path.size()), 0, -1, &handle)));
  source->reset(handle);
  return Done();
}

Outcome OpenModel(const std::string& path, Model* model) {
  Source source;
  LLMRT_CLI_TRY(CreateSource(path, &source));
  llmrt_model* handle = nullptr;
  LLMRT_CLI_TRY(Check(llmrt_model_open(source.get(), &handle)));
  model->reset(handle);
  return Done();
}

Outcome GetMetadata(llmrt_model* model, const std::string& key, std::string* value, bool* found) {
  const auto key_length = static_cast<int64_t>(key.size());
  int64_t length = 0;
  const llmrt_status status =
      llmrt_model_metadata_value(model, key.data(), key_length, nullptr, 0, &length);
  *found = status != LLMRT_STATUS_NOT_FOUND;
  if (!*found) return Done();
  return GetText(
      [&](char* buffer, int64_t capacity, int64_t* needed) {
        return llmrt_model_metadata_value(model, key.data(), key_length, buffer, capacity, needed);
      },
      value);
}

Outcome Tokenize(llmrt_model* model, const std::string& text, int32_t flags,
                 std::vector<int32_t>* tokens) {
  const auto text_length = static_cast<int64_t>(text.size());
  int64_t count = 0;
  LLMRT_CLI_TRY(
      Check(llmrt_model_tokenize(model, text.data(), text_length, flags, nullptr, 0, &count)));
  tokens->resize(static_cast<size_t>(count));
  if (count == 0) return Done();
  return Check(
      llmrt_model_tokenize(model, text.data(), text_length, flags, tokens->data(), count, &count));
}

Outcome TokenizeOpenEnded(llmrt_model* model, const std::string& text, int32_t flags,
                          std::vector<int32_t>* tokens) {
  auto info = Sized<llmrt_model_info>();
  LLMRT_CLI_TRY(Check(llmrt_model_get_info(model, &info)));
  // What the empty text becomes is what the model puts around every text.
  std::vector<int32_t> frame;
  LLMRT_CLI_TRY(Tokenize(model, std::string(), LLMRT_TEXT_DEFAULT, &frame));
  LLMRT_CLI_TRY(Tokenize(model, text, flags | LLMRT_TEXT_PLAIN, tokens));
  const bool wants_bos = !frame.empty() && info.bos_id >= 0 && frame[0] == info.bos_id;
  const bool has_bos = !tokens->empty() && tokens->front() == info.bos_id;
  if (wants_bos && !has_bos) tokens->insert(tokens->begin(), info.bos_id);
  return Done();
}

}  // namespace llmrt::cli
