#include "synth/file_types.h"

namespace llmrt::synth {
namespace {

using backend::WeightType;
using Mix = FileType::Mix;

// The numbers are those that files carry in general.file_type.
constexpr FileType kFileTypes[] = {
    {"f32", 0, WeightType::kF32},
    {"f16", 1, WeightType::kF16},
    {"bf16", 32, WeightType::kBF16},
    {"q8_0", 7, WeightType::kQ8_0},
    {"q4_0", 2, WeightType::kQ4_0},
    {"q4_1", 3, WeightType::kQ4_1},
    {"q5_0", 8, WeightType::kQ5_0},
    {"q5_1", 9, WeightType::kQ5_1},
    {"q4_k_s", 14, WeightType::kQ4_K, Mix::kSmall},
    {"q4_k_m", 15, WeightType::kQ4_K, Mix::kMedium},
    {"q4_k", 15, WeightType::kQ4_K, Mix::kMedium},
    {"q5_k_s", 16, WeightType::kQ5_K},
    {"q5_k_m", 17, WeightType::kQ5_K, Mix::kMedium},
    {"q5_k", 17, WeightType::kQ5_K, Mix::kMedium},
    {"q6_k", 18, WeightType::kQ6_K},
};

// The stand-in for a type whose blocks do not divide the row.
WeightType Fallback(WeightType type) {
  switch (type) {
    case WeightType::kQ4_K:
      return WeightType::kQ5_0;
    case WeightType::kQ5_K:
      return WeightType::kQ5_1;
    case WeightType::kQ6_K:
      return WeightType::kQ8_0;
    default:
      return WeightType::kF16;
  }
}

WeightType TypeByRole(const FileType& file_type, const TensorPlace& place) {
  const bool is_output =
      place.role == TensorRole::kOutput || (place.tied && place.role == TensorRole::kEmbedding);
  if (is_output) {
    return file_type.base == WeightType::kQ8_0 ? WeightType::kQ8_0 : WeightType::kQ6_K;
  }
  const bool is_v = place.role == TensorRole::kAttentionV;
  const bool is_down = place.role == TensorRole::kFfnDown;
  if (file_type.mix == Mix::kMedium && (is_v || is_down) &&
      GetsMoreBits(place.layer, place.num_layers)) {
    return WeightType::kQ6_K;
  }
  if (file_type.mix == Mix::kSmall) {
    if (is_v && place.layer < 4) return WeightType::kQ5_K;
    if (is_down && place.layer < place.num_layers / 8) return WeightType::kQ5_K;
  }
  return file_type.base;
}

}  // namespace

absl::Span<const FileType> FileTypes() { return kFileTypes; }

const FileType* FindFileType(std::string_view name) {
  for (const FileType& file_type : kFileTypes) {
    if (file_type.name == name) return &file_type;
  }
  return nullptr;
}

bool GetsMoreBits(int32_t layer, int32_t num_layers) {
  const int32_t eighth = num_layers / 8;
  return layer < eighth || layer >= 7 * num_layers / 8 || (layer - eighth) % 3 == 2;
}

WeightType TypeOfMatrix(const FileType& file_type, const TensorPlace& place) {
  // Files that are not quantized have one type throughout.
  if (!backend::IsQuantized(file_type.base)) return file_type.base;
  WeightType type = TypeByRole(file_type, place);
  if (!backend::RowBytes(type, place.cols)) type = Fallback(type);
  // Rows that not even blocks of 32 divide.
  return backend::RowBytes(type, place.cols) ? type : WeightType::kF16;
}

}  // namespace llmrt::synth
