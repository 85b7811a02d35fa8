// A numeric class in words. Apart from numeric_class.h, which the kernels of every instruction set
// include and which therefore holds no code.
#pragma once

#include <string>
#include <string_view>

#include "backend/numeric_class.h"

namespace llmrt::backend {

constexpr std::string_view ActivationFormatName(ActivationFormat format) {
  return format == ActivationFormat::kF32    ? "float32"
         : format == ActivationFormat::kBF16 ? "bfloat16"
         : format == ActivationFormat::kF16  ? "float16"
                                             : "int8";
}

// The whole class in one line, for people and for hashes of it:
// `int8-blocks-32: int8 activations, blocks of 32; K in chunks of 512, steps of 32; scales ...`.
inline std::string DescribeClass(const NumericClass& numeric_class) {
  const std::string chunks = numeric_class.k_chunk == 0
                                 ? "K in one run"
                                 : "K in chunks of " + std::to_string(numeric_class.k_chunk);
  std::string text(numeric_class.name);
  text.append(": ").append(ActivationFormatName(numeric_class.activation));
  text.append(" activations, blocks of ").append(std::to_string(numeric_class.activation_block));
  text.append("; ").append(chunks);
  text.append(", steps of ").append(std::to_string(numeric_class.k_step));
  text.append("; scales: ").append(numeric_class.scales);
  return text.append("; rounded at: ").append(numeric_class.rounded_at);
}

}  // namespace llmrt::backend
