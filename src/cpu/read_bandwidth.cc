#include "cpu/read_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>

#include "cpu/cpu_features.h"

namespace llmrt::cpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kBufferBytesMax = int64_t{2} << 30;
constexpr int64_t kBufferBytesMin = int64_t{32} << 20;
// What a thread takes at a time. Lines that are prefetched behind a stream's end are those that the
// next stream of the task began with, and still in a cache.
constexpr int64_t kTaskBytes = int64_t{256} << 10;
constexpr int64_t kLineBytes = 64;
constexpr int64_t kPrefetchBytes = 2048;
// A task's streams would begin at the same place of a page each, and then their lines would all
// want the same few ways of the first cache. So each is five lines shorter: five is odd, so up to
// 64 streams begin in different sets of a cache of 64 sets.
constexpr int64_t kStaggerBytes = 5 * kLineBytes;
constexpr auto kPlanDuration = std::chrono::milliseconds(50);
constexpr auto kLimit = std::chrono::seconds(2);

constexpr int64_t StreamBytes(int64_t streams) { return kTaskBytes / streams - kStaggerBytes; }

// 16 bytes: a register of every processor that there are kernels for.
typedef uint64_t Words __attribute__((vector_size(16)));

// Adds up a task's streams, so that the loads cannot be left out. A sanitizer's checks would make
// this a measurement of themselves.
template <int kStreams, bool kPrefetch>
__attribute__((no_sanitize("address", "undefined", "thread"))) uint64_t ReadTask(
    const uint8_t* bytes) {
  constexpr int64_t kStreamBytes = StreamBytes(kStreams);
  static_assert(kStreamBytes % kLineBytes == 0);
  Words sums[4] = {};
  for (int64_t i = 0; i < kStreamBytes; i += kLineBytes) {
    for (int64_t s = 0; s < kStreams; ++s) {
      const uint8_t* const line = bytes + s * kStreamBytes + i;
      // May reach past the buffer's end, which a prefetch may.
      if constexpr (kPrefetch) __builtin_prefetch(line + kPrefetchBytes);
      Words words[4];
      std::memcpy(words, line, sizeof(words));
      for (int j = 0; j < 4; ++j) sums[j] += words[j];
    }
  }
  const Words sum = sums[0] + sums[1] + sums[2] + sums[3];
  return sum[0] + sum[1];
}

struct PatternTask {
  ReadPattern pattern;
  uint64_t (*read)(const uint8_t* bytes);
};

constexpr PatternTask kPatternTasks[] = {
    {{1, false}, ReadTask<1, false>},   {{1, true}, ReadTask<1, true>},
    {{4, false}, ReadTask<4, false>},   {{4, true}, ReadTask<4, true>},
    {{8, false}, ReadTask<8, false>},   {{8, true}, ReadTask<8, true>},
    {{16, false}, ReadTask<16, false>}, {{16, true}, ReadTask<16, true>},
};
constexpr size_t kParts = std::size(kPatternTasks);
static_assert(kBufferBytesMin / kTaskBytes >= static_cast<int64_t>(8 * kParts));

// A buffer in as many parts as there are patterns, and the threads that go over it.
class Reader {
 public:
  Reader(ThreadPool& pool, const memory::LargeBuffer& buffer)
      : pool_(pool), buffer_(buffer), limit_(Clock::now() + kLimit) {}

  // Pages that were never written are all one page of zeros. False if it took too long.
  bool Write() {
    const int64_t tasks = buffer_.bytes() / kTaskBytes;
    return Run(0, tasks, [](uint8_t* bytes) { std::memset(bytes, 1, kTaskBytes); }) > 0;
  }

  // Bytes a second of one turn; 0 if it came too late.
  double Read(size_t part, const PatternTask& task) {
    const int64_t tasks = buffer_.bytes() / kTaskBytes / kParts;
    const double seconds =
        Run(static_cast<int64_t>(part) * tasks, tasks, [&](const uint8_t* bytes) {
          sink_.fetch_add(task.read(bytes), std::memory_order_relaxed);
        });
    const int64_t streams = task.pattern.streams;
    const auto bytes = static_cast<double>(tasks * streams * StreamBytes(streams));
    return seconds > 0 ? bytes / seconds : 0;
  }

 private:
  // Tasks by all threads: the seconds it took, 0 if not all were done before the limit.
  template <typename Fn>
  double Run(int64_t first_task, int64_t count, Fn run_task) {
    std::atomic<bool> late{false};
    const Clock::time_point begin = Clock::now();
    const absl::Status status = pool_.Run(count, [&](int64_t task, int32_t) {
      if (Clock::now() > limit_) late.store(true, std::memory_order_relaxed);
      if (late.load(std::memory_order_relaxed)) return;
      run_task(buffer_.data() + (first_task + task) * kTaskBytes);
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return status.ok() && !late ? seconds : 0.0;
  }

  ThreadPool& pool_;
  const memory::LargeBuffer& buffer_;
  const Clock::time_point limit_;
  std::atomic<uint64_t> sink_{0};
};

}  // namespace

int64_t BandwidthBufferBytes(int64_t cache_bytes, int64_t available_bytes) {
  if (cache_bytes <= 0 || cache_bytes > kBufferBytesMax / 4) return 0;
  const int64_t wanted = std::max(4 * cache_bytes, kBufferBytesMin);
  if (wanted > available_bytes / 4) return 0;
  return (wanted + kTaskBytes - 1) / kTaskBytes * kTaskBytes;
}

std::vector<ReadRate> MeasureReadRates(ThreadPool& pool, memory::LargeMemory& memory,
                                       std::chrono::milliseconds duration) {
  const int64_t bytes = BandwidthBufferBytes(LastLevelCacheBytes(), AvailableMemoryBytes());
  if (bytes == 0) return {};
  const absl::StatusOr<memory::LargeBuffer> buffer =
      memory.Allocate(bytes, memory::Tag::kWorkspace);
  if (!buffer.ok()) return {};
  Reader reader(pool, *buffer);
  if (!reader.Write()) return {};

  std::vector<ReadRate> rates;
  for (const PatternTask& task : kPatternTasks) rates.push_back({.pattern = task.pattern});
  const Clock::time_point begin = Clock::now();
  // A part's turn comes again when seven eighths of the buffer were read, so it is in no cache.
  for (size_t pass = 0; pass == 0 || Clock::now() - begin < duration; ++pass) {
    for (size_t i = 0; i < kParts; ++i) {
      const double rate = reader.Read((i + pass) % kParts, kPatternTasks[i]);
      if (rate == 0) return pass == 0 ? std::vector<ReadRate>() : rates;
      rates[i].bytes_per_second = std::max(rates[i].bytes_per_second, rate);
    }
  }
  return rates;
}

double MeasureReadBandwidth(ThreadPool& pool, memory::LargeMemory& memory) {
  double best = 0;
  for (const ReadRate& rate : MeasureReadRates(pool, memory, kPlanDuration)) {
    best = std::max(best, rate.bytes_per_second);
  }
  return best;
}

}  // namespace llmrt::cpu
