#include "formats/byte_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
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

// The file that writing to `path` is to replace: where a link leads, so that the link stays. What
// is there and is no regular file is refused: the rename would replace even a device by a file.
absl::StatusOr<std::string> FindTarget(std::string path) {
  const std::string given = path;
  // As many links as Linux follows.
  for (int links = 0; links <= 40; ++links) {
    struct stat info = {};
    // Absent, or a place that cannot be looked at: opening a file beside it tells why.
    if (lstat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) return path;
    if (!S_ISLNK(info.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat(given, " is ", S_ISDIR(info.st_mode) ? "a folder" : "a device or a pipe",
                       ", not a file that can be replaced; name another file"));
    }
    char leads_to[PATH_MAX];
    const ssize_t length = readlink(path.c_str(), leads_to, sizeof leads_to);
    if (length < 0) return SystemError(errno, "read the link", path);
    std::string target(leads_to, static_cast<size_t>(length));
    // A relative link counts from the folder that it lies in; npos + 1 is 0, the empty folder.
    if (!target.starts_with('/')) target.insert(0, path, 0, path.rfind('/') + 1);
    path = std::move(target);
  }
  return SystemError(ELOOP, "follow the link", given);
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSink>> FileSink::Create(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("a path is a non-empty string without NUL bytes");
  }
  absl::StatusOr<std::string> target = FindTarget(path);
  if (!target.ok()) return target.status();
  const std::string part_path = absl::StrCat(*target, ".part");
  std::unique_ptr<FileSink> sink(new FileSink(*std::move(target), part_path));
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
