// The tokens of a model by id and by text, their kinds, and the special ids. Checks what a file
// said about them once, so that everything behind it can index without checking. How texts become
// tokens is left to sentence_piece.h and byte_level_bpe.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "formats/tokenizer_data.h"

namespace llmrt::text {

// Ids of -1 do not exist.
struct SpecialIds {
  int32_t bos = -1;
  int32_t eos = -1;
  int32_t eot = -1;
  int32_t unknown = -1;
  int32_t pad = -1;
};

class Vocabulary {
 public:
  // Takes tokens, kinds and special ids out of `data` and leaves the rest (scores, merges).
  //
  // INVALID_ARGUMENT: no tokens, more than 2^31 - 1 of them, a special id outside the vocabulary.
  // DATA_LOSS: kinds that are neither absent nor one for each token.
  // Tolerated: empty tokens (never found by text), several tokens with one text (Find gives the
  // most ordinary kind, then the lowest id), kinds outside the enumeration (normal), no kinds at
  // all (special ids are control tokens, "<0xAB>" are bytes where the family has them, the rest is
  // normal).
  static absl::StatusOr<std::unique_ptr<Vocabulary>> Create(formats::TokenizerData* data);

  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
  bool Contains(int32_t id) const { return id >= 0 && id < size(); }
  // `id` must be contained.
  std::string_view piece(int32_t id) const { return tokens_[id]; }
  formats::TokenKind kind(int32_t id) const { return kinds_[id]; }
  bool ends_generation(int32_t id) const { return ends_generation_[id]; }

  // The token with this text, or -1.
  int32_t Find(std::string_view text) const {
    // Longer than every token: no need to hash it.
    if (text.size() > longest_) return -1;
    const auto it = ids_.find(text);
    return it == ids_.end() ? -1 : it->second;
  }

  const SpecialIds& special() const { return special_; }
  // Bytes of the longest token.
  size_t longest() const { return longest_; }

 private:
  Vocabulary() = default;

  absl::Status TakeTables(formats::TokenizerData* data);
  void GuessKinds(formats::TokenizerFamily family);
  void IndexTexts();
  void FindEndTokens();

  std::vector<std::string> tokens_;
  std::vector<formats::TokenKind> kinds_;
  std::vector<bool> ends_generation_;
  // Keys point into tokens_, which never changes after Create.
  std::unordered_map<std::string_view, int32_t> ids_;
  SpecialIds special_;
  size_t longest_ = 0;
};

// The byte of "<0xAB>" (either case), or -1 when `piece` has another form.
int32_t ParseBytePiece(std::string_view piece);

}  // namespace llmrt::text
