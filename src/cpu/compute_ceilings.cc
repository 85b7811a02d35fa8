#include "cpu/compute_ceilings.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <random>

#include "cpu/compute_loops.h"
#include "cpu/cpu_features.h"

namespace llmrt::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// Some 50 us of each loop, so that a thread that lost its core for a while holds nobody up for
// long.
constexpr double kTaskOperations = 5e6;
constexpr int64_t kMeasuredTasksPerThread = 40;
constexpr int kTurns = 8;

struct NamedLoop {
  std::string_view name;
  const ComputeLoop* loop;
};

std::vector<NamedLoop> LoopsOfThisProcessor() {
  std::vector<NamedLoop> loops;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (HasAvx2()) {
    loops.push_back({"f32 avx2", &kFloatAvx2Loop});
    loops.push_back({"int8 avx2", &kInt8Avx2Loop});
  }
  if (HasAvx512()) loops.push_back({"f32 avx512", &kFloatAvx512Loop});
  if (HasVnni()) {
    loops.push_back({"int8 vnni", &kInt8VnniLoop});
    // Not every processor with the one has the other.
    if (__builtin_cpu_supports("avx512bf16")) loops.push_back({"bf16 avx512", &kBFloatVnniLoop});
  }
  // Asks the system for its permission.
  if (RunsTier(backend::CpuTier::kAmx)) {
    loops.push_back({"int8 amx", &kInt8AmxLoop});
    loops.push_back({"bf16 amx", &kBFloatAmxLoop});
  }
#endif
  return loops;
}

std::unique_ptr<ComputeOperands> RandomOperands() {
  auto operands = std::make_unique<ComputeOperands>();
  std::mt19937 random(1);
  // Uniform in sign, and in magnitude between the bounds.
  const auto signed_between = [&random](float low, float high) {
    const float magnitude = low + (high - low) * (static_cast<float>(random() >> 8) / 0x1p24f);
    return (random() & 1) != 0 ? magnitude : -magnitude;
  };
  for (float& value : operands->floats) value = signed_between(0.25f, 1);
  for (uint16_t& value : operands->bfloats) {
    const float wide = signed_between(0.25f, 1);
    uint32_t bits = 0;
    std::memcpy(&bits, &wide, sizeof(bits));
    value = static_cast<uint16_t>(bits >> 16);
  }
  for (uint8_t& value : operands->nibbles) value = static_cast<uint8_t>(1 + random() % 15);
  for (int8_t& value : operands->bytes) {
    value = static_cast<int8_t>(signed_between(1, 127.9f));
  }
  return operands;
}

// Operations a second of one turn; 0 if the pool failed.
double MeasureOnce(ThreadPool& pool, const ComputeLoop& loop, const ComputeOperands& operands) {
  const int64_t rounds =
      std::max<int64_t>(1, static_cast<int64_t>(kTaskOperations) / loop.operations_per_round);
  const int64_t tasks = kMeasuredTasksPerThread * pool.threads();
  std::atomic<uint32_t> sink{0};
  const Clock::time_point begin = Clock::now();
  const absl::Status status = pool.Run(tasks, [&](int64_t, int32_t) {
    sink.fetch_add(loop.run(operands, rounds), std::memory_order_relaxed);
  });
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  if (!status.ok() || seconds <= 0) return 0;
  return static_cast<double>(tasks * rounds * loop.operations_per_round) / seconds;
}

}  // namespace

std::vector<ComputeRate> MeasureComputeRates(ThreadPool& pool) {
  const std::unique_ptr<ComputeOperands> operands = RandomOperands();
  std::vector<ComputeRate> rates;
  for (const NamedLoop& named : LoopsOfThisProcessor()) {
    ComputeRate rate = {.name = named.name};
    for (int turn = 0; turn < kTurns; ++turn) {
      rate.operations_per_second =
          std::max(rate.operations_per_second, MeasureOnce(pool, *named.loop, *operands));
    }
    rates.push_back(rate);
  }
  return rates;
}

}  // namespace llmrt::cpu
