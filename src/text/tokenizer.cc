#include "text/tokenizer.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "formats/quote_for_message.h"
#include "text/byte_level_bpe.h"
#include "text/pre_tokenizer.h"
#include "text/sentence_piece.h"
#include "text/special_tokens.h"
#include "text/text_encoder.h"
#include "text/utf8.h"
#include "text/vocabulary.h"

namespace llmrt::text {
namespace {

using formats::TokenizerData;
using formats::TokenizerFamily;
using formats::TokenKind;

// The encoders count bytes in 32 bits, and U+2581 takes three for a space: 3 GiB at most.
constexpr size_t kTextBytesMax = size_t{1} << 30;

absl::Status UnsupportedFamily(const TokenizerData& data) {
  return absl::UnimplementedError(
      absl::StrCat("tokenizer model ", formats::QuoteForMessage(data.model),
                   " is not supported; use a model with llama (SentencePiece) or gpt2 (byte-level "
                   "BPE), or pass token ids"));
}

absl::StatusOr<std::unique_ptr<TextEncoder>> CreateEncoder(const Vocabulary& vocabulary,
                                                           TokenizerData* data) {
  if (data->family == TokenizerFamily::kSentencePiece) {
    return SentencePiece::Create(vocabulary,
                                 {.scores = std::move(data->scores),
                                  .add_space_prefix = data->add_space_prefix,
                                  .remove_extra_whitespaces = data->remove_extra_whitespaces});
  }
  if (data->family == TokenizerFamily::kByteLevelBpe) {
    absl::StatusOr<PreTokenizer> pre_tokenizer = PreTokenizer::Create(data->pre_tokenizer);
    if (!pre_tokenizer.ok()) return pre_tokenizer.status();
    return ByteLevelBpe::Create(vocabulary, *pre_tokenizer, data->merges);
  }
  return UnsupportedFamily(*data);
}

bool IsShown(TokenKind kind) {
  return kind == TokenKind::kNormal || kind == TokenKind::kByte || kind == TokenKind::kUserDefined;
}

absl::Status MissingId(std::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the tokenizer adds ", name, " and names no such token; the file is badly converted"));
}

}  // namespace

struct Tokenizer::Impl {
  std::unique_ptr<Vocabulary> vocabulary;
  std::unique_ptr<TextEncoder> encoder;  // points into *vocabulary
  SpecialTokens user_defined;
  SpecialTokens all_special;
  bool add_bos = false;
  bool add_eos = false;
  // TokenBytes of all ids, one behind the other: token i is [starts[i], starts[i + 1]).
  std::string bytes;
  std::vector<size_t> starts = {0};

  void CollectTokenBytes() {
    starts.reserve(static_cast<size_t>(vocabulary->size()) + 1);
    for (int32_t id = 0; id < vocabulary->size(); ++id) {
      if (IsShown(vocabulary->kind(id))) bytes += encoder->TokenBytes(id);
      starts.push_back(bytes.size());
    }
  }
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Create(TokenizerData data) {
  if (data.family == TokenizerFamily::kUnsupported) return UnsupportedFamily(data);
  absl::StatusOr<std::unique_ptr<Vocabulary>> vocabulary = Vocabulary::Create(&data);
  if (!vocabulary.ok()) return vocabulary.status();
  if (data.add_bos && data.bos_id < 0) return MissingId("BOS");
  if (data.add_eos && data.eos_id < 0) return MissingId("EOS");
  absl::StatusOr<std::unique_ptr<TextEncoder>> encoder = CreateEncoder(**vocabulary, &data);
  if (!encoder.ok()) return encoder.status();
  absl::StatusOr<SpecialTokens> user_defined =
      SpecialTokens::Create(**vocabulary, SpecialTokens::Recognize::kUserDefined);
  if (!user_defined.ok()) return user_defined.status();
  absl::StatusOr<SpecialTokens> all_special =
      SpecialTokens::Create(**vocabulary, SpecialTokens::Recognize::kAll);
  if (!all_special.ok()) return all_special.status();

  auto impl = std::make_unique<Impl>(Impl{.vocabulary = *std::move(vocabulary),
                                          .encoder = *std::move(encoder),
                                          .user_defined = *std::move(user_defined),
                                          .all_special = *std::move(all_special),
                                          .add_bos = data.add_bos,
                                          .add_eos = data.add_eos});
  impl->CollectTokenBytes();
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(std::string_view utf8,
                                                       const EncodeOptions& options) const {
  if (utf8.size() > kTextBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("text is ", utf8.size(), " bytes; the limit is ",
                                                   kTextBytesMax, "; encode it in parts"));
  }
  if (const size_t bad = FindInvalidUtf8(utf8); bad != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "text is not UTF-8 at byte ", bad, " of ", utf8.size(), " (0x",
        absl::Hex(static_cast<uint8_t>(utf8[bad]), absl::kZeroPad2), "); convert it to UTF-8"));
  }
  std::vector<int32_t> ids;
  if (options.add_special && impl_->add_bos) ids.push_back(bos_id());
  const SpecialTokens& special = options.parse_special ? impl_->all_special : impl_->user_defined;
  bool starts_section = true;
  for (const TextFragment& fragment : special.Split(utf8)) {
    if (fragment.token >= 0) {
      ids.push_back(fragment.token);
      starts_section = true;
      continue;
    }
    absl::Status status = impl_->encoder->Encode(fragment.text, starts_section, &ids);
    if (!status.ok()) return status;
    starts_section = false;
  }
  if (options.add_special && options.add_eos && impl_->add_eos) ids.push_back(eos_id());
  return ids;
}

std::string_view Tokenizer::TokenBytes(int32_t id) const {
  if (!impl_->vocabulary->Contains(id)) return {};
  const size_t start = impl_->starts[id];
  return std::string_view(impl_->bytes).substr(start, impl_->starts[id + 1] - start);
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids) const {
  std::string text;
  bool at_start = true;  // nothing but tokens that are not shown so far
  for (const int32_t id : ids) {
    std::string_view bytes = TokenBytes(id);
    if (bytes.empty()) continue;
    if (at_start && impl_->encoder->HasImpliedSpace(id)) bytes.remove_prefix(1);
    at_start = false;
    text += bytes;
  }
  return text;
}

int32_t Tokenizer::vocab_size() const { return impl_->vocabulary->size(); }
int32_t Tokenizer::bos_id() const { return impl_->vocabulary->special().bos; }
int32_t Tokenizer::eos_id() const { return impl_->vocabulary->special().eos; }
int32_t Tokenizer::eot_id() const { return impl_->vocabulary->special().eot; }

bool Tokenizer::IsEndOfGeneration(int32_t id) const {
  return impl_->vocabulary->Contains(id) && impl_->vocabulary->ends_generation(id);
}

TokenKind Tokenizer::kind(int32_t id) const {
  return impl_->vocabulary->Contains(id) ? impl_->vocabulary->kind(id) : TokenKind::kUnused;
}

std::string_view Tokenizer::piece(int32_t id) const {
  return impl_->vocabulary->Contains(id) ? impl_->vocabulary->piece(id) : std::string_view();
}

}  // namespace llmrt::text
