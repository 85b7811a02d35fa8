// Files of trained models lie in a folder beside the checkout (LLMRT_SHARED_DIR), which may be
// absent: then the tests that need them skip, unless CI=true promises that it is there.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace llmrt::testing {

// "models/a.gguf" in the shared folder.
inline std::string SharedFile(std::string_view name) {
  return std::string(LLMRT_SHARED_DIR "/") + std::string(name);
}

inline bool SharedFilesArePromised() {
  const char* ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

// True when `path` is absent; then the running test has been marked skipped, or failed under
// CI=true, and is to return.
inline bool SkipWithoutFile(const std::string& path) {
  if (std::filesystem::exists(path)) return false;
  if (SharedFilesArePromised()) {
    ADD_FAILURE() << path << " is missing";
  } else {
    [&] { GTEST_SKIP() << path << " is missing"; }();
  }
  return true;
}

}  // namespace llmrt::testing
