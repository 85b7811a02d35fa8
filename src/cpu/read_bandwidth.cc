#include "cpu/read_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "cpu/cpu_features.h"

namespace llmrt::cpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kBufferBytesMax = int64_t{2} << 30;
constexpr int64_t kBufferBytesMin = int64_t{32} << 20;
constexpr int64_t kTaskBytes = int64_t{256} << 10;
// Distant read streams a task follows at once: one stream leaves the memory's channels idle.
constexpr int64_t kStreams = 4;
constexpr auto kDuration = std::chrono::milliseconds(50);
constexpr auto kLimit = std::chrono::seconds(2);

// Sums kTaskBytes in kStreams runs side by side, so that the loads cannot be left out. A
// sanitizer's checks would make this a measurement of themselves.
__attribute__((no_sanitize("address", "undefined", "thread"))) uint64_t ReadTask(
    const uint8_t* bytes) {
  constexpr int64_t kWords = kTaskBytes / kStreams / static_cast<int64_t>(sizeof(uint64_t));
  const uint8_t* stream[kStreams];
  for (int64_t s = 0; s < kStreams; ++s) stream[s] = bytes + s * (kTaskBytes / kStreams);
  uint64_t sums[kStreams][8] = {};
  for (int64_t i = 0; i < kWords; i += 8) {
    for (int64_t s = 0; s < kStreams; ++s) {
      const uint8_t* line = stream[s] + i * 8;
      __builtin_prefetch(line + 2048);
      uint64_t words[8];
      std::memcpy(words, line, sizeof(words));
      for (int j = 0; j < 8; ++j) sums[s][j] += words[j];
    }
  }
  uint64_t total = 0;
  for (const auto& sum : sums) {
    for (const uint64_t value : sum) total += value;
  }
  return total;
}

}  // namespace

int64_t BandwidthBufferBytes(int64_t cache_bytes, int64_t available_bytes) {
  if (cache_bytes <= 0 || cache_bytes > kBufferBytesMax / 4) return 0;
  const int64_t wanted = std::max(4 * cache_bytes, kBufferBytesMin);
  if (wanted > available_bytes / 4) return 0;
  return (wanted + kTaskBytes - 1) / kTaskBytes * kTaskBytes;
}

double MeasureReadBandwidth(ThreadPool& pool, memory::LargeMemory& memory) {
  const Clock::time_point limit = Clock::now() + kLimit;
  const int64_t bytes = BandwidthBufferBytes(LastLevelCacheBytes(), AvailableMemoryBytes());
  if (bytes == 0) return 0;
  const absl::StatusOr<memory::LargeBuffer> buffer =
      memory.Allocate(bytes, memory::Tag::kWorkspace);
  if (!buffer.ok()) return 0;
  // All tasks by all threads: the seconds it took, 0 if not all were done before the limit.
  const auto run_all = [&](auto run_task) {
    std::atomic<bool> late{false};
    const Clock::time_point begin = Clock::now();
    const absl::Status status = pool.Run(bytes / kTaskBytes, [&](int64_t task, int32_t) {
      if (Clock::now() > limit) late = true;
      // Prefetches reach 2 KB past the last task's end, which a prefetch may.
      if (!late) run_task(buffer->data() + task * kTaskBytes);
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return status.ok() && !late ? seconds : 0.0;
  };
  // Pages that were never written are all one page of zeros.
  if (run_all([](uint8_t* task) { std::memset(task, 1, kTaskBytes); }) == 0) return 0;

  std::atomic<uint64_t> sink{0};
  double best = 0;
  const Clock::time_point begin = Clock::now();
  do {
    const double seconds = run_all(
        [&](const uint8_t* task) { sink.fetch_add(ReadTask(task), std::memory_order_relaxed); });
    if (seconds == 0) break;
    best = std::max(best, static_cast<double>(bytes) / seconds);
  } while (Clock::now() - begin < kDuration);
  return best;
}

}  // namespace llmrt::cpu
