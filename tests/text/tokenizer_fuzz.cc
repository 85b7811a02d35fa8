// Fuzz target: whatever the bytes are, a tokenizer answers with ids or a status. The first byte
// chooses between texts for the small tokenizers and tokenizer tables made of the input itself.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/text/small_tokenizers.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace llmrt::text {
namespace {

using formats::TokenizerData;

// A violated promise; libFuzzer and GoogleTest both notice.
void Require(bool condition) {
  if (!condition) __builtin_trap();
}

const Tokenizer& SmallTokenizer(bool byte_level) {
  static const std::unique_ptr<Tokenizer> kSentencePiece = *Tokenizer::Create(SmallSentencePiece());
  static const std::unique_ptr<Tokenizer> kByteLevel = *Tokenizer::Create(SmallByteLevel());
  return byte_level ? *kByteLevel : *kSentencePiece;
}

void CheckText(uint8_t choice, std::string_view text) {
  const bool byte_level = (choice & 2) != 0;
  const Tokenizer& tokenizer = SmallTokenizer(byte_level);
  const auto ids = tokenizer.Encode(text, {(choice & 4) != 0, (choice & 8) != 0});
  // Both small tokenizers know every byte, so only bad UTF-8 is refused.
  Require(ids.ok() == (FindInvalidUtf8(text) == std::string_view::npos));
  if (!ids.ok()) return;
  for (const int32_t id : *ids) Require(id >= 0 && id < tokenizer.vocab_size());
  const std::string decoded = tokenizer.Decode(*ids);
  if (byte_level && (choice & 8) == 0) Require(decoded == text);
}

// Tables from bytes: each line of the input is a token, a merge or a number, by its first byte.
TokenizerData TablesFrom(uint8_t choice, std::string_view bytes) {
  TokenizerData data;
  data.family = (choice & 2) != 0 ? formats::TokenizerFamily::kByteLevelBpe
                                  : formats::TokenizerFamily::kSentencePiece;
  data.pre_tokenizer = (choice & 4) != 0 ? "llama-bpe" : "default";
  data.add_bos = (choice & 8) != 0;
  int32_t* const ids[] = {&data.bos_id, &data.eos_id, &data.eot_id, &data.unknown_id, &data.pad_id};
  while (!bytes.empty()) {
    const std::string_view line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(line.size() == bytes.size() ? line.size() : line.size() + 1);
    const uint8_t what = line.empty() ? 0 : static_cast<uint8_t>(line[0]);
    const std::string_view rest = line.substr(line.empty() ? 0 : 1);
    if (what == 'm') {
      data.merges.emplace_back(rest);
    } else if (what == 's' && !rest.empty()) {
      data.scores.push_back(static_cast<float>(static_cast<int8_t>(rest[0])));
    } else if (what == 'i' && rest.size() >= 2) {
      *ids[static_cast<uint8_t>(rest[0]) % 5] = static_cast<int8_t>(rest[1]);
    } else {
      data.tokens.emplace_back(rest);
      if ((choice & 16) != 0) data.kinds.push_back(static_cast<formats::TokenKind>(what & 7));
    }
  }
  return data;
}

void CheckTables(uint8_t choice, std::string_view bytes) {
  const auto tokenizer = Tokenizer::Create(TablesFrom(choice, bytes));
  if (!tokenizer.ok()) {
    Require(!tokenizer.status().message().empty());
    return;
  }
  for (const std::string_view text : {std::string_view("ab  abc\n12 \u4e2d"), bytes}) {
    const auto ids = (*tokenizer)->Encode(text, {true, (choice & 32) != 0});
    if (!ids.ok()) continue;
    for (const int32_t id : *ids) Require(id >= 0 && id < (*tokenizer)->vocab_size());
    (*tokenizer)->Decode(*ids);
  }
}

}  // namespace
}  // namespace llmrt::text

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) != 0) {
    llmrt::text::CheckTables(data[0], rest);
  } else {
    llmrt::text::CheckText(data[0], rest);
  }
  return 0;
}
