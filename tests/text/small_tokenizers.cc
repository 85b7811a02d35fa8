#include "tests/text/small_tokenizers.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "text/byte_alphabet.h"

namespace llmrt::text {

using formats::TokenizerData;
using formats::TokenizerFamily;
using formats::TokenKind;

int32_t AddToken(TokenizerData* data, std::string_view piece, TokenKind kind, float score) {
  data->tokens.emplace_back(piece);
  data->kinds.push_back(kind);
  if (data->family == TokenizerFamily::kSentencePiece) data->scores.push_back(score);
  return static_cast<int32_t>(data->tokens.size()) - 1;
}

TokenizerData SmallSentencePiece() {
  TokenizerData data;
  data.family = TokenizerFamily::kSentencePiece;
  data.unknown_id = AddToken(&data, "<unk>", TokenKind::kUnknown);
  data.bos_id = AddToken(&data, "<s>", TokenKind::kControl);
  data.eos_id = AddToken(&data, "</s>", TokenKind::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    AddToken(&data, name, TokenKind::kByte);
  }
  // The earlier, the higher the score, as in trained models.
  const std::string_view pieces[] = {
      "ab", "bc",   "\u2581a",      "cd",      "abc",    "\u2581ab", "de", "cde",
      "aa", "aaaa", "\u2581\u2581", "\u00e9a", "\u2581", "a",        "b",  "c",
      "d",  "e",    "\u00e9",       "\u4e2d"};
  float score = -1;
  for (const std::string_view piece : pieces) AddToken(&data, piece, TokenKind::kNormal, score--);
  AddToken(&data, "<tool>", TokenKind::kUserDefined);
  AddToken(&data, "<|turn|>", TokenKind::kControl);
  data.add_bos = true;
  return data;
}

void AddMerge(TokenizerData* data, std::string_view left, std::string_view right) {
  data->merges.push_back(std::string(left) + " " + std::string(right));
  const std::string result = std::string(left) + std::string(right);
  if (std::find(data->tokens.begin(), data->tokens.end(), result) == data->tokens.end()) {
    AddToken(data, result);
  }
}

TokenizerData SmallByteLevel() {
  TokenizerData data;
  data.family = TokenizerFamily::kByteLevelBpe;
  data.pre_tokenizer = "gpt-2";
  data.add_space_prefix = false;
  const ByteAlphabet alphabet;
  for (int byte = 0; byte < 256; ++byte) {
    AddToken(&data, alphabet.Encode(static_cast<uint8_t>(byte)));
  }
  AddMerge(&data, "a", "b");
  AddMerge(&data, "\u0120", "a");  // U+0120 is the space
  AddMerge(&data, "ab", "c");
  AddMerge(&data, "\u0120a", "b");
  AddMerge(&data, "d", "e");
  AddMerge(&data, "c", "de");
  AddMerge(&data, "a", "a");
  AddMerge(&data, "aa", "aa");
  AddMerge(&data, "b", "c");
  AddMerge(&data, "1", "2");
  data.eos_id = AddToken(&data, "<|im_end|>", TokenKind::kControl);
  AddToken(&data, "<tool>", TokenKind::kUserDefined);
  return data;
}

std::string RandomText(std::mt19937* random, int length) {
  static constexpr std::string_view kPieces[] = {"a",
                                                 "b",
                                                 "c",
                                                 "d",
                                                 "e",
                                                 "a",
                                                 "ab",
                                                 "cde",
                                                 "aaaa",
                                                 " ",
                                                 " ",
                                                 "  ",
                                                 "\n",
                                                 "\r\n",
                                                 "1",
                                                 "12",
                                                 "x",
                                                 "'s",
                                                 "...",
                                                 "\u00e9",
                                                 "\u4e2d",
                                                 "\U0001F600",
                                                 "\u0301",
                                                 "\u3000",
                                                 "<tool>",
                                                 "<|im_end|>",
                                                 "<|turn|>",
                                                 "</s>",
                                                 "<",
                                                 "|",
                                                 std::string_view("\0", 1)};
  std::string text;
  for (int i = 0; i < length; ++i) text += kPieces[(*random)() % std::size(kPieces)];
  return text;
}

}  // namespace llmrt::text
