// SentencePiece's BPE: characters are merged pairwise, the pair whose union has the highest score
// first, until no union is a token; characters without a token fall back to bytes. Spaces are
// written as U+2581, and a text starts with an implied one where the model wants it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/text_encoder.h"
#include "text/vocabulary.h"

namespace llmrt::text {

struct SentencePieceOptions {
  std::vector<float> scores;  // by id; empty: all zero
  bool add_space_prefix = true;
  bool remove_extra_whitespaces = false;
};

class SentencePiece : public TextEncoder {
 public:
  // `vocabulary` must outlive the encoder.
  // DATA_LOSS: scores that are neither absent nor one for each token.
  // INVALID_ARGUMENT: a score that is not a number (it has no place in an order), a byte token that
  // is not named "<0x00>" to "<0xFF>".
  static absl::StatusOr<std::unique_ptr<SentencePiece>> Create(const Vocabulary& vocabulary,
                                                               SentencePieceOptions options);

  // O(n log n). INVALID_ARGUMENT: a character that is no token in a vocabulary with neither its
  // bytes nor an unknown token.
  absl::Status Encode(std::string_view text, bool starts_section,
                      std::vector<int32_t>* out) const override;
  std::string TokenBytes(int32_t id) const override;
  bool HasImpliedSpace(int32_t id) const override;

  // The rest is for the merge loop.

  // The token that `text` may be merged into, or -1. Control, byte and unknown tokens are not
  // reached by merging, so no text spells them out.
  int32_t FindMergeable(std::string_view text) const;
  float score(int32_t id) const { return options_.scores.empty() ? 0.0f : options_.scores[id]; }
  bool IsUnused(int32_t id) const { return vocabulary_.kind(id) == formats::TokenKind::kUnused; }
  // Bytes of a character without a token, or the unknown token.
  absl::Status AppendFallback(std::string_view character, std::vector<int32_t>* out) const;

 private:
  SentencePiece(const Vocabulary& vocabulary, SentencePieceOptions options);

  absl::Status IndexBytes();
  std::string Normalize(std::string_view text, bool starts_section) const;

  const Vocabulary& vocabulary_;
  const SentencePieceOptions options_;
  std::array<int32_t, 256> byte_ids_;  // -1: none
};

}  // namespace llmrt::text
