// The budget is a hard limit, whatever races; every byte goes back, whoever supplied it.
#include "memory/large_buffer.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace llmrt::memory {
namespace {

using ::testing::HasSubstr;

// A host that counts, can refuse, and can hand out misaligned addresses.
struct Host {
  int64_t held = 0;
  int32_t last_tag = -1;
  int64_t last_alignment = 0;
  bool refuse = false;
  int64_t skew = 0;

  static void* Allocate(void* user, int64_t bytes, int64_t alignment, int32_t tag) {
    auto* host = static_cast<Host*>(user);
    if (host->refuse) return nullptr;
    host->held += bytes;
    host->last_tag = tag;
    host->last_alignment = alignment;
    auto* base = static_cast<uint8_t*>(std::aligned_alloc(alignment, (bytes + 255) / 64 * 64));
    return base + host->skew;
  }
  static void Release(void* user, void* pointer, int64_t bytes, int32_t) {
    auto* host = static_cast<Host*>(user);
    host->held -= bytes;
    std::free(static_cast<uint8_t*>(pointer) - host->skew);
  }
  HostHooks hooks() { return {&Allocate, &Release, this}; }
};

TEST(LargeMemoryTest, BufferIsAlignedAndCountedByTag) {
  LargeMemory memory(0);
  auto buffer = memory.Allocate(1001, Tag::kKv);
  ASSERT_TRUE(buffer.ok()) << buffer.status();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % kAlignment, 0u);
  std::memset(buffer->data(), 7, 1001);
  EXPECT_EQ(buffer->bytes(), 1001);
  EXPECT_EQ(memory.used_bytes(), 1001);
  EXPECT_EQ(memory.used_bytes(Tag::kKv), 1001);
  EXPECT_EQ(memory.used_bytes(Tag::kWeights), 0);
}

TEST(LargeMemoryTest, RefusalNamesSizeUseLimitAndRemedy) {
  LargeMemory memory(500000);
  auto held = memory.Allocate(100000, Tag::kWorkspace);
  ASSERT_TRUE(held.ok());
  auto refused = memory.Allocate(812345, Tag::kWeights);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.status().message(),
            "weights need 812345 bytes; 100000 of the budget of 500000 bytes are used; raise "
            "memory_budget_bytes or choose a smaller model");
  EXPECT_EQ(memory.used_bytes(), 100000);
}

TEST(LargeMemoryTest, LimitCanBeFilledToTheByteAndNotPassed) {
  LargeMemory memory(1000);
  auto first = memory.Allocate(600, Tag::kKv);
  auto second = memory.Allocate(400, Tag::kKv);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(memory.Allocate(1, Tag::kKv).status().message(), HasSubstr("fewer KV blocks"));
  *first = LargeBuffer();
  EXPECT_TRUE(memory.Allocate(600, Tag::kWeights).ok());
  EXPECT_EQ(memory.peak_bytes(), 1000);
}

TEST(LargeMemoryTest, OthersThatChargeTheAccountTakeFromTheSameLimit) {
  const BudgetRef budget = Budget::Create(1000);
  LargeMemory memory(budget);
  ASSERT_TRUE(budget->Charge(500));
  EXPECT_THAT(memory.Allocate(501, Tag::kKv).status().message(),
              HasSubstr("500 of the budget of 1000 bytes are used"));
  {
    auto buffer = memory.Allocate(500, Tag::kKv);
    ASSERT_TRUE(buffer.ok()) << buffer.status();
    EXPECT_EQ(memory.used_bytes(), 500);
    EXPECT_FALSE(budget->Charge(1));
  }
  EXPECT_EQ(budget->used_bytes(), 500);
  EXPECT_EQ(budget->peak_bytes(), 1000);
  EXPECT_EQ(memory.peak_bytes(), 500);
}

TEST(LargeMemoryTest, ZeroBytesGiveAnEmptyBufferEvenWhenFull) {
  LargeMemory memory(10);
  auto full = memory.Allocate(10, Tag::kKv);
  auto empty = memory.Allocate(0, Tag::kKv);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->data(), nullptr);
  EXPECT_EQ(empty->bytes(), 0);
}

