// Files, mapped files and memory as byte sources. A plain file is read with pread at every call, so
// a file that changes under the library gives a status; a mapped one cannot, which is why mapping
// is the caller's choice.
#include "formats/byte_source.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "formats/status_macros.h"
#include "formats/system_error.h"

namespace llmrt::formats {
namespace {

std::string_view FileName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// The system's words for why a file does not open, under the code that callers tell apart.
absl::Status OpenError(int error, std::string_view path) {
  const std::string message = WithSystemWords(absl::StrCat("cannot open ", path), error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL:
      return absl::InvalidArgumentError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::Status CheckRange(std::string_view name, int64_t size, int64_t offset, size_t wanted) {
  const auto bytes = static_cast<int64_t>(wanted);
  if (offset < 0 || bytes < 0 || offset > size || bytes > size - offset) {
    return absl::OutOfRangeError(absl::StrCat(name, ": ", wanted, " bytes at offset ", offset,
                                              " lie past its ", size, " bytes"));
  }
  return absl::OkStatus();
}

class PlainFile : public ByteSource {
 public:
  PlainFile(Descriptor descriptor, std::string name, int64_t start, int64_t size)
      : descriptor_(std::move(descriptor)), name_(std::move(name)), start_(start), size_(size) {}

  int64_t size() const override { return size_; }
  std::string_view name() const override { return name_; }

  absl::Status ReadAt(int64_t offset, absl::Span<uint8_t> out) override {
    FORMATS_RETURN_IF_ERROR(CheckRange(name_, size_, offset, out.size()));
    const int64_t wanted = offset + static_cast<int64_t>(out.size());
    while (!out.empty()) {
      const ssize_t got = pread(descriptor_.get(), out.data(), out.size(), start_ + offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        const int error = errno;
        return absl::UnavailableError(WithSystemWords(
            absl::StrCat(name_, ": cannot read ", out.size(), " bytes at offset ", offset), error));
      }
      if (got == 0) {
        return absl::DataLossError(
            absl::StrCat("file became shorter: ", name_, " had ", size_,
                         " bytes when it was opened and ends at ", offset, ", before byte ", wanted,
                         "; copy it again and do not write to it while it is open"));
      }
      out.remove_prefix(static_cast<size_t>(got));
      offset += got;
    }
    return absl::OkStatus();
  }

 private:
  const Descriptor descriptor_;
  const std::string name_;
  const int64_t start_;  // of the range in the file
  const int64_t size_;
};

class Memory : public ByteSource {
 public:
  explicit Memory(absl::Span<const uint8_t> bytes, std::string name = "memory")
      : bytes_(bytes), name_(std::move(name)) {}

  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  const uint8_t* mapped() const override { return bytes_.data(); }
  std::string_view name() const override { return name_; }

  absl::Status ReadAt(int64_t offset, absl::Span<uint8_t> out) override {
    FORMATS_RETURN_IF_ERROR(CheckRange(name_, size(), offset, out.size()));
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return absl::OkStatus();
  }

 protected:
  absl::Span<const uint8_t> bytes_;

 private:
  const std::string name_;
};

class CopiedMemory : public Memory {
 public:
  explicit CopiedMemory(absl::Span<const uint8_t> bytes)
      : Memory({}), copy_(bytes.begin(), bytes.end()) {
    bytes_ = copy_;
  }

 private:
  const std::vector<uint8_t> copy_;
};

// A private mapping; the descriptor is not needed once it stands.
class Mapping {
 public:
  Mapping(int fd, int64_t start, size_t length)
      : length_(length), base_(mmap(nullptr, length, PROT_READ, MAP_PRIVATE, fd, start)) {}
  Mapping(Mapping&& other) noexcept
      : length_(other.length_), base_(std::exchange(other.base_, MAP_FAILED)) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (ok()) munmap(base_, length_);
  }
  bool ok() const { return base_ != MAP_FAILED; }
  const uint8_t* data() const { return static_cast<const uint8_t*>(base_); }
  // Unmaps no address, but gives its pages back, those at both ends included.
  void Drop(int64_t offset, int64_t bytes) const {
    const int64_t page_bytes = sysconf(_SC_PAGESIZE);
    const int64_t first = offset / page_bytes * page_bytes;
    madvise(static_cast<uint8_t*>(base_) + first, static_cast<size_t>(offset - first + bytes),
            MADV_DONTNEED);
  }

 private:
  size_t length_;
  void* base_;
};

class MappedFile : public Memory {
 public:
  MappedFile(Mapping mapping, absl::Span<const uint8_t> bytes, std::string name)
      : Memory(bytes, std::move(name)), mapping_(std::move(mapping)) {}

  // Pages that others still read come back from the file.
  void Forget(int64_t offset, int64_t bytes) override {
    if (CheckRange(name(), size(), offset, static_cast<size_t>(bytes)).ok()) {
      mapping_.Drop(bytes_.data() - mapping_.data() + offset, bytes);
    }
  }

 private:
  const Mapping mapping_;
};

absl::StatusOr<std::shared_ptr<ByteSource>> MapFile(const Descriptor& descriptor, std::string name,
                                                    int64_t start, int64_t size) {
  if (size == 0) return BorrowMemory({});              // an empty mapping does not exist
  const int64_t lead = start % sysconf(_SC_PAGESIZE);  // mappings start on a page
  Mapping mapping(descriptor.get(), start - lead, static_cast<size_t>(size + lead));
  if (!mapping.ok()) {
    const int error = errno;
    return absl::ResourceExhaustedError(
        absl::StrCat(WithSystemWords(absl::StrCat("cannot map ", size, " bytes of ", name), error),
                     "; open it without use_mmap"));
  }
  const auto bytes = absl::MakeConstSpan(mapping.data() + lead, static_cast<size_t>(size));
  return std::make_shared<MappedFile>(std::move(mapping), bytes, std::move(name));
}

class FolderResolver : public PartResolver {
 public:
  FolderResolver(std::string_view path, bool use_mmap)
      : folder_(path.substr(0, path.size() - FileName(path).size())), use_mmap_(use_mmap) {}

  absl::StatusOr<std::shared_ptr<ByteSource>> OpenPart(std::string_view name) override {
    // A part is a plain name: a model file must not reach elsewhere in the file system.
    if (name.empty() || name != FileName(name) || name == "." || name == "..") {
      return absl::InvalidArgumentError(
          absl::StrCat("part \"", name, "\" is not a plain file name; parts lie in one folder"));
    }
    return OpenFile({.path = absl::StrCat(folder_, name), .use_mmap = use_mmap_});
  }

 private:
  const std::string folder_;  // with its slash, or empty
  const bool use_mmap_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<ByteSource>> OpenFile(const FileRange& range) {
  if (range.path.empty() || range.path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("a path is a non-empty string without NUL bytes");
  }
  // O_NONBLOCK: opening a pipe must not wait for its writer; regular files do not care.
  int fd = -1;
  do {
    fd = open(range.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return OpenError(errno, range.path);
  Descriptor descriptor(fd);
  struct stat info = {};
  if (fstat(fd, &info) != 0) return OpenError(errno, range.path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(range.path, S_ISDIR(info.st_mode) ? " is a folder" : " is not a regular file",
                     "; give the path of a model file"));
  }
  const int64_t file_size = info.st_size;
  if (range.offset < 0 || range.offset > file_size || range.length < -1 ||
      range.length > file_size - range.offset) {
    return absl::OutOfRangeError(absl::StrCat(
        "range of ", range.length, " bytes at offset ", range.offset, " does not lie in ",
        range.path, ", which has ", file_size, " bytes; give a range inside the file"));
  }
  const int64_t size = range.length < 0 ? file_size - range.offset : range.length;
  std::string name(FileName(range.path));
  if (range.use_mmap) return MapFile(descriptor, std::move(name), range.offset, size);
  return std::make_shared<PlainFile>(std::move(descriptor), std::move(name), range.offset, size);
}

std::shared_ptr<ByteSource> BorrowMemory(absl::Span<const uint8_t> bytes) {
  return std::make_shared<Memory>(bytes);
}

std::shared_ptr<ByteSource> CopyMemory(absl::Span<const uint8_t> bytes) {
  return std::make_shared<CopiedMemory>(bytes);
}

std::unique_ptr<PartResolver> ResolveBeside(std::string_view path, bool use_mmap) {
  return std::make_unique<FolderResolver>(path, use_mmap);
}

}  // namespace llmrt::formats
