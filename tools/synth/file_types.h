// Which tensor of a file gets which type. A "file type" is what people call a quantized file by:
// q4_0, q4_k_m. Few files hold one type alone; the rules here are those of llama.cpp's quantizer
// (without an importance matrix), so that a synthetic file has the bytes of a real one:
//
// - Norms are F32.
// - The output matrix is Q6_K, except that Q8_0 files keep Q8_0. Where the embedding is tied it is
//   the output matrix and follows this rule.
// - The _M mixes give attn_v and ffn_down Q6_K in some layers (GetsMoreBits).
// - Q4_K_S gives attn_v of the first four layers and ffn_down of the first eighth Q5_K.
// - A K type whose 256 values do not divide the tensor's rows is replaced by one with 32:
//   Q4_K by Q5_0, Q5_K by Q5_1, Q6_K by Q8_0.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "backend/weight_type.h"

namespace llmrt::synth {

// What a matrix does in the model, as far as the rules care.
enum class TensorRole { kEmbedding, kOutput, kAttentionV, kFfnDown, kOther };

struct FileType {
  std::string_view name;     // as users type it
  uint32_t number;           // general.file_type
  backend::WeightType base;  // of whatever no rule names
  enum class Mix { kNone, kSmall, kMedium } mix = Mix::kNone;
};

// Every file type of the types that the runtime loads; aliases behind the names they stand for.
absl::Span<const FileType> FileTypes();

// nullptr: no file type has this name.
const FileType* FindFileType(std::string_view name);

struct TensorPlace {
  TensorRole role = TensorRole::kOther;
  int64_t cols = 0;  // values of a row
  int32_t layer = 0;
  int32_t num_layers = 0;
  bool tied = false;
};

// The type of a matrix. (Norms are not matrices.)
backend::WeightType TypeOfMatrix(const FileType& file_type, const TensorPlace& place);

// The first and the last eighth of the layers, and every third of those between.
bool GetsMoreBits(int32_t layer, int32_t num_layers);

}  // namespace llmrt::synth