TEST(LargeMemoryTest, AbsurdSizesAreStatuses) {
  LargeMemory memory(0);
  EXPECT_EQ(memory.Allocate(-1, Tag::kKv).status().code(), absl::StatusCode::kInvalidArgument);
  for (int64_t bytes : {std::numeric_limits<int64_t>::max(),
                        std::numeric_limits<int64_t>::max() - kAlignment, int64_t{1} << 60}) {
    EXPECT_EQ(memory.Allocate(bytes, Tag::kWorkspace).status().code(),
              absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(memory.used_bytes(), 0);
  EXPECT_EQ(memory.peak_bytes(), 0);
}

TEST(LargeMemoryTest, MovedBufferReleasesOnceAndTheOverwrittenOneAtOnce) {
  LargeMemory memory(0);
  LargeBuffer a = *memory.Allocate(100, Tag::kKv);
  LargeBuffer b = *memory.Allocate(50, Tag::kWeights);
  uint8_t* data = a.data();
  b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(memory.used_bytes(), 100);
  EXPECT_EQ(memory.used_bytes(Tag::kWeights), 0);
  LargeBuffer& alias = b;
  b = std::move(alias);
  EXPECT_EQ(b.data(), data);
  LargeBuffer c(std::move(b));
  EXPECT_EQ(c.bytes(), 100);
  c = LargeBuffer();
  EXPECT_EQ(memory.used_bytes(), 0);
}

TEST(LargeMemoryTest, HostHooksServeAndTakeBackEveryByte) {
  Host host;
  LargeMemory memory(0, host.hooks());
  {
    auto buffer = memory.Allocate(300, Tag::kWorkspace);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(host.held, 300);
    EXPECT_EQ(host.last_tag, 2);
    EXPECT_EQ(host.last_alignment, 64);
  }
  EXPECT_EQ(host.held, 0);
  EXPECT_EQ(memory.used_bytes(), 0);
}

TEST(LargeMemoryTest, HostWithoutMemoryGivesAStatusAndNoCount) {
  Host host;
  host.refuse = true;
  LargeMemory memory(1000, host.hooks());
  const absl::Status status = memory.Allocate(300, Tag::kKv).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("the KV cache needs 300 bytes and the host's allocator"));
  EXPECT_EQ(memory.used_bytes(), 0);
}

TEST(LargeMemoryTest, MisalignedHostMemoryIsRefusedAndGivenBack) {
  Host host;
  host.skew = 8;
  LargeMemory memory(0, host.hooks());
  const absl::Status status = memory.Allocate(300, Tag::kKv).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("8 bytes past a multiple of 64"));
  EXPECT_EQ(host.held, 0);
  EXPECT_EQ(memory.used_bytes(), 0);
}

TEST(LargeMemoryTest, OneHookAloneIsIgnored) {
  Host host;
  HostHooks half = host.hooks();
  half.release = nullptr;
  LargeMemory memory(0, half);
  ASSERT_TRUE(memory.Allocate(300, Tag::kKv).ok());
  EXPECT_EQ(host.held, 0);
}

TEST(ForeignMemoryTest, ChargeCountsByTagAndGoesBackOnce) {
  LargeMemory memory(0);
  {
    auto charge = memory.ChargeForeign(4096, Tag::kWeights);
    ASSERT_TRUE(charge.ok()) << charge.status();
    EXPECT_EQ(charge->bytes(), 4096);
    ForeignMemory moved = *std::move(charge);
    EXPECT_EQ(memory.used_bytes(Tag::kWeights), 4096);
    moved = memory.ChargeForeign(100, Tag::kKv).value();
    EXPECT_EQ(memory.used_bytes(Tag::kWeights), 0);
    EXPECT_EQ(memory.used_bytes(), 100);
  }
  EXPECT_EQ(memory.used_bytes(), 0);
  EXPECT_EQ(memory.peak_bytes(), 4196);
}

TEST(ForeignMemoryTest, RefusalIsThatOfABufferAndChargesNothing) {
  LargeMemory memory(1000);
  auto buffer = memory.Allocate(400, Tag::kWorkspace);
  ASSERT_TRUE(buffer.ok());
  const absl::Status refused = memory.ChargeForeign(601, Tag::kKv).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused, memory.Allocate(601, Tag::kKv).status());
  EXPECT_EQ(memory.used_bytes(), 400);
  EXPECT_TRUE(memory.ChargeForeign(600, Tag::kKv).ok());
  EXPECT_EQ(memory.ChargeForeign(-1, Tag::kKv).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ForeignMemoryTest, HostHooksAreNotAskedForIt) {
  Host host;
  host.refuse = true;
  LargeMemory memory(0, host.hooks());
  auto charge = memory.ChargeForeign(64, Tag::kKv);
  ASSERT_TRUE(charge.ok());
  EXPECT_EQ(host.held, 0);
  EXPECT_EQ(host.last_tag, -1);
}

TEST(LargeMemoryTest, RacingThreadsNeverPassTheLimit) {
  constexpr int64_t kPiece = 64;
  constexpr int64_t kLimit = 10 * kPiece;
  LargeMemory memory(kLimit);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&memory] {
      std::vector<LargeBuffer> mine;
      for (int i = 0; i < 5000; ++i) {
        auto buffer = memory.Allocate(kPiece, Tag::kKv);
        if (buffer.ok()) mine.push_back(*std::move(buffer));
        if (i % 5 == 4) mine.clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(memory.peak_bytes(), kLimit);
  EXPECT_GE(memory.peak_bytes(), 5 * kPiece);
  EXPECT_EQ(memory.used_bytes(), 0);
  EXPECT_EQ(memory.used_bytes(Tag::kKv), 0);
}

}  // namespace
}  // namespace llmrt::memory
