#include "text/special_tokens.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "text/utf8.h"
#include "text/vocabulary.h"

namespace llmrt::text {
namespace {

using formats::TokenKind;

// Real ones are at most a few dozen bytes long.
constexpr size_t kPieceBytesMax = 1024;

bool IsRecognized(TokenKind kind, SpecialTokens::Recognize recognize) {
  if (kind == TokenKind::kUserDefined) return true;
  return recognize == SpecialTokens::Recognize::kAll &&
         (kind == TokenKind::kControl || kind == TokenKind::kUnknown);
}

uint64_t EdgeKey(uint32_t node, char byte) {
  return (static_cast<uint64_t>(node) << 8) | static_cast<uint8_t>(byte);
}

}  // namespace

absl::StatusOr<SpecialTokens> SpecialTokens::Create(const Vocabulary& vocabulary,
                                                    Recognize recognize) {
  SpecialTokens special;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!IsRecognized(vocabulary.kind(id), recognize)) continue;
    const std::string_view piece = vocabulary.piece(id);
    if (piece.size() > kPieceBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("special token ", id, " is ", piece.size(),
                                                     " bytes long; the limit is ", kPieceBytesMax,
                                                     "; the file is damaged"));
    }
    if (!piece.empty() && FindInvalidUtf8(piece) == std::string_view::npos) {
      special.Insert(piece, id);
    }
  }
  return special;
}

void SpecialTokens::Insert(std::string_view piece, int32_t id) {
  starts_[static_cast<uint8_t>(piece[0])] = true;
  uint32_t node = 0;
  for (const char byte : piece) {
    const auto [it, inserted] =
        edges_.try_emplace(EdgeKey(node, byte), static_cast<uint32_t>(tokens_.size()));
    node = it->second;
    if (inserted) tokens_.push_back(-1);
  }
  // Of several tokens with one text the lowest id is meant.
  if (tokens_[node] < 0) tokens_[node] = id;
}

TextFragment SpecialTokens::Longest(std::string_view text) const {
  TextFragment longest;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto edge = edges_.find(EdgeKey(node, text[i]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (tokens_[node] >= 0) longest = {text.substr(0, i + 1), tokens_[node]};
  }
  return longest;
}

std::vector<TextFragment> SpecialTokens::Split(std::string_view text) const {
  std::vector<TextFragment> fragments;
  size_t text_start = 0;
  size_t pos = 0;
  while (pos < text.size()) {
    if (!starts_[static_cast<uint8_t>(text[pos])]) {
      ++pos;
      continue;
    }
    const TextFragment match = Longest(text.substr(pos));
    if (match.token < 0) {
      ++pos;
      continue;
    }
    if (pos > text_start) fragments.push_back({text.substr(text_start, pos - text_start)});
    fragments.push_back(match);
    pos += match.text.size();
    text_start = pos;
  }
  if (pos > text_start) fragments.push_back({text.substr(text_start)});
  return fragments;
}

}  // namespace llmrt::text
