// Rows of a file into panels (cpu/panel_layout.h), and single rows and blocks out of them again:
// for embeddings and for the portable kernels, which work on one feature at a time.
#pragma once

#include <cstdint>

#include "backend/weight_type.h"
#include "quant/integer_block.h"

namespace llmrt::cpu {

// Writes the `cols` values of a row, in the format of its file, into feature `feature` (0 to 15) of
// the panel at `panel`; F32, F16 and BF16 with their padding. Different features of a panel touch
// different bytes.
void PackRow(backend::WeightType type, const uint8_t* row, int64_t cols, int64_t feature,
             uint8_t* panel);

// Block `block` of 32 values of a quantized feature, as quant::DecodeIntegerBlock has it.
void UnpackBlock(backend::WeightType type, const uint8_t* panel, int64_t feature, int64_t block,
                 quant::IntegerBlock* out);

// Values [begin, end) of a feature of type F32, F16 or BF16 in float32; end may reach into the
// padding of the last group.
void UnpackFloats(backend::WeightType type, const uint8_t* panel, int64_t feature, int64_t begin,
                  int64_t end, float* out);

// A whole feature in float32, with the bits of quant::DequantizeRow.
void UnpackRow(backend::WeightType type, const uint8_t* panel, int64_t feature, int64_t cols,
               float* out);

}  // namespace llmrt::cpu
