#include "model/weight_loader.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "memory/counted_heap.h"
#include "numerics/fp_mode.h"
#include "quant/dequantize.h"

namespace llmrt::model {
namespace {

using backend::Backend;
using backend::Range;
using formats::ModelFile;
using formats::TensorInfo;

constexpr int64_t kPieceBytes = 128 << 10;
constexpr int64_t kPiecesAChunk = 16;

// Two parts of a place share no line of the cache.
constexpr int64_t kPlaceAlignment = 128;

constexpr int64_t RoundUp(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

int64_t RowBytes(const TensorInfo& tensor) {
  return tensor.bytes / std::max<int64_t>(1, tensor.rows());
}

// As many steps of rows as a piece has room for, and at least one.
int64_t RowsAPiece(const TensorInfo& tensor) {
  const int64_t step_bytes = Backend::kRowsStep * std::max<int64_t>(1, RowBytes(tensor));
  return std::max<int64_t>(1, kPieceBytes / step_bytes) * Backend::kRowsStep;
}

int64_t LargestPiece(const ModelFile& file) {
  int64_t largest = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    largest = std::max(largest, std::min(RowsAPiece(tensor), tensor.rows()) * RowBytes(tensor));
  }
  return RoundUp(largest, kPlaceAlignment);
}

int64_t PlaceBytes(int64_t piece_bytes, const WeightLoader::Limits& limits) {
  return piece_bytes + RoundUp(limits.vector_elements * int64_t{sizeof(float)}, kPlaceAlignment);
}

}  // namespace

WeightLoader::WeightLoader(const ModelFile& file, Backend& backend, const LoadProgress& progress,
                           const Limits& limits)
    : file_(file),
      backend_(backend),
      progress_(progress),
      reads_in_parallel_(file.reads_in_parallel()),
      piece_bytes_(LargestPiece(file)),
      places_(static_cast<size_t>(backend.num_threads())) {
  const int64_t place_bytes = PlaceBytes(piece_bytes_, limits);
  for (auto& place : places_) place.reset(new uint8_t[static_cast<size_t>(place_bytes)]);
  targets_.reserve(static_cast<size_t>(limits.tensors));
}

int64_t WeightLoader::HeapBytes(const ModelFile& file, int32_t threads, const Limits& limits) {
  return threads * memory::HeapBytesOf(PlaceBytes(LargestPiece(file), limits)) +
         memory::HeapBytesOf(threads * int64_t{sizeof(std::unique_ptr<uint8_t[]>)}) +
         memory::HeapBytesOf(limits.tensors * int64_t{sizeof(Target)});
}

void WeightLoader::AddMatrix(const TensorInfo& tensor, backend::Matrix& to) {
  targets_.push_back({.tensor = &tensor, .matrix = &to});
}

void WeightLoader::AddVector(const TensorInfo& tensor, backend::Buffer& to, int64_t offset) {
  targets_.push_back({.tensor = &tensor, .buffer = &to, .offset = offset});
}

absl::Status WeightLoader::Run() {
  caller_ = std::this_thread::get_id();
  std::sort(targets_.begin(), targets_.end(), [](const Target& a, const Target& b) {
    return std::tie(a.tensor->part, a.tensor->offset, a.tensor->name) <
           std::tie(b.tensor->part, b.tensor->offset, b.tensor->name);
  });
  while (NextWave()) {
    if (absl::Status status = RunWave(); !status.ok()) return status;
    for (int64_t i = 0; i < wave_size_; ++i) hash_.AddValue(wave_[i].hash);
  }
  return absl::OkStatus();
}

bool WeightLoader::NextWave() {
  wave_size_ = 0;
  while (wave_size_ < kWaveChunks && next_target_ < targets_.size()) {
    const Target& target = targets_[next_target_];
    const int64_t left = target.tensor->rows() - next_row_;
    const int64_t rows = std::min(kPiecesAChunk * RowsAPiece(*target.tensor), left);
    wave_[wave_size_++] = {.target = &target, .row = next_row_, .rows = rows};
    next_row_ += rows;
    if (rows < left) continue;
    next_row_ = 0;
    ++next_target_;
  }
  return wave_size_ > 0;
}

absl::Status WeightLoader::RunWave() {
  const auto task = [this](int64_t index, int32_t worker) { LoadChunk(index, worker); };
  absl::Status status;
  if (reads_in_parallel_) {
    status = backend_.RunTasks(wave_size_, task);
  } else {
    for (int64_t i = 0; i < wave_size_; ++i) task(i, 0);
  }
  if (!status.ok()) return status;  // some chunks were not loaded
  if (failed_chunk_.load(std::memory_order_relaxed) != kNone) return failure_;
  Report();  // what the others did since
  return cancelled_ ? absl::CancelledError("the load was cancelled") : absl::OkStatus();
}

void WeightLoader::LoadChunk(int64_t index, int32_t worker) {
  Chunk& chunk = wave_[index];
  const Target& target = *chunk.target;
  const int64_t rows_a_piece = RowsAPiece(*target.tensor);
  ContentHash hash;
  for (int64_t row = chunk.row; row < chunk.row + chunk.rows; row += rows_a_piece) {
    if (HasEnded(index)) return;
    const Range rows = {row, std::min(row + rows_a_piece, chunk.row + chunk.rows)};
    absl::Status status = LoadPiece(target, rows, worker, hash);
    if (!status.ok()) return Fail(index, std::move(status));
    if (std::this_thread::get_id() == caller_) Report();
  }
  const int64_t row_bytes = RowBytes(*target.tensor);
  file_.ForgetTensor(*target.tensor, chunk.row * row_bytes, chunk.rows * row_bytes);
  chunk.hash = hash.Value();
}

absl::Status WeightLoader::LoadPiece(const Target& target, Range rows, int32_t worker,
                                     ContentHash& hash) {
  const TensorInfo& tensor = *target.tensor;
  const int64_t row_bytes = RowBytes(tensor);
  absl::StatusOr<absl::Span<const uint8_t>> bytes = file_.ViewTensor(
      tensor, rows.begin * row_bytes,
      absl::MakeSpan(places_[worker].get(), static_cast<size_t>(rows.size() * row_bytes)));
  if (!bytes.ok()) return bytes.status();
  hash.Add(*bytes);
  absl::Status status = target.matrix != nullptr ? WriteMatrix(target, rows, *bytes)
                                                 : WriteVector(target, *bytes, worker);
  if (status.ok()) done_.fetch_add(rows.size() * row_bytes, std::memory_order_relaxed);
  return status;
}

absl::Status WeightLoader::WriteMatrix(const Target& target, Range rows,
                                       absl::Span<const uint8_t> bytes) {
  if (reads_in_parallel_) return backend_.WriteRows(*target.matrix, rows.begin, bytes);
  const int64_t steps = (rows.size() + Backend::kRowsStep - 1) / Backend::kRowsStep;
  const int64_t parts = std::min<int64_t>(steps, backend_.num_threads());
  const int64_t rows_a_part = (steps + parts - 1) / parts * Backend::kRowsStep;
  const int64_t row_bytes = RowBytes(*target.tensor);
  absl::Status failure;  // what is wrong with one part is wrong with all
  absl::Status status = backend_.RunTasks(parts, [&](int64_t part, int32_t) {
    const int64_t begin = std::min(part * rows_a_part, rows.size());
    const int64_t count = std::min(rows_a_part, rows.size() - begin);
    if (count == 0) return;
    absl::Status written =
        backend_.WriteRows(*target.matrix, rows.begin + begin,
                           bytes.subspan(static_cast<size_t>(begin * row_bytes),
                                         static_cast<size_t>(count * row_bytes)));
    const std::lock_guard<std::mutex> lock(mutex_);
    failure.Update(std::move(written));
  });
  status.Update(std::move(failure));
  return status;
}

absl::Status WeightLoader::WriteVector(const Target& target, absl::Span<const uint8_t> bytes,
                                       int32_t worker) {
  // The calling thread may round as its host likes.
  const numerics::ScopedFpMode fp_mode;
  uint8_t* const place = places_[worker].get() + piece_bytes_;
  const auto count = static_cast<size_t>(target.tensor->cols());
  absl::Status status = quant::DequantizeRow(
      target.tensor->type, bytes, absl::MakeSpan(reinterpret_cast<float*>(place), count));
  if (!status.ok()) return status;
  return backend_.Upload(*target.buffer, target.offset,
                         absl::MakeConstSpan(place, count * sizeof(float)));
}

absl::Status WeightLoader::AddRead(absl::Span<const uint8_t> content, int64_t bytes_read) {
  hash_.Add(content);
  done_ += bytes_read;
  Report();
  return cancelled_ ? absl::CancelledError("the load was cancelled") : absl::OkStatus();
}

// Chunks before a failed one go on, so that the first failure of all is found whatever the order.
void WeightLoader::Fail(int64_t index, absl::Status status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (index >= failed_chunk_.load(std::memory_order_relaxed)) return;
  failure_ = std::move(status);
  failed_chunk_.store(index, std::memory_order_relaxed);
}

void WeightLoader::Report() {
  const int64_t done = done_.load(std::memory_order_relaxed);
  if (!progress_ || done == reported_ || cancelled_.load(std::memory_order_relaxed)) return;
  reported_ = done;
  if (!progress_(done)) cancelled_.store(true, std::memory_order_relaxed);
}

}  // namespace llmrt::model
