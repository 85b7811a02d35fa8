#include "model/rope_pieces.h"

#include <algorithm>

#include "memory/counted_heap.h"
#include "numerics/fp_mode.h"

namespace llmrt::model {
namespace {

// Positions of a piece: with 64 dims a tenth of a millisecond, about the smallest slice of a step.
constexpr int64_t kPiecePositions = 64;

int64_t NumPieces(int64_t context_length) {
  return (context_length + kPiecePositions - 1) / kPiecePositions;
}

int64_t PieceValues(int32_t dims, int64_t context_length) {
  return std::min(kPiecePositions, context_length) * dims;
}

std::vector<double> FrequenciesOf(const numerics::RopeParams& params) {
  // Arithmetic of this thread, whose mode may be the host's.
  const numerics::ScopedFpMode fp_mode;
  return numerics::RopeFrequencies(params);
}

}  // namespace

int64_t RopePieces::HeapBytes(int32_t dims, int64_t context_length) {
  constexpr int64_t kWord = sizeof(uint64_t), kWordBits = 64;
  const int64_t words = (NumPieces(context_length) + kWordBits - 1) / kWordBits;
  return memory::HeapBytesOf(dims / 2 * int64_t{sizeof(double)}) +
         memory::HeapBytesOf(PieceValues(dims, context_length) * int64_t{sizeof(float)}) +
         memory::HeapBytesOf(words * kWord);
}

RopePieces::RopePieces(const numerics::RopeParams& params, int64_t context_length, int64_t offset)
    : dims_(params.dims),
      context_length_(context_length),
      offset_(offset),
      frequencies_(FrequenciesOf(params)),
      piece_(static_cast<size_t>(PieceValues(params.dims, context_length))),
      made_(static_cast<size_t>(NumPieces(context_length))) {}

absl::StatusOr<bool> RopePieces::Make(int64_t position, backend::Backend& backend,
                                      backend::Buffer& buffer) {
  const int64_t index = position / kPiecePositions;
  if (made_[static_cast<size_t>(index)]) return false;
  const numerics::ScopedFpMode fp_mode;
  const int64_t first = index * kPiecePositions;
  const int64_t count = std::min(kPiecePositions, context_length_ - first);
  const int64_t row_bytes = dims_ * int64_t{sizeof(float)};
  numerics::FillRopeTable(frequencies_, first, count, piece_.data());
  absl::Status status = backend.Upload(
      buffer, offset_ + first * row_bytes,
      {reinterpret_cast<const uint8_t*>(piece_.data()), static_cast<size_t>(count * row_bytes)});
  if (!status.ok()) return status;
  made_[static_cast<size_t>(index)] = true;
  return true;
}

absl::Status RopePieces::MakeAll(backend::Backend& backend, backend::Buffer& buffer) {
  for (int64_t first = 0; first < context_length_; first += kPiecePositions) {
    absl::StatusOr<bool> made = Make(first, backend, buffer);
    if (!made.ok()) return made.status();
  }
  return absl::OkStatus();
}

}  // namespace llmrt::model
