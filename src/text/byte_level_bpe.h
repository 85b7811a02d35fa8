// Byte-level BPE: the text is split into pre-tokens, each is written in the byte alphabet, and its
// neighbours are merged pairwise, the pair of the lowest rank first.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/byte_alphabet.h"
#include "text/pre_tokenizer.h"
#include "text/text_encoder.h"
#include "text/vocabulary.h"

namespace llmrt::text {

class ByteLevelBpe : public TextEncoder {
 public:
  // A merge by its rank, as ids.
  struct Merge {
    int32_t left = -1;
    int32_t right = -1;
    int32_t result = -1;
  };

  // `vocabulary` must outlive the encoder. `merges` are "left right", by rank.
  // INVALID_ARGUMENT: a merge that is not two tokens, or names one that the vocabulary lacks, or
  // whose result it lacks (the reference tokenizer refuses these as well). Tolerated: a pair that
  // is listed twice (the first rank counts), bytes without a token (Encode says so when it meets
  // one).
  static absl::StatusOr<std::unique_ptr<ByteLevelBpe>> Create(
      const Vocabulary& vocabulary, PreTokenizer pre_tokenizer,
      const std::vector<std::string>& merges);

  // O(n log n). INVALID_ARGUMENT: a byte that has no token in a vocabulary without an unknown
  // token.
  absl::Status Encode(std::string_view text, bool starts_section,
                      std::vector<int32_t>* out) const override;
  std::string TokenBytes(int32_t id) const override;
  bool HasImpliedSpace(int32_t) const override { return false; }

  // The rest is for the merge loop.

  // The rank of a pair, or -1 when it does not merge.
  int32_t FindRank(int32_t left, int32_t right) const;
  const Merge& merge(int32_t rank) const { return merges_[rank]; }

 private:
  ByteLevelBpe(const Vocabulary& vocabulary, PreTokenizer pre_tokenizer);

  absl::Status AddMerge(std::string_view merge);
  // The token of a whole pre-token where the model takes it before any merge, or -1.
  int32_t FindWhole(std::string_view pre_token) const;
  // The tokens of single bytes.
  absl::Status AppendBytes(std::string_view pre_token, std::vector<int32_t>* out) const;

  const Vocabulary& vocabulary_;
  const PreTokenizer pre_tokenizer_;
  const ByteAlphabet alphabet_;
  std::array<int32_t, 256> byte_ids_;            // -1: none
  std::vector<Merge> merges_;                    // by rank
  std::unordered_map<uint64_t, int32_t> ranks_;  // (left << 32 | right) -> rank
};

}  // namespace llmrt::text
