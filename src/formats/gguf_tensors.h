// The tensor directory of a GGUF file. Private to src/formats.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "formats/gguf_cursor.h"
#include "formats/model_file.h"

namespace llmrt::formats {

// Reads `count` descriptions. Offsets are still those of the file: from the start of its data.
absl::Status ReadGgufTensors(GgufCursor& cursor, uint64_t count, std::vector<TensorInfo>* tensors);

// Makes the offsets absolute, given where the header ends (the cursor's place), and checks that
// every tensor is aligned, lies inside the file and overlaps no other. Where one of an unsupported
// type ends is not known: its place is checked, the rest shows when its type becomes supported.
absl::Status PlaceGgufTensors(const GgufCursor& cursor, int64_t alignment,
                              std::vector<TensorInfo>* tensors);

}  // namespace llmrt::formats
