// The shared library that a device's backend lives in, opened at run time: the core runs where it
// is not there. Finding, opening and checking it is done here; what its table's functions are
// called for is plugin_backend.h's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "backend/plugin_table.h"

namespace llmrt::plugin {

// One hold of an opened library, which is closed with the last of them.
class PluginLibrary {
 public:
  // From `folder` or, where that is empty, from the folder of the file that this code was loaded
  // from. NOT_FOUND: there is no such file. FAILED_PRECONDITION: it cannot be loaded, is no plugin,
  // or is one of another build.
  static absl::StatusOr<std::shared_ptr<const PluginLibrary>> Open(std::string_view folder);

  const backend::PluginTable& table() const { return *table_; }

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  using Handle = std::unique_ptr<void, Close>;  // of dlopen

  explicit PluginLibrary(Handle handle) : handle_(std::move(handle)) {}
  absl::Status FindTable(const std::string& path);

  const Handle handle_;
  const backend::PluginTable* table_ = nullptr;
};

// "libllmrt_cuda.so.0.1.0": the version in full, because nothing but the same build will do.
std::string_view PluginFileName();

}  // namespace llmrt::plugin
