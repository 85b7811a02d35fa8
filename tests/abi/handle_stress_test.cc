// Ten million operations from eight threads on handles that are live, stale, of another type,
// foreign or invented, while other threads create and release them: a status each time, and no
// crash.
#include <array>
#include <atomic>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "abi/handle_table.h"
#include "gtest/gtest.h"
#include "llmrt.h"

namespace llmrt::abi {
namespace {

constexpr int kThreads = 8;
#ifdef __SANITIZE_THREAD__
constexpr int64_t kOperations = 2'000'000;  // in all; this sanitizer takes ten times as long
#else
constexpr int64_t kOperations = 10'000'000;
#endif
constexpr int kPool = 64;

// Handles that every thread takes from and puts into; most of them stale at any time.
std::array<std::atomic<uint64_t>, kPool> pool = {};

template <typename Handle>
Handle* As(uint64_t value) {
  return reinterpret_cast<Handle*>(value);
}

uint64_t AnyHandle(std::mt19937_64& random) {
  const uint64_t bits = random();
  const uint64_t known = pool[bits % kPool].load(std::memory_order_relaxed);
  switch ((bits >> 8) % 8) {
    case 0:
      return random();  // anything
    case 1:
      return reinterpret_cast<uint64_t>(&pool);  // a real address
    case 2:
      return known ^ (uint64_t{1} << (bits >> 16) % 64);  // one bit off
    case 3:
      return 0;
    default:
      return known;
  }
}

// Whatever it is: of the two releases at most one fits.
void ReleaseOne(uint64_t handle) {
  llmrt_options_release(As<llmrt_options>(handle));
  llmrt_source_release(As<llmrt_source>(handle));
}

void CreateOne(std::mt19937_64& random) {
  const uint64_t bits = random();
  uint64_t created = 0;
  if (bits & 1) {
    llmrt_options* options = nullptr;
    ASSERT_EQ(llmrt_options_create(1 + (bits >> 8) % 3, &options), LLMRT_STATUS_OK);
    created = reinterpret_cast<uint64_t>(options);
  } else {
    llmrt_source* source = nullptr;
    ASSERT_EQ(llmrt_source_create_memory("GGUF", 4, LLMRT_MEMORY_BORROW, &source), LLMRT_STATUS_OK);
    created = reinterpret_cast<uint64_t>(source);
  }
  ReleaseOne(pool[(bits >> 16) % kPool].exchange(created));
}

void UseOne(uint64_t handle, uint64_t bits) {
  int64_t number = 0;
  llmrt_model_info info = {};
  info.struct_size = sizeof info;
  switch (bits % 12) {
    case 0:
      llmrt_options_set_i64(As<llmrt_options>(handle), LLMRT_STREAM_TOP_K, 5);
      break;
    case 1:
      llmrt_options_get_i64(As<llmrt_options>(handle), LLMRT_ENGINE_THREADS, &number);
      break;
    case 2:
      llmrt_source_add_part(As<llmrt_source>(handle), "p", 1, As<llmrt_source>(handle));
      break;
    case 3:
      llmrt_model_get_info(As<llmrt_model>(handle), &info);
      break;
    case 4:
      llmrt_engine_cancel_load(As<llmrt_engine>(handle));
      break;
    case 5:
      llmrt_session_append_tokens(As<llmrt_session>(handle), nullptr, 0);
      break;
    case 6:
      llmrt_stream_cancel(As<llmrt_stream>(handle));
      break;
    case 7:
      llmrt_engine_close(As<llmrt_engine>(handle));
      break;
    case 8:
      llmrt_options_release(As<llmrt_options>(handle));
      break;
    case 9:
      llmrt_source_release(As<llmrt_source>(handle));
      break;
    case 10:
      llmrt_engine_release(As<llmrt_engine>(handle));
      break;
    default:
      llmrt_stream_wait(As<llmrt_stream>(handle), 0);
  }
}

void OperateAtRandom(uint64_t seed, int64_t operations) {
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < operations; ++i) {
    if (random() % 4 == 0) {
      CreateOne(random);
    } else {
      UseOne(AnyHandle(random), random());
    }
  }
}

TEST(HandleStressTest, TenMillionOperationsOnGoodAndBadHandles) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([seed, t] { OperateAtRandom(seed + t, kOperations / kThreads); });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::atomic<uint64_t>& handle : pool) ReleaseOne(handle);
  EXPECT_EQ(Handles().live(), 0);
}

}  // namespace
}  // namespace llmrt::abi
