#include "peak_memory.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace llmrt::cli {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

}  // namespace

void ForgetPeakMemory() {
  // 5 sets the peak to what is resident now (proc(5), clear_refs).
  const File file(std::fopen("/proc/self/clear_refs", "we"), &std::fclose);
  if (file != nullptr) std::fputs("5", file.get());
}

int64_t PeakMemoryBytes() {
  const File file(std::fopen("/proc/self/status", "re"), &std::fclose);
  char line[256];
  while (file != nullptr && std::fgets(line, sizeof(line), file.get()) != nullptr) {
    constexpr std::string_view kField = "VmHWM:";
    if (std::string_view(line).substr(0, kField.size()) != kField) continue;
    return std::strtoll(line + kField.size(), nullptr, 10) * 1024;
  }
  return 0;
}

}  // namespace llmrt::cli
