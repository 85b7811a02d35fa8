#include "text/vocabulary.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "text/end_of_generation.h"

namespace llmrt::text {
namespace {

using formats::TokenKind;

// Which of several tokens with one text a text means: lower is preferred.
int Preference(TokenKind kind) {
  switch (kind) {
    case TokenKind::kNormal:
      return 0;
    case TokenKind::kUserDefined:
      return 1;
    case TokenKind::kByte:
      return 2;
    case TokenKind::kUnused:
      return 3;
    case TokenKind::kUnknown:
      return 4;
    case TokenKind::kControl:
      return 5;
  }
  return 6;
}

bool IsKnownKind(TokenKind kind) { return kind >= TokenKind::kNormal && kind <= TokenKind::kByte; }

absl::Status CheckId(std::string_view name, int32_t id, size_t vocab_size) {
  if (id >= -1 && id < static_cast<int64_t>(vocab_size)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the tokenizer's ", name, " id is ", id, "; the vocabulary has ", vocab_size,
                   " tokens; the file is damaged or badly converted"));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

int32_t ParseBytePiece(std::string_view piece) {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return -1;
  const int high = HexDigit(piece[3]);
  const int low = HexDigit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

absl::StatusOr<std::unique_ptr<Vocabulary>> Vocabulary::Create(formats::TokenizerData* data) {
  std::unique_ptr<Vocabulary> vocabulary(new Vocabulary());
  if (absl::Status status = vocabulary->TakeTables(data); !status.ok()) return status;
  vocabulary->FindEndTokens();
  vocabulary->IndexTexts();
  return vocabulary;
}

absl::Status Vocabulary::TakeTables(formats::TokenizerData* data) {
  const size_t count = data->tokens.size();
  if (count == 0) {
    return absl::InvalidArgumentError(
        "the tokenizer has no tokens; the file carries no vocabulary or is badly converted");
  }
  if (count > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tokenizer has ", count, " tokens; the limit is 2147483647"));
  }
  if (!data->kinds.empty() && data->kinds.size() != count) {
    return absl::DataLossError(absl::StrCat("the tokenizer has ", data->kinds.size(),
                                            " token types for ", count,
                                            " tokens; the file is damaged or badly converted"));
  }
  const std::pair<std::string_view, int32_t> ids[] = {{"BOS", data->bos_id},
                                                      {"EOS", data->eos_id},
                                                      {"EOT", data->eot_id},
                                                      {"unknown", data->unknown_id},
                                                      {"padding", data->pad_id}};
  for (const auto& [name, id] : ids) {
    if (absl::Status status = CheckId(name, id, count); !status.ok()) return status;
  }
  special_ = {data->bos_id, data->eos_id, data->eot_id, data->unknown_id, data->pad_id};
  tokens_ = std::move(data->tokens);
  kinds_ = std::move(data->kinds);
  if (kinds_.empty()) {
    GuessKinds(data->family);
  } else {
    std::replace_if(
        kinds_.begin(), kinds_.end(), [](TokenKind kind) { return !IsKnownKind(kind); },
        TokenKind::kNormal);
  }
  return absl::OkStatus();
}

void Vocabulary::GuessKinds(formats::TokenizerFamily family) {
  kinds_.assign(tokens_.size(), TokenKind::kNormal);
  if (family == formats::TokenizerFamily::kSentencePiece) {
    for (size_t id = 0; id < tokens_.size(); ++id) {
      if (ParseBytePiece(tokens_[id]) >= 0) kinds_[id] = TokenKind::kByte;
    }
  }
  for (const int32_t id : {special_.bos, special_.eos, special_.eot, special_.pad}) {
    if (id >= 0) kinds_[id] = TokenKind::kControl;
  }
  if (special_.unknown >= 0) kinds_[special_.unknown] = TokenKind::kUnknown;
}

void Vocabulary::IndexTexts() {
  ids_.reserve(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const int32_t id = static_cast<int32_t>(i);
    if (tokens_[i].empty()) continue;
    longest_ = std::max(longest_, tokens_[i].size());
    const auto [it, inserted] = ids_.try_emplace(tokens_[i], id);
    if (!inserted && Preference(kinds_[i]) < Preference(kinds_[it->second])) it->second = id;
  }
}

void Vocabulary::FindEndTokens() {
  ends_generation_.assign(tokens_.size(), false);
  for (const int32_t id : EndTokensByName(tokens_)) {
    // Files label some of these user-defined. That would let any text that spells one out end the
    // conversation, so they are control tokens whatever the file says.
    kinds_[id] = TokenKind::kControl;
    ends_generation_[id] = true;
  }
  for (const int32_t id : {special_.eos, special_.eot}) {
    if (id >= 0) ends_generation_[id] = true;
  }
}

}  // namespace llmrt::text
