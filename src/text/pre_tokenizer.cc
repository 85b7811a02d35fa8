#include "text/pre_tokenizer.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "formats/pre_tokenizer_names.h"
#include "formats/quote_for_message.h"
#include "text/utf8.h"

// Every Match function below is one alternative, or one whole expression, of the patterns that it
// quotes. `\s` is White_Space. An expression matches at the leftmost position where an alternative
// does, and takes the first alternative that does.

namespace llmrt::text {
namespace {

using Piece = absl::Span<const ClassifiedCharacter>;

bool IsClass(Piece piece, size_t pos, CharClass wanted) {
  return pos < piece.size() && piece[pos].char_class == wanted;
}

bool IsNewline(Piece piece, size_t pos) {
  return pos < piece.size() && (piece[pos].value == '\n' || piece[pos].value == '\r');
}

// [^\s\p{L}\p{N}]
bool IsSymbol(Piece piece, size_t pos) {
  return pos < piece.size() && (piece[pos].char_class == CharClass::kOther ||
                                piece[pos].char_class == CharClass::kPunctuation);
}

size_t EndOfClass(Piece piece, size_t pos, CharClass wanted) {
  while (IsClass(piece, pos, wanted)) ++pos;
  return pos;
}

size_t EndOfSymbols(Piece piece, size_t pos) {
  while (IsSymbol(piece, pos)) ++pos;
  return pos;
}

// A letter without its case, as the case-insensitive contractions see it. U+017F (long s) folds to
// s; no other character outside ASCII folds to one of s, t, r, e, v, m, l, d.
char32_t FoldLetter(char32_t value) {
  if (value >= 'A' && value <= 'Z') return value + ('a' - 'A');
  return value == 0x17F ? U's' : value;
}

// 's|'t|'re|'ve|'m|'ll|'d, in lower case only or, with `fold`, in any.
size_t MatchContraction(Piece piece, size_t pos, bool fold) {
  if (piece[pos].value != '\'') return pos;
  const auto letter = [&](size_t at) -> char32_t {
    if (at >= piece.size()) return 0;
    return fold ? FoldLetter(piece[at].value) : piece[at].value;
  };
  const char32_t first = letter(pos + 1);
  const char32_t second = letter(pos + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return pos + 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
      (first == 'l' && second == 'l')) {
    return pos + 3;
  }
  return pos;
}

// \s+(?!\S)|\s+ : a run of whitespace that text follows leaves its last character to that text.
size_t MatchWhitespace(Piece piece, size_t pos) {
  const size_t end = EndOfClass(piece, pos, CharClass::kWhitespace);
  return end < piece.size() && end - pos > 1 ? end - 1 : end;
}

// \s*[\r\n]+ : whitespace up to and including the last line break of its run.
size_t MatchLineBreaks(Piece piece, size_t pos) {
  size_t last = pos;
  for (size_t at = pos; IsClass(piece, at, CharClass::kWhitespace); ++at) {
    if (IsNewline(piece, at)) last = at + 1;
  }
  return last;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t MatchGpt2(Piece piece, size_t pos) {
  const size_t contraction = MatchContraction(piece, pos, /*fold=*/false);
  if (contraction > pos) return contraction;
  const size_t start = piece[pos].value == ' ' ? pos + 1 : pos;
  if (IsClass(piece, start, CharClass::kLetter)) {
    return EndOfClass(piece, start, CharClass::kLetter);
  }
  if (IsClass(piece, start, CharClass::kNumber)) {
    return EndOfClass(piece, start, CharClass::kNumber);
  }
  if (IsSymbol(piece, start)) return EndOfSymbols(piece, start);
  return MatchWhitespace(piece, pos);
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*
// |\s*[\r\n]+|\s+(?!\S)|\s+
size_t MatchCl100k(Piece piece, size_t pos, size_t digits) {
  const size_t contraction = MatchContraction(piece, pos, /*fold=*/true);
  if (contraction > pos) return contraction;

  const CharClass first = piece[pos].char_class;
  if (first == CharClass::kLetter) return EndOfClass(piece, pos, CharClass::kLetter);
  if (first == CharClass::kNumber) {
    return std::min(EndOfClass(piece, pos, CharClass::kNumber), pos + digits);
  }
  if (!IsNewline(piece, pos) && IsClass(piece, pos + 1, CharClass::kLetter)) {
    return EndOfClass(piece, pos + 1, CharClass::kLetter);
  }
  const size_t start = piece[pos].value == ' ' ? pos + 1 : pos;
  if (IsSymbol(piece, start)) {
    size_t end = EndOfSymbols(piece, start);
    while (IsNewline(piece, end)) ++end;
    return end;
  }
  const size_t line_breaks = MatchLineBreaks(piece, pos);
  return line_breaks > pos ? line_breaks : MatchWhitespace(piece, pos);
}

size_t MatchLlama3(Piece piece, size_t pos) { return MatchCl100k(piece, pos, 3); }
size_t MatchQwen2(Piece piece, size_t pos) { return MatchCl100k(piece, pos, 1); }

// \p{N}
size_t MatchNumber(Piece piece, size_t pos) {
  return IsClass(piece, pos, CharClass::kNumber) ? pos + 1 : pos;
}

// \p{N}+
size_t MatchNumbers(Piece piece, size_t pos) { return EndOfClass(piece, pos, CharClass::kNumber); }

// [\p{P}\$\+<=>\^~\|]+
size_t MatchPunctuation(Piece piece, size_t pos) {
  constexpr std::u32string_view kMore = U"$+<=>^~|";
  while (pos < piece.size() && (piece[pos].char_class == CharClass::kPunctuation ||
                                kMore.find(piece[pos].value) != kMore.npos)) {
    ++pos;
  }
  return pos;
}

// [0-9][0-9][0-9]
size_t MatchThreeDigits(Piece piece, size_t pos) {
  if (piece.size() - pos < 3) return pos;
  for (size_t i = pos; i < pos + 3; ++i) {
    if (piece[i].value < '0' || piece[i].value > '9') return pos;
  }
  return pos + 3;
}

constexpr PreTokenizer::Matcher kGpt2[] = {MatchGpt2};
constexpr PreTokenizer::Matcher kLlama3[] = {MatchLlama3};
constexpr PreTokenizer::Matcher kQwen2[] = {MatchQwen2};
constexpr PreTokenizer::Matcher kStarcoder[] = {MatchNumber, MatchGpt2};
constexpr PreTokenizer::Matcher kDefault[] = {MatchPunctuation, MatchGpt2, MatchNumbers,
                                              MatchThreeDigits};

absl::Span<const PreTokenizer::Matcher> StepsOf(formats::TextSplit split) {
  switch (split) {
    case formats::TextSplit::kGpt2:
      return kGpt2;
    case formats::TextSplit::kLlama3:
      return kLlama3;
    case formats::TextSplit::kQwen2:
      return kQwen2;
    case formats::TextSplit::kStarcoder:
      return kStarcoder;
    case formats::TextSplit::kDefault:
      break;
  }
  return kDefault;
}

// Cuts `piece` into matches and what lies between them, and puts the lengths into `lengths`.
void SplitPiece(Piece piece, PreTokenizer::Matcher match, std::vector<size_t>* lengths) {
  size_t gap_start = 0;
  size_t pos = 0;
  while (pos < piece.size()) {
    const size_t end = match(piece, pos);
    if (end == pos) {
      ++pos;
      continue;
    }
    if (pos > gap_start) lengths->push_back(pos - gap_start);
    lengths->push_back(end - pos);
    pos = gap_start = end;
  }
  if (pos > gap_start) lengths->push_back(pos - gap_start);
}

std::vector<ClassifiedCharacter> Classify(std::string_view text) {
  std::vector<ClassifiedCharacter> characters;
  characters.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text.substr(offset));
    characters.push_back(
        {character.value, static_cast<uint32_t>(offset), ClassOf(character.value)});
    offset += character.size;
  }
  return characters;
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::Create(std::string_view name) {
  const formats::PreTokenizerName* known = formats::FindPreTokenizerName(name);
  if (known == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("pre-tokenizer ", formats::QuoteForMessage(name), " is not known; known are ",
                     formats::PreTokenizerNamesForMessage(), " and files' other names for these"));
  }
  PreTokenizer pre_tokenizer;
  pre_tokenizer.steps_ = StepsOf(known->split);
  pre_tokenizer.whole_pre_tokens_first_ = known->llama3_vocabulary;
  return pre_tokenizer;
}

std::vector<std::string_view> PreTokenizer::Split(std::string_view text) const {
  const std::vector<ClassifiedCharacter> characters = Classify(text);
  std::vector<size_t> lengths = {characters.size()};  // in characters
  for (const Matcher match : steps_) {
    std::vector<size_t> next;
    next.reserve(lengths.size());
    size_t start = 0;
    for (const size_t length : lengths) {
      SplitPiece(Piece(characters).subspan(start, length), match, &next);
      start += length;
    }
    lengths = std::move(next);
  }

  std::vector<std::string_view> pre_tokens;
  pre_tokens.reserve(lengths.size());
  size_t end = 0;
  size_t begin_byte = 0;
  for (const size_t length : lengths) {
    end += length;
    const size_t end_byte = end < characters.size() ? characters[end].offset : text.size();
    pre_tokens.push_back(text.substr(begin_byte, end_byte - begin_byte));
    begin_byte = end_byte;
  }
  return pre_tokens;
}

}  // namespace llmrt::text
