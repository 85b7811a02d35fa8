// A backend that writes down what a loader sends it: which bytes of which matrix came, and whether
// rows came in whole steps and once. Threads and tasks are those of the backend inside.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "tests/model/forwarding_backend.h"

namespace llmrt::testing {

class RecordingBackend final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;

  absl::Status WriteRows(backend::Matrix& matrix, int64_t first_row,
                         absl::Span<const uint8_t> bytes) override {
    const int64_t row_bytes = *backend::RowBytes(matrix.type(), matrix.cols());
    const int64_t end = first_row + static_cast<int64_t>(bytes.size()) / row_bytes;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (++writes_ == throws_at_) throw std::bad_alloc();
      if (bytes.empty() || first_row % kRowsStep != 0 ||
          (end % kRowsStep != 0 && end != matrix.rows())) {
        ++broken_steps_;
      }
      std::vector<uint8_t>& all = content_[&matrix];
      std::vector<int>& times = times_[&matrix];
      all.resize(static_cast<size_t>(matrix.rows() * row_bytes));
      times.resize(static_cast<size_t>(matrix.rows()));
      std::copy(bytes.begin(), bytes.end(), all.begin() + first_row * row_bytes);
      for (int64_t row = first_row; row < end; ++row) ++times[static_cast<size_t>(row)];
    }
    return inner().WriteRows(matrix, first_row, bytes);
  }

  // In the format of the file.
  const std::vector<uint8_t>& content(const backend::Matrix& matrix) { return content_[&matrix]; }
  bool EachRowCameOnce(const backend::Matrix& matrix) {
    const std::vector<int>& times = times_[&matrix];
    return static_cast<int64_t>(times.size()) == matrix.rows() &&
           std::all_of(times.begin(), times.end(), [](int count) { return count == 1; });
  }
  int64_t writes() const { return writes_; }
  int64_t broken_steps() const { return broken_steps_; }
  // Write number `write` (from 1; 0: none) finds no memory.
  void ThrowAt(int64_t write) {
    writes_ = 0;
    throws_at_ = write;
  }

 private:
  std::mutex mutex_;
  std::map<const backend::Matrix*, std::vector<uint8_t>> content_;
  std::map<const backend::Matrix*, std::vector<int>> times_;
  int64_t writes_ = 0;
  int64_t throws_at_ = 0;
  int64_t broken_steps_ = 0;
};

}  // namespace llmrt::testing
