// What the command line sees of this folder: names in, a file out, and words of the standard
// library only, as a host has them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace llmrt::synth {

std::vector<std::string> ShapeNames();
std::vector<std::string> FileTypeNames();

struct SynthRequest {
  std::string shape;      // one of ShapeNames
  std::string file_type;  // one of FileTypeNames
  uint64_t seed = 0;
  std::string path;
  // Called as the file grows with the part that is written, 0 to 1; false ends it.
  std::function<bool(double fraction)> go_on;
};

struct SynthResult {
  std::string error;     // one line; empty: the file is there, whole
  bool stopped = false;  // by go_on
  int64_t file_bytes = 0;
};

// Whatever ends it early, nothing is left under `path` or beside it.
SynthResult WriteModel(const SynthRequest& request);

}  // namespace llmrt::synth
