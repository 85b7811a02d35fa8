// Tokenizer tables small enough to follow by hand, and random texts that exercise them.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer_data.h"

namespace llmrt::text {

// Adds a token and returns its id. The score matters to SentencePiece only.
int32_t AddToken(formats::TokenizerData* data, std::string_view piece,
                 formats::TokenKind kind = formats::TokenKind::kNormal, float score = 0);

// SentencePiece with <unk> (0), <s> (1, BOS), </s> (2, EOS), the 256 byte tokens from id 3 on, some
// letters and unions of a to e, a user-defined "<tool>" and a control "<|turn|>". Adds BOS.
formats::TokenizerData SmallSentencePiece();

// Byte-level BPE with the byte alphabet as ids 0 to 255 (by byte), some merges of a to e, a control
// "<|im_end|>" (EOS) and a user-defined "<tool>". Pre-tokenizer gpt-2.
formats::TokenizerData SmallByteLevel();

// Adds the merge and, if it is new, the token that it makes.
void AddMerge(formats::TokenizerData* data, std::string_view left, std::string_view right);

// `length` pieces drawn from the letters, spaces, digits, multi-byte characters and special tokens
// that the small tokenizers know, and some that they do not.
std::string RandomText(std::mt19937* random, int length);

}  // namespace llmrt::text
