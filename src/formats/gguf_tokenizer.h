// From GGUF's tokenizer keys to TokenizerData. Private to src/formats.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "formats/model_file.h"
#include "formats/tokenizer_data.h"

namespace llmrt::formats {

// Completes `tokenizer`, whose arrays are filled already, from the scalar keys of `file`. `name` is
// the file's, for messages. Without tokenizer.ggml.model (or with "none") it ends up empty; with
// one that is not known its family is kUnsupported.
//
// Tolerated, since files like that are about: no token types (kinds stays empty, the tokenizer
// infers them); no SentencePiece scores (-id instead: in a BPE vocabulary ids ascend in the order
// of the merges); ids of -1 or, for padding, outside the vocabulary (none).
absl::Status FillGgufTokenizer(const ModelFile& file, std::string_view name,
                               TokenizerData* tokenizer);

}  // namespace llmrt::formats
