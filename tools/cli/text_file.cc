#include "text_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace llmrt::cli {

Outcome ReadTextFile(const std::string& path, std::string* text) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return Failed(path + ": " + std::strerror(errno));
  text->clear();
  char buffer[65536];
  size_t count = 0;
  while ((count = std::fread(buffer, 1, sizeof buffer, file.get())) > 0) {
    text->append(buffer, count);
  }
  // A folder opens and then fails to read.
  if (std::ferror(file.get()) != 0) return Failed(path + ": " + std::strerror(errno));
  return Done();
}

Outcome WriteTextFile(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return Failed(path + ": " + std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  // A full disk may show only when the file is closed.
  if (std::fclose(file) == 0 && written) return Done();
  return Failed(path + ": " + std::strerror(errno));
}

}  // namespace llmrt::cli
