// Where a written model goes, front to back: a file or memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace llmrt::formats {

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual absl::Status Append(absl::Span<const uint8_t> bytes) = 0;
};

class MemorySink : public ByteSink {
 public:
  absl::Status Append(absl::Span<const uint8_t> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// Writes "<path>.part" and renames it at Finish, so that nobody ever sees half a file under the
// real name; without Finish the destructor removes what was written. A link stays: the file that it
// leads to is replaced. A folder, a device, or a pipe under the name is refused, and left alone.
class FileSink : public ByteSink {
 public:
  static absl::StatusOr<std::unique_ptr<FileSink>> Create(const std::string& path);
  ~FileSink() override;

  absl::Status Append(absl::Span<const uint8_t> bytes) override;
  absl::Status Finish();

 private:
  FileSink(std::string path, std::string part_path)
      : path_(std::move(path)), part_path_(std::move(part_path)) {}

  const std::string path_;
  const std::string part_path_;
  int descriptor_ = -1;
};

}  // namespace llmrt::formats
