// The key-value section of a GGUF header. Private to src/formats.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "formats/gguf_cursor.h"
#include "formats/model_file_builder.h"

namespace llmrt::formats {

// Arrays of more values than this stay in the metadata as their length only. Those of the tokenizer
// always do: their values go to TokenizerData.
inline constexpr uint64_t kKeptArrayMax = 16384;

// Reads `count` keys into the builder's metadata, the tokenizer's arrays into its TokenizerData.
absl::Status ReadGgufMetadata(GgufCursor& cursor, uint64_t count, ModelFileBuilder& builder);

}  // namespace llmrt::formats
