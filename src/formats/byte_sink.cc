#include "formats/byte_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "formats/system_error.h"

namespace llmrt::formats {
namespace {

absl::Status SystemError(int error, std::string_view what, std::string_view path) {
  const std::string message = WithSystemWords(absl::StrCat("cannot ", what, " ", path), error);
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  return absl::Status(absl::ErrnoToStatusCode(error), message);
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSink>> FileSink::Create(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("a path is a non-empty string without NUL bytes");
  }
  std::unique_ptr<FileSink> sink(new FileSink(path, absl::StrCat(path, ".part")));
  const int fd = open(sink->part_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return SystemError(errno, "create", sink->part_path_);
  sink->descriptor_ = fd;
  return sink;
}

FileSink::~FileSink() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(part_path_.c_str());
}

absl::Status FileSink::Append(absl::Span<const uint8_t> bytes) {
  if (descriptor_ < 0) return absl::FailedPreconditionError("the file is finished; create another");
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(errno, "write to", part_path_);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status FileSink::Finish() {
  if (descriptor_ < 0) return absl::FailedPreconditionError("the file is finished; create another");
  // A full disk may show only now.
  if (fsync(descriptor_) != 0) return SystemError(errno, "write", part_path_);
  if (rename(part_path_.c_str(), path_.c_str()) != 0) return SystemError(errno, "rename to", path_);
  close(std::exchange(descriptor_, -1));
  return absl::OkStatus();
}

}  // namespace llmrt::formats
