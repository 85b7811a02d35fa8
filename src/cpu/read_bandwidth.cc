#include "cpu/read_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "cpu/cpu_features.h"

namespace llmrt::cpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kBufferBytesMax = int64_t{64} << 20;
constexpr int64_t kBufferBytesMin = int64_t{16} << 20;
constexpr int64_t kTaskBytes = int64_t{256} << 10;
// Distant read streams a task follows at once: one stream leaves the memory's channels idle.
constexpr int64_t kStreams = 4;
constexpr auto kDuration = std::chrono::milliseconds(50);

// Sums kTaskBytes in kStreams runs side by side, so that the loads cannot be left out.
uint64_t ReadTask(const uint8_t* bytes) {
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

double MeasureReadBandwidth(ThreadPool& pool) {
  const int64_t wanted = std::clamp(4 * LastLevelCacheBytes(), kBufferBytesMin, kBufferBytesMax);
  const int64_t tasks = wanted / kTaskBytes;
  // The last task's prefetches reach 2 KB past the end, which a prefetch may.
  const std::unique_ptr<uint8_t, void (*)(void*)> buffer(
      static_cast<uint8_t*>(std::malloc(tasks * kTaskBytes)), &std::free);
  if (buffer == nullptr) return 0;
  // Pages that were never written are all one page of zeros: write them first.
  std::memset(buffer.get(), 1, tasks * kTaskBytes);

  std::atomic<uint64_t> sink{0};
  double best = 0;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::time_point pass = Clock::now();
    const absl::Status status = pool.Run(tasks, [&](int64_t task, int32_t) {
      sink.fetch_add(ReadTask(buffer.get() + task * kTaskBytes), std::memory_order_relaxed);
    });
    if (!status.ok()) return 0;
    const double seconds = std::chrono::duration<double>(Clock::now() - pass).count();
    if (seconds > 0) best = std::max(best, static_cast<double>(tasks * kTaskBytes) / seconds);
  } while (Clock::now() - begin < kDuration);
  return best;
}

}  // namespace llmrt::cpu
