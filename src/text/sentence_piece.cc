#include "text/sentence_piece.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "formats/quote_for_message.h"
#include "text/utf8.h"

namespace llmrt::text {
namespace {

using formats::TokenKind;

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// The merge loop for one text: a doubly linked list of symbols, and a heap of the unions that are
// tokens. A merge makes the left symbol longer and empties the right one; heap entries that it made
// stale are recognized by their size when they come up. Every merge adds at most two entries, so
// the whole is O(n log n).
class MergeLoop {
 public:
  MergeLoop(const SentencePiece& model, std::string_view text) : model_(model), text_(text) {
    symbols_.reserve(text.size());
    for (size_t offset = 0; offset < text.size();) {
      const uint32_t size = DecodeUtf8(text.substr(offset)).size;
      const int32_t index = static_cast<int32_t>(symbols_.size());
      symbols_.push_back({index - 1, index + 1, static_cast<uint32_t>(offset), size});
      offset += size;
    }
    if (!symbols_.empty()) symbols_.back().next = -1;
  }

  void Run() {
    for (size_t i = 1; i < symbols_.size(); ++i) AddCandidate(static_cast<int32_t>(i) - 1);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), ComesLater);
      const Candidate candidate = heap_.back();
      heap_.pop_back();
      Symbol& left = symbols_[candidate.left];
      if (left.size == 0 || left.next < 0) continue;
      Symbol& right = symbols_[left.next];
      if (left.size + right.size != candidate.size) continue;
      left.size += right.size;
      right.size = 0;
      left.next = right.next;
      if (left.next >= 0) symbols_[left.next].prev = candidate.left;
      AddCandidate(left.prev);
      AddCandidate(candidate.left);
    }
  }

  absl::Status Emit(std::vector<int32_t>* out) const {
    for (int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[i].next) {
      if (absl::Status status = EmitSymbol(Text(symbols_[i]), out); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  struct Symbol {
    int32_t prev = -1;
    int32_t next = -1;
    uint32_t offset = 0;
    uint32_t size = 0;  // in bytes; 0: merged into another
  };
  struct Candidate {
    float score = 0;
    int32_t left = 0;
    uint32_t size = 0;  // of the union
  };
  using Halves = std::pair<std::string_view, std::string_view>;

  // Heap order: the highest score comes first, of equal ones the leftmost.
  static bool ComesLater(const Candidate& a, const Candidate& b) {
    return a.score < b.score || (a.score == b.score && a.left > b.left);
  }

  std::string_view Text(const Symbol& symbol) const {
    return text_.substr(symbol.offset, symbol.size);
  }

  // The union of a symbol and the one behind it, if both exist and it is a token.
  void AddCandidate(int32_t left) {
    if (left < 0 || symbols_[left].next < 0) return;
    const Symbol& right = symbols_[symbols_[left].next];
    const uint32_t size = symbols_[left].size + right.size;
    const std::string_view text = text_.substr(symbols_[left].offset, size);
    const int32_t id = model_.FindMergeable(text);
    if (id < 0) return;
    heap_.push_back({model_.score(id), left, size});
    std::push_heap(heap_.begin(), heap_.end(), ComesLater);
    // Unused tokens are steps on the way to others but never a result; keep how to take them apart.
    if (model_.IsUnused(id)) halves_[text] = {Text(symbols_[left]), Text(right)};
  }

  absl::Status EmitSymbol(std::string_view symbol, std::vector<int32_t>* out) const {
    // A stack instead of recursion: a hostile vocabulary can nest as deep as the text is long.
    std::vector<std::string_view> stack = {symbol};
    while (!stack.empty()) {
      const std::string_view piece = stack.back();
      stack.pop_back();
      const int32_t id = model_.FindMergeable(piece);
      if (id < 0) {
        if (absl::Status status = model_.AppendFallback(piece, out); !status.ok()) return status;
        continue;
      }
      const auto halves = model_.IsUnused(id) ? halves_.find(piece) : halves_.end();
      if (halves == halves_.end()) {
        out->push_back(id);
        continue;
      }
      stack.push_back(halves->second.second);
      stack.push_back(halves->second.first);
    }
    return absl::OkStatus();
  }

  const SentencePiece& model_;
  const std::string_view text_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
  std::unordered_map<std::string_view, Halves> halves_;  // of unused tokens, by text
};

// Spaces at both ends go, runs become one.
std::string CollapseSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    out.push_back(c);
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

SentencePiece::SentencePiece(const Vocabulary& vocabulary, SentencePieceOptions options)
    : vocabulary_(vocabulary), options_(std::move(options)) {
  byte_ids_.fill(-1);
}

absl::StatusOr<std::unique_ptr<SentencePiece>> SentencePiece::Create(const Vocabulary& vocabulary,
                                                                     SentencePieceOptions options) {
  const size_t count = options.scores.size();
  if (count != 0 && count != static_cast<size_t>(vocabulary.size())) {
    return absl::DataLossError(absl::StrCat("the tokenizer has ", count, " scores for ",
                                            vocabulary.size(),
                                            " tokens; the file is damaged or badly converted"));
  }
  for (size_t id = 0; id < count; ++id) {
    if (std::isnan(options.scores[id])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the score of token ", id, " is not a number; the file is damaged or badly converted"));
    }
  }
  std::unique_ptr<SentencePiece> model(new SentencePiece(vocabulary, std::move(options)));
  if (absl::Status status = model->IndexBytes(); !status.ok()) return status;
  return model;
}

absl::Status SentencePiece::IndexBytes() {
  for (int32_t id = 0; id < vocabulary_.size(); ++id) {
    if (vocabulary_.kind(id) != TokenKind::kByte) continue;
    const int32_t byte = ParseBytePiece(vocabulary_.piece(id));
    if (byte < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "byte token ", id, " is named ", formats::QuoteForMessage(vocabulary_.piece(id)),
          "; byte tokens are named <0x00> to <0xFF>; the file is badly converted"));
    }
    if (byte_ids_[byte] < 0) byte_ids_[byte] = id;
  }
  return absl::OkStatus();
}

