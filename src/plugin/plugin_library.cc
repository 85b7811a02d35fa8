#include "plugin/plugin_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "plugin/build_id.h"

namespace llmrt::plugin {
namespace {

constexpr char kRemedy[] = "install the one of this build";

// Of the shared library or program that holds this very function. Empty: not known.
std::string FolderOfThisFile() {
  Dl_info info = {};
  if (dladdr(reinterpret_cast<const void*>(&PluginFileName), &info) == 0 ||
      info.dli_fname == nullptr) {
    return "";
  }
  std::string path = info.dli_fname;
  // A program that was found through PATH is known to the loader by its bare name.
  if (path.find('/') == path.npos) {
    char buffer[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", buffer, sizeof(buffer));
    if (length <= 0) return "";
    path.assign(buffer, static_cast<size_t>(length));
  }
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash + 1);
}

std::string PathIn(std::string_view folder) {
  // With a slash in it whatever the folder is: the loader would look for a bare name in its own
  // list of folders.
  if (!folder.empty()) return absl::StrCat(folder, "/", PluginFileName());
  const std::string own = FolderOfThisFile();
  return absl::StrCat(own.empty() ? "./" : own, PluginFileName());
}

// The loader's last words as one line. Asking again frees them.
std::string LoaderError() {
  const char* text = dlerror();
  std::string line = text != nullptr ? text : "the loader does not say why";
  dlerror();
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

}  // namespace

std::string_view PluginFileName() { return "libllmrt_cuda.so." LLMRT_PLUGIN_VERSION; }

void PluginLibrary::Close::operator()(void* handle) const { dlclose(handle); }

absl::StatusOr<std::shared_ptr<const PluginLibrary>> PluginLibrary::Open(std::string_view folder) {
  const std::string path = PathIn(folder);
  if (access(path.c_str(), F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return absl::NotFoundError(
        absl::StrCat("there is no ", path,
                     "; install the CUDA plugin there, name its folder, or use device cpu"));
  }
  // Everything is bound at once, so that what the library lacks shows here and not inside a step;
  // nothing of it becomes visible to the host's other libraries.
  Handle handle(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (handle == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " cannot be loaded: ", LoaderError(), "; ", kRemedy));
  }
  const std::shared_ptr<PluginLibrary> library(new PluginLibrary(std::move(handle)));
  if (absl::Status status = library->FindTable(path); !status.ok()) return status;
  return library;
}

absl::Status PluginLibrary::FindTable(const std::string& path) {
  const auto entry =
      reinterpret_cast<backend::PluginEntry>(dlsym(handle_.get(), backend::kPluginEntry));
  if (entry == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is no plugin of llmrt: ", LoaderError(), "; ", kRemedy));
  }
  const backend::PluginTable* const table = entry();
  if (table == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(path, " gives no table; ", kRemedy));
  }
  // The version stands first in every version of the table; the rest is looked at in its order.
  if (table->version != backend::kPluginTableVersion || table->bytes != sizeof(*table)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " has table version ", table->version, " of ", table->bytes,
                     " bytes; this build has ", backend::kPluginTableVersion, " of ",
                     sizeof(*table), "; ", kRemedy));
  }
  const std::string_view id(table->build_id, strnlen(table->build_id, sizeof(table->build_id)));
  if (id != BuildId()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is of build ", id, "; this is build ", BuildId(), "; ", kRemedy));
  }
  table_ = table;
  return absl::OkStatus();
}

}  // namespace llmrt::plugin
