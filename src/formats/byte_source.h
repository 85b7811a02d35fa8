// Where a model's bytes come from: a file or a part of one, memory, or the host's own reader. The
// readers of this folder see nothing else. Bytes are read, not mapped, unless mapping was asked
// for: a file that shrinks under a mapping kills the process with SIGBUS, a short read is a status.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace llmrt::formats {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Size at the time it was opened.
  virtual int64_t size() const = 0;

  // Fills `out` from `offset`, or fails: OUT_OF_RANGE past size(), DATA_LOSS when the file has
  // become shorter, UNAVAILABLE with the system's words on a read error. Thread-safe.
  virtual absl::Status ReadAt(int64_t offset, absl::Span<uint8_t> out) = 0;

  // The whole source as memory, or null where it is not (plain files).
  virtual const uint8_t* mapped() const { return nullptr; }

  // Whether threads that read at once are served at once. Where not, one thread reads everything:
  // waiting for each other would cost the others their time, and a host's reader may want it.
  virtual bool reads_in_parallel() const { return true; }

  // Nobody reads these bytes again soon: what the source itself made resident for them may go. They
  // stay readable.
  virtual void Forget(int64_t /*offset*/, int64_t /*bytes*/) {}

  // For messages: a file name or "memory".
  virtual std::string_view name() const = 0;
};

// Gives the sibling files of a split model by name ("x-00002-of-00003.gguf").
class PartResolver {
 public:
  virtual ~PartResolver() = default;
  virtual absl::StatusOr<std::shared_ptr<ByteSource>> OpenPart(std::string_view name) = 0;
};

struct FileRange {
  std::string path;  // UTF-8
  int64_t offset = 0;
  int64_t length = -1;  // -1: to the end of the file
  bool use_mmap = false;
};

// NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a folder, a pipe), OUT_OF_RANGE (range past the
// end).
absl::StatusOr<std::shared_ptr<ByteSource>> OpenFile(const FileRange& range);

// `bytes` must stay valid while the source lives.
std::shared_ptr<ByteSource> BorrowMemory(absl::Span<const uint8_t> bytes);
std::shared_ptr<ByteSource> CopyMemory(absl::Span<const uint8_t> bytes);

// Siblings in the folder of `path`.
std::unique_ptr<PartResolver> ResolveBeside(std::string_view path, bool use_mmap);

}  // namespace llmrt::formats
