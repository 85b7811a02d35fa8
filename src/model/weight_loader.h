// Brings the bytes of tensors from their file onto a backend: reads, hashes and writes them, on all
// of the backend's threads. Which tensors there must be, and what holds them, is llama_weights.h's.
//
// A source that serves one thread only is read by the calling one, in order; the others then help
// to write each piece.
//
// Tensors are cut into chunks of about 2 MiB and these into pieces of about 128 KiB. A chunk is one
// task, so that two threads seldom meet in one huge page of the destination, which both would
// clear; a piece is what a thread holds besides the weights, stays in its core's cache from the
// read to the write, and ends soon when a load is cancelled. Cuts depend on the tensor alone:
// neither threads nor the backend change the hash.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backend/backend.h"
#include "formats/model_file.h"
#include "model/content_hash.h"

namespace llmrt::model {

// Told the bytes read so far, on the thread that loads, never twice the same; false ends the load
// with CANCELLED.
using LoadProgress = std::function<bool(int64_t bytes_done)>;

class WeightLoader {
 public:
  // Chunks between two looks at all threads' work; 512 MiB.
  static constexpr int64_t kWaveChunks = 256;

  struct Limits {
    int64_t tensors = 0;          // that will be added, at most
    int64_t vector_elements = 0;  // of the longest of them
  };

  // Everything that the load needs besides the weights is taken here. The arguments must outlive
  // the loader; `progress` may be empty.
  WeightLoader(const formats::ModelFile& file, backend::Backend& backend,
               const LoadProgress& progress, const Limits& limits);

  // What a loader takes from the heap, before there is one.
  static int64_t HeapBytes(const formats::ModelFile& file, int32_t threads, const Limits& limits);

  // A tensor of the file and where it goes, which has its shape. All must be there until Run ends.
  void AddMatrix(const formats::TensorInfo& tensor, backend::Matrix& to);
  // In any type; goes to `offset` bytes into the buffer as float32.
  void AddVector(const formats::TensorInfo& tensor, backend::Buffer& to, int64_t offset);

  // Loads all that was added, in the order of the file. Of several failures the first in that order
  // is told, whichever thread met it.
  absl::Status Run();

  // Bytes that were read and used before count and are hashed like others, after them.
  absl::Status AddRead(absl::Span<const uint8_t> content, int64_t bytes_read);

  uint64_t hash() const { return hash_.Value(); }

 private:
  struct Target {
    const formats::TensorInfo* tensor = nullptr;
    backend::Matrix* matrix = nullptr;
    backend::Buffer* buffer = nullptr;  // where there is no matrix
    int64_t offset = 0;
  };
  struct Chunk {
    const Target* target = nullptr;
    int64_t row = 0;
    int64_t rows = 0;
    uint64_t hash = 0;
  };
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  // Fills `wave_` with the next chunks; false when there are none.
  bool NextWave();
  absl::Status RunWave();
  // One chunk of the wave, unless the load has ended by then.
  void LoadChunk(int64_t index, int32_t worker);
  absl::Status LoadPiece(const Target& target, backend::Range rows, int32_t worker,
                         ContentHash& hash);
  absl::Status WriteMatrix(const Target& target, backend::Range rows,
                           absl::Span<const uint8_t> bytes);
  absl::Status WriteVector(const Target& target, absl::Span<const uint8_t> bytes, int32_t worker);
  bool HasEnded(int64_t index) const {
    return cancelled_.load(std::memory_order_relaxed) ||
           failed_chunk_.load(std::memory_order_relaxed) < index;
  }
  void Fail(int64_t index, absl::Status status);
  // On the calling thread only.
  void Report();

  const formats::ModelFile& file_;
  backend::Backend& backend_;
  std::thread::id caller_;  // of Run; the number of its worker may be any
  const LoadProgress& progress_;
  const bool reads_in_parallel_;

  // A place for each thread: a piece of the file, and behind it the values of a vector. Each by
  // itself: malloc keeps more for later once it has seen one larger allocation freed.
  const int64_t piece_bytes_;
  std::vector<std::unique_ptr<uint8_t[]>> places_;

  std::vector<Target> targets_;
  size_t next_target_ = 0;
  int64_t next_row_ = 0;
  std::array<Chunk, kWaveChunks> wave_;
  int64_t wave_size_ = 0;

  ContentHash hash_;
  std::atomic<int64_t> done_{0};  // bytes
  int64_t reported_ = 0;
  std::atomic<bool> cancelled_{false};
  std::atomic<int64_t> failed_chunk_{kNone};  // the first of the wave
  std::mutex mutex_;                          // for writing failure_
  absl::Status failure_;
};

}  // namespace llmrt::model