int32_t SentencePiece::FindMergeable(std::string_view text) const {
  const int32_t id = vocabulary_.Find(text);
  if (id < 0) return -1;
  const TokenKind kind = vocabulary_.kind(id);
  const bool mergeable =
      kind == TokenKind::kNormal || kind == TokenKind::kUserDefined || kind == TokenKind::kUnused;
  return mergeable ? id : -1;
}

absl::Status SentencePiece::AppendFallback(std::string_view character,
                                           std::vector<int32_t>* out) const {
  const auto byte_id = [&](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
  if (std::all_of(character.begin(), character.end(), [&](char b) { return byte_id(b) >= 0; })) {
    for (const char byte : character) out->push_back(byte_id(byte));
    return absl::OkStatus();
  }
  const int32_t unknown = vocabulary_.special().unknown;
  if (unknown < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the character ", formats::QuoteForMessage(character),
                     " is not in the vocabulary, which has neither its bytes nor an unknown token; "
                     "leave it out of the text"));
  }
  // Like SentencePiece: a run of unknown characters is one unknown token.
  if (out->empty() || out->back() != unknown) out->push_back(unknown);
  return absl::OkStatus();
}

std::string SentencePiece::Normalize(std::string_view text, bool starts_section) const {
  const std::string collapsed = options_.remove_extra_whitespaces ? CollapseSpaces(text) : "";
  const std::string_view source = options_.remove_extra_whitespaces ? collapsed : text;
  if (source.empty()) return "";
  const bool prefix = starts_section && options_.add_space_prefix;
  return absl::StrCat(prefix ? kSpaceMark : "", absl::StrReplaceAll(source, {{" ", kSpaceMark}}));
}

absl::Status SentencePiece::Encode(std::string_view text, bool starts_section,
                                   std::vector<int32_t>* out) const {
  const std::string normalized = Normalize(text, starts_section);
  MergeLoop loop(*this, normalized);
  loop.Run();
  return loop.Emit(out);
}

std::string SentencePiece::TokenBytes(int32_t id) const {
  const std::string_view piece = vocabulary_.piece(id);
  switch (vocabulary_.kind(id)) {
    case TokenKind::kByte:
      return std::string(1, static_cast<char>(ParseBytePiece(piece)));
    case TokenKind::kUserDefined:
      return std::string(piece);  // matched in the text as it stands, and shown so
    default:
      return absl::StrReplaceAll(piece, {{kSpaceMark, " "}});
  }
}

bool SentencePiece::HasImpliedSpace(int32_t id) const {
  return options_.add_space_prefix && vocabulary_.kind(id) == TokenKind::kNormal &&
         absl::StartsWith(vocabulary_.piece(id), kSpaceMark);
}

}  // namespace llmrt::text
