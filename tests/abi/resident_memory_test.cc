// The count of an engine's memory agrees with what the system sees. A program of its own: the heap
// of one that has opened engines before holds memory that the next one finds and nobody sees grow.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "llmrt.hpp"
#include "tests/abi/full_use.h"

namespace {

using namespace llmrt::testing;  // NOLINT: this file is tests of what that has.

// Kilobytes of a line of /proc/self/status.
int64_t StatusBytes(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::atoll(line.c_str() + name.size() + 1) * 1024;
  }
  return -1;
}

// A host that touches every page of large memory at once, so that all of it is resident.
void* AllocateTouched(void*, int64_t bytes, int64_t, int32_t) {
  void* memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}
void ReleaseTouched(void*, void* memory, int64_t bytes, int32_t) {
  munmap(memory, static_cast<size_t>(bytes));
}

struct Resident {
  int64_t growth_bytes = 0;
  int64_t used_bytes = 0;
  int64_t peak_bytes = 0;
  int64_t heap_bytes = 0;
};

Resident UseAndMeasure(const std::string& path) {
  llmrt::Options options = OptionsFor({.sessions = 8});
  options.SetMemoryHook(AllocateTouched, ReleaseTouched, nullptr);
  const int64_t before = StatusBytes("RssAnon");
  llmrt::Engine engine(llmrt::Source::FromPath(path), options);
  engine.WaitLoad();
  UseFully(engine, 8);
  const llmrt_engine_info info = engine.Info();
  return {StatusBytes("RssAnon") - before, info.memory_used_bytes, info.memory_peak_bytes,
          info.heap_bytes};
}

// In a process of its own, whose heap holds nothing that was freed before.
Resident MeasureApart(const std::string& path) {
  int ends[2];
  Resident measured;
  if (pipe(ends) != 0) return measured;
  const pid_t child = fork();
  if (child == 0) {
    measured = UseAndMeasure(path);
    _exit(write(ends[1], &measured, sizeof measured) == sizeof measured ? 0 : 1);
  }
  close(ends[1]);
  if (read(ends[0], &measured, sizeof measured) != sizeof measured) measured = Resident();
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return measured;
}

// More than the count: a piece a thread, which malloc may keep after the load (256 KB), and 128
// KB for the touched parts of the two threads' stacks (some 16 KB each), the tails of pages and of
// malloc's arenas, and holes that the tokenizer's construction leaves between what stays. Less than
// it: arrays that are reserved to their full length and not written to the end (of steps, 140 bytes
// a row, 72 KB), again with tails.
TEST(ResidentMemoryTest, AgreesWithTheCount) {
  constexpr int64_t kMoreBytes = (256 + 128) << 10, kLessBytes = 128 << 10;
  for (const std::string& path : Models()) {
    SCOPED_TRACE(path);
    const Resident resident = MeasureApart(path);
    if (resident.heap_bytes == 0) GTEST_SKIP() << "a sanitizer keeps its own operator new";
    EXPECT_LE(resident.growth_bytes, resident.peak_bytes + kMoreBytes);
    EXPECT_GE(resident.growth_bytes, resident.used_bytes - kLessBytes);
  }
}

}  // namespace
