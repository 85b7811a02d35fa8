#include "formats/gguf_tokenizer.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "formats/gguf_cursor.h"
#include "formats/pre_tokenizer_names.h"
#include "formats/status_macros.h"

namespace llmrt::formats {
namespace {

constexpr int64_t kNone = -1;

std::string Key(std::string_view suffix) { return absl::StrCat("tokenizer.ggml.", suffix); }

absl::Status Wrong(std::string_view name, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", what, "; convert the model again"));
}

// Where the file does not say: only a token that there is can be added.
bool AddsBosByDefault(const TokenizerData& tokenizer) {
  if (tokenizer.bos_id < 0) return false;
  if (tokenizer.family == TokenizerFamily::kSentencePiece) return true;
  const PreTokenizerName* name = FindPreTokenizerName(tokenizer.pre_tokenizer);
  return name != nullptr && name->llama3_vocabulary;
}

class IdReader {
 public:
  IdReader(const ModelFile& file, std::string_view name, int64_t vocab_size)
      : file_(file), name_(name), vocab_size_(vocab_size) {}

  // `fallback` is taken when the key is absent; it must lie in the vocabulary as well, else none.
  absl::Status Read(std::string_view suffix, int64_t fallback, int32_t* id) const {
    const std::string key = Key(suffix);
    const absl::StatusOr<int64_t> value = file_.GetInt(key, fallback);
    if (!value.ok()) return value.status();
    // -1 is "none", which some converters write as an unsigned number.
    const bool is_none = *value == kNone || *value == std::numeric_limits<uint32_t>::max();
    const bool is_inside = *value >= 0 && *value < vocab_size_;
    const bool may_be_outside = file_.FindMetadata(key) == nullptr || suffix == "padding_token_id";
    if (!is_none && !is_inside && !may_be_outside) {
      return Wrong(name_, absl::StrCat("key \"", key, "\" is ", *value, "; the vocabulary has ",
                                       vocab_size_, " tokens"));
    }
    *id = static_cast<int32_t>(is_inside ? *value : kNone);
    return absl::OkStatus();
  }

 private:
  const ModelFile& file_;
  const std::string_view name_;
  const int64_t vocab_size_;
};

absl::Status FillFamily(const ModelFile& file, std::string_view name, std::string_view model,
                        TokenizerData* tokenizer) {
  if (model == "llama") {
    tokenizer->family = TokenizerFamily::kSentencePiece;
    tokenizer->merges.clear();
  } else {
    tokenizer->family = TokenizerFamily::kByteLevelBpe;
    tokenizer->scores.clear();
    if (file.FindMetadata(Key("merges")) == nullptr) {
      return Wrong(name, "key \"tokenizer.ggml.merges\" is missing, which byte-level BPE needs");
    }
  }
  const absl::StatusOr<std::string> pre = file.GetString(Key("pre"), "default");
  if (!pre.ok()) return pre.status();
  tokenizer->pre_tokenizer = *pre;
  return absl::OkStatus();
}

absl::Status CheckArrays(std::string_view name, TokenizerData* tokenizer) {
  const size_t count = tokenizer->tokens.size();
  if (count == 0 || count > kGgufElementsMax) {
    return Wrong(name, absl::StrCat("key \"tokenizer.ggml.tokens\" holds ", count,
                                    " tokens; a vocabulary has 1 to ", kGgufElementsMax));
  }
  if (!tokenizer->kinds.empty() && tokenizer->kinds.size() != count) {
    return Wrong(name, absl::StrCat("key \"tokenizer.ggml.token_type\" holds ",
                                    tokenizer->kinds.size(), " values for ", count, " tokens"));
  }
  if (!tokenizer->scores.empty() && tokenizer->scores.size() != count) {
    return Wrong(name, absl::StrCat("key \"tokenizer.ggml.scores\" holds ",
                                    tokenizer->scores.size(), " values for ", count, " tokens"));
  }
  if (tokenizer->family == TokenizerFamily::kSentencePiece && tokenizer->scores.empty()) {
    tokenizer->scores.reserve(count);
    for (size_t id = 0; id < count; ++id) tokenizer->scores.push_back(-static_cast<float>(id));
  }
  return absl::OkStatus();
}

absl::Status FillIds(const ModelFile& file, std::string_view name, TokenizerData* tokenizer) {
  const IdReader ids(file, name, static_cast<int64_t>(tokenizer->tokens.size()));
  // SentencePiece vocabularies have <unk>, <s> and </s> at 0, 1 and 2; byte-level ones have no
  // custom.
  const bool is_spm = tokenizer->family == TokenizerFamily::kSentencePiece;
  FORMATS_RETURN_IF_ERROR(ids.Read("bos_token_id", is_spm ? 1 : kNone, &tokenizer->bos_id));
  FORMATS_RETURN_IF_ERROR(ids.Read("eos_token_id", is_spm ? 2 : kNone, &tokenizer->eos_id));
  FORMATS_RETURN_IF_ERROR(ids.Read("unknown_token_id", is_spm ? 0 : kNone, &tokenizer->unknown_id));
  FORMATS_RETURN_IF_ERROR(ids.Read("eot_token_id", kNone, &tokenizer->eot_id));
  return ids.Read("padding_token_id", kNone, &tokenizer->pad_id);
}

absl::Status FillFlag(const ModelFile& file, std::string_view suffix, bool fallback, bool* flag) {
  const absl::StatusOr<bool> value = file.GetBool(Key(suffix), fallback);
  if (!value.ok()) return value.status();
  *flag = *value;
  return absl::OkStatus();
}

absl::Status FillFlags(const ModelFile& file, TokenizerData* tokenizer) {
  const bool is_spm = tokenizer->family == TokenizerFamily::kSentencePiece;
  FORMATS_RETURN_IF_ERROR(
      FillFlag(file, "add_bos_token", AddsBosByDefault(*tokenizer), &tokenizer->add_bos));
  FORMATS_RETURN_IF_ERROR(FillFlag(file, "add_eos_token", false, &tokenizer->add_eos));
  FORMATS_RETURN_IF_ERROR(FillFlag(file, "add_space_prefix", is_spm, &tokenizer->add_space_prefix));
  return FillFlag(file, "remove_extra_whitespaces", false, &tokenizer->remove_extra_whitespaces);
}

}  // namespace

absl::Status FillGgufTokenizer(const ModelFile& file, std::string_view name,
                               TokenizerData* tokenizer) {
  const absl::StatusOr<std::string> model = file.GetString(Key("model"), "none");
  if (!model.ok()) return model.status();
  if (*model == "none" || *model == "no_vocab") {
    *tokenizer = TokenizerData();
    return absl::OkStatus();
  }
  tokenizer->model = *model;
  if (*model != "llama" && *model != "gpt2") {
    tokenizer->family = TokenizerFamily::kUnsupported;
    return absl::OkStatus();
  }
  FORMATS_RETURN_IF_ERROR(FillFamily(file, name, *model, tokenizer));
  FORMATS_RETURN_IF_ERROR(CheckArrays(name, tokenizer));
  FORMATS_RETURN_IF_ERROR(FillIds(file, name, tokenizer));
  FORMATS_RETURN_IF_ERROR(FillFlags(file, tokenizer));
  absl::StatusOr<std::string> chat_template = file.GetString("tokenizer.chat_template", "");
  if (!chat_template.ok()) return chat_template.status();
  tokenizer->chat_template = *std::move(chat_template);
  return absl::OkStatus();
}

}  // namespace llmrt::formats
