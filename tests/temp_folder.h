// A folder that no other test writes to: ctest runs the tests of one program side by side, each in
// a process of its own, so a fixed name under the system's temporary folder would be shared.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace llmrt::testing {

// Made at once, removed with all that is in it at the end. `name` becomes part of the path, for
// tests of unusual ones. Other users may enter and list the folder (mode 0755).
class TempFolder {
 public:
  explicit TempFolder(std::string_view name = "llmrt")
      : path_(::testing::TempDir() + "/" + std::string(name) + "_XXXXXX") {
    // Throws where there is no folder to work in: no test could go on.
    if (mkdtemp(path_.data()) == nullptr || chmod(path_.c_str(), 0755) != 0) {
      throw std::system_error(errno, std::generic_category(), "cannot make " + path_);
    }
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  // The path of something in the folder.
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace llmrt::testing
