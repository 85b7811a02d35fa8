// The C entry points of sources.

#include "abi/arguments.h"
#include "abi/objects.h"
#include "abi/status.h"
#include "llmrt.h"

using namespace llmrt::abi;  // NOLINT: this file is the C face of that namespace.

llmrt_status llmrt_source_create_path(const char* path, int64_t path_length, int64_t offset,
                                      int64_t length, llmrt_source** source) {
  return Enter([&]() -> absl::Status {
    ABI_RETURN_IF_ERROR(CheckOutput(source, "source"));
    ABI_ASSIGN_OR_RETURN(const std::string_view name, InputName(path, path_length, "path"));
    if (offset < 0 || length < -1) {
      return absl::InvalidArgumentError(absl::StrCat("the range is ", length, " bytes from ",
                                                     offset,
                                                     "; an offset is at least 0 and a length at "
                                                     "least -1; pass 0 and -1 for a whole file"));
    }
    return Give(std::make_shared<SourceObject>(PathOrigin(name, offset, length)), nullptr, source);
  });
}

llmrt_status llmrt_source_create_memory(const void* bytes, int64_t length, int32_t mode,
                                        llmrt_source** source) {
  return Enter([&]() -> absl::Status {
    ABI_RETURN_IF_ERROR(CheckOutput(source, "source"));
    ABI_RETURN_IF_ERROR(CheckArray(bytes, length, "bytes"));
    if (mode != LLMRT_MEMORY_BORROW && mode != LLMRT_MEMORY_COPY) {
      return absl::InvalidArgumentError(
          absl::StrCat("memory mode is ", mode, "; modes are 0 and 1; pass an llmrt_memory_mode"));
    }
    const absl::Span<const uint8_t> span(static_cast<const uint8_t*>(bytes),
                                         static_cast<size_t>(length));
    const auto origin = MemoryOrigin(span, static_cast<llmrt_memory_mode>(mode));
    return Give(std::make_shared<SourceObject>(origin), nullptr, source);
  });
}

llmrt_status llmrt_source_create_callback(llmrt_read_at read_at, void* user, int64_t size,
                                          llmrt_source** source) {
  return Enter([&]() -> absl::Status {
    ABI_RETURN_IF_ERROR(CheckOutput(source, "source"));
    if (read_at == nullptr || size < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the reader is ", read_at == nullptr ? "NULL" : "given", " and the size ",
                       size, "; it takes a function and at least 0 bytes; pass both"));
    }
    return Give(std::make_shared<SourceObject>(CallbackOrigin(read_at, user, size)), nullptr,
                source);
  });
}

llmrt_status llmrt_source_add_part(llmrt_source* source, const char* name, int64_t name_length,
                                   llmrt_source* part) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto whole, Find(source));
    ABI_ASSIGN_OR_RETURN(const auto piece, Find(part));
    ABI_ASSIGN_OR_RETURN(const std::string_view file_name, InputName(name, name_length, "name"));
    return whole->AddPart(file_name, *piece);
  });
}

void llmrt_source_release(llmrt_source* source) {
  EnterRelease([&] { ReleaseHandle(source); });
}
