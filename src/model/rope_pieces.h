// The rope table of a context, made in pieces. In the host's memory those of the positions that
// steps come to: a context of a hundred thousand positions that nobody reaches takes no time, and
// of what was planned for it no page is touched. On a device all of them, when it is loaded.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "numerics/rope_table.h"

namespace llmrt::model {

class RopePieces {
 public:
  // What one takes of the heap; nothing is allocated later.
  static int64_t HeapBytes(int32_t dims, int64_t context_length);

  // The table of `context_length` positions, numerics::RopeParams::dims floats each, lies from
  // `offset` in a buffer of the backend.
  RopePieces(const numerics::RopeParams& params, int64_t context_length, int64_t offset);

  // Makes the piece that has `position`, which the context has; false where it was there. A piece
  // whose upload failed is still missing.
  absl::StatusOr<bool> Make(int64_t position, backend::Backend& backend, backend::Buffer& buffer);
  absl::Status MakeAll(backend::Backend& backend, backend::Buffer& buffer);

 private:
  const int32_t dims_;
  const int64_t context_length_;
  const int64_t offset_;
  const std::vector<double> frequencies_;
  std::vector<float> piece_;  // before it goes to the backend
  std::vector<bool> made_;
};

}  // namespace llmrt::model
