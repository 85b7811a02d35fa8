// Reading GGUF, versions 2 and 3: the file format that most local models come in.
//
//   magic "GGUF", version u32, tensor count u64, key count u64
//   keys:    name (length u64, bytes), value type u32, value
//   tensors: name, number of dimensions u32, dimensions u64 each, type u32, offset u64
//   padding to general.alignment, then the tensors' bytes; offsets count from there
//
// Every number is checked against the bytes that are really there before memory is taken for what
// it promises. A model may be split into files named x-00001-of-00003.gguf: the first holds the
// metadata, each describes its own tensors.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "formats/byte_source.h"
#include "formats/model_file.h"

namespace llmrt::formats {

// INVALID_ARGUMENT: no GGUF file, a later part of a split model, metadata of the wrong kind.
// DATA_LOSS: contradicts itself, ends too early or exceeds a limit of gguf_cursor.h. UNIMPLEMENTED:
// well-formed, but a version or byte order that the library does not know; a tensor type or
// tokenizer that it does not know is described, so that people can see what they have. NOT_FOUND: a
// part is missing.
absl::StatusOr<std::unique_ptr<ModelFile>> OpenGguf(std::shared_ptr<ByteSource> source,
                                                    PartResolver* resolver);

}  // namespace llmrt::formats
