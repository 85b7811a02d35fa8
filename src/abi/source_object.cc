#include "abi/source_object.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/host_fp_mode.h"
#include "formats/quote_for_message.h"

namespace llmrt::abi {
namespace {

class PathBytes final : public ByteOrigin {
 public:
  PathBytes(std::string_view path, int64_t offset, int64_t length)
      : path_(path), offset_(offset), length_(length) {}

  absl::StatusOr<std::shared_ptr<formats::ByteSource>> Open(bool use_mmap) const override {
    return formats::OpenFile(
        {.path = path_, .offset = offset_, .length = length_, .use_mmap = use_mmap});
  }
  std::unique_ptr<formats::PartResolver> Siblings(bool use_mmap) const override {
    return formats::ResolveBeside(path_, use_mmap);
  }

 private:
  const std::string path_;
  const int64_t offset_;
  const int64_t length_;
};

// Memory and callbacks have nothing to open: every model reads the same object.
class SharedBytes final : public ByteOrigin {
 public:
  explicit SharedBytes(std::shared_ptr<formats::ByteSource> source) : source_(std::move(source)) {}
  absl::StatusOr<std::shared_ptr<formats::ByteSource>> Open(bool) const override { return source_; }

 private:
  const std::shared_ptr<formats::ByteSource> source_;
};

class CallbackBytes final : public formats::ByteSource {
 public:
  CallbackBytes(llmrt_read_at read_at, void* user, int64_t size)
      : read_at_(read_at), user_(user), size_(size) {}

  int64_t size() const override { return size_; }
  std::string_view name() const override { return "the host's reader"; }
  // One call at a time, all of a load from one thread and in the file's order; never from a job of
  // the host's, which could wait for the very thread that the reader needs.
  bool reads_in_parallel() const override { return false; }

  absl::Status ReadAt(int64_t offset, absl::Span<uint8_t> out) override {
    const int64_t length = static_cast<int64_t>(out.size());
    if (offset < 0 || offset > size_ || length > size_ - offset) {
      return absl::OutOfRangeError(absl::StrCat("bytes ", offset, " to ", offset, " + ", length,
                                                "; the host's reader has ", size_,
                                                "; give it the whole file"));
    }
    if (length == 0) return absl::OkStatus();
    const int32_t result = Call(offset, out.data(), length);
    if (result == 0) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("the host's reader returned ", result, " for ",
                                               length, " bytes at ", offset,
                                               "; 0 is success; load again when it can read"));
  }

 private:
  // Exceptions that a host's reader throws end here and count as a read error.
  int32_t Call(int64_t offset, void* buffer, int64_t length) {
    const std::lock_guard lock(one_call_);
    const engine::ScopedHostFpMode host;
    try {
      return read_at_(user_, offset, buffer, length);
    } catch (...) {
      return -1;
    }
  }

  const llmrt_read_at read_at_;
  void* const user_;
  const int64_t size_;
  std::mutex one_call_;
};

}  // namespace

std::shared_ptr<const ByteOrigin> PathOrigin(std::string_view path, int64_t offset,
                                             int64_t length) {
  return std::make_shared<PathBytes>(path, offset, length);
}

std::shared_ptr<const ByteOrigin> MemoryOrigin(absl::Span<const uint8_t> bytes,
                                               llmrt_memory_mode mode) {
  return std::make_shared<SharedBytes>(mode == LLMRT_MEMORY_COPY ? formats::CopyMemory(bytes)
                                                                 : formats::BorrowMemory(bytes));
}

std::shared_ptr<const ByteOrigin> CallbackOrigin(llmrt_read_at read_at, void* user, int64_t size) {
  return std::make_shared<SharedBytes>(std::make_shared<CallbackBytes>(read_at, user, size));
}

// Parts that were added, then what lies beside the path. Lives no longer than Open.
class SourceObject::Resolver final : public formats::PartResolver {
 public:
  Resolver(SourceObject& source, bool use_mmap)
      : source_(source), use_mmap_(use_mmap), siblings_(source.origin_->Siblings(use_mmap)) {}

  absl::StatusOr<std::shared_ptr<formats::ByteSource>> OpenPart(std::string_view name) override {
    if (std::shared_ptr<const ByteOrigin> part = FindAdded(name)) return part->Open(use_mmap_);
    if (siblings_ != nullptr) return siblings_->OpenPart(name);
    return absl::NotFoundError(
        absl::StrCat("part ", formats::QuoteForMessage(name),
                     " was not given; this source has no folder to look in; ",
                     "give it with llmrt_source_add_part"));
  }

 private:
  std::shared_ptr<const ByteOrigin> FindAdded(std::string_view name) {
    const std::lock_guard lock(source_.mutex_);
    const auto found = source_.parts_.find(name);
    return found == source_.parts_.end() ? nullptr : found->second;
  }

  SourceObject& source_;
  const bool use_mmap_;
  const std::unique_ptr<formats::PartResolver> siblings_;
};

absl::Status SourceObject::AddPart(std::string_view name, const SourceObject& part) {
  const std::lock_guard lock(mutex_);
  if (parts_.emplace(name, part.origin_).second) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("part ", formats::QuoteForMessage(name),
                                               " was given before; each name once; make a new ",
                                               "source to replace it"));
}

absl::StatusOr<std::unique_ptr<formats::ModelFile>> SourceObject::Open(bool use_mmap) {
  absl::StatusOr<std::shared_ptr<formats::ByteSource>> bytes = origin_->Open(use_mmap);
  if (!bytes.ok()) return bytes.status();
  Resolver resolver(*this, use_mmap);
  return formats::OpenModelFile(*std::move(bytes), &resolver);
}

}  // namespace llmrt::abi
