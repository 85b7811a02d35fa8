#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "cuda/test_device.h"

namespace llmrt::cuda {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

uint64_t Fnv1a(std::span<const uint8_t> bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

// Lines as RecordHash writes them: {"case": "<name>", "fnv1a": "<16 digits>"}.
std::map<std::string, std::string> ReadHashes(const char* path) {
  std::map<std::string, std::string> hashes;
  const File file(std::fopen(path, "r"), std::fclose);
  if (file == nullptr) return hashes;
  char line[1024];
  while (std::fgets(line, sizeof(line), file.get()) != nullptr) {
    char name[512], hash[32];
    if (std::sscanf(line, "{\"case\": \"%511[^\"]\", \"fnv1a\": \"%31[^\"]\"}", name, hash) == 2) {
      hashes[name] = hash;
    }
  }
  return hashes;
}

}  // namespace

std::string RecordHash(const std::string& case_name, std::span<const uint8_t> bytes) {
  char hash[17];
  std::snprintf(hash, sizeof(hash), "%016" PRIx64, Fnv1a(bytes));
  if (const char* path = std::getenv("LLMRT_TEST_HASHES_WRITE"); path != nullptr) {
    // One write a line, appended: tests may run side by side.
    const File file(std::fopen(path, "a"), std::fclose);
    if (file == nullptr) return std::string("cannot write ") + path;
    std::fprintf(file.get(), "{\"case\": \"%s\", \"fnv1a\": \"%s\"}\n", case_name.c_str(), hash);
  }
  if (const char* path = std::getenv("LLMRT_TEST_HASHES_READ"); path != nullptr) {
    const std::map<std::string, std::string> hashes = ReadHashes(path);
    const auto it = hashes.find(case_name);
    if (it == hashes.end()) return case_name + " is not in " + path;
    if (it->second != hash) return case_name + " has hash " + hash + ", not " + it->second;
  }
  return "";
}

}  // namespace llmrt::cuda
