// A whole model file of a known shape: its tensors, its metadata, and the writing of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "backend/weight_type.h"
#include "formats/byte_sink.h"
#include "synth/file_types.h"
#include "synth/shapes.h"

namespace llmrt::synth {

struct SynthTensor {
  std::string name;
  backend::WeightType type = backend::WeightType::kF32;
  std::vector<int64_t> dims;  // from the contiguous one outwards; a norm has one

  bool is_norm() const { return dims.size() == 1; }
  int64_t bytes() const;
};

// In the order of the file.
std::vector<SynthTensor> ListTensors(const ModelShape& shape, const FileType& file_type);

// Told after every piece how much of the tensors' bytes is written, 0 to 1; an error ends the
// writing with it.
using Progress = std::function<absl::Status(double fraction)>;

// Writes the file front to back, a megabyte in memory at a time. Equal arguments give equal bytes,
// on any machine.
absl::Status WriteSyntheticModel(const ModelShape& shape, const FileType& file_type, uint64_t seed,
                                 const Progress& progress, formats::ByteSink& sink);

}  // namespace llmrt::synth
