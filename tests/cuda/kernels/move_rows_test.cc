// Rows that move towards the front against ops::OracleMoveRows, by equality of all bytes of the
// buffer and of what lies around it.
#include "ops/move_rows.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "cuda/kernels/elementwise.h"
#include "tests/cuda/kernels/kernel_case.h"

namespace llmrt::cuda {
namespace {

// Bytes before and behind the rows that nobody may touch.
constexpr int64_t kGuardBytes = 64;

struct Move {
  int64_t from, to, count;
};

// Rows up to two behind the last that moves, beginning `offset` bytes behind an address that is a
// multiple of 16.
void Check(int64_t row_bytes, const Move& move, int64_t offset = 0) {
  const std::string name =
      CaseName("move_rows", {row_bytes, move.from, move.to, move.count, offset});
  const int64_t begin = kGuardBytes + offset;
  const int64_t size = (move.from + move.count + 2) * row_bytes;
  std::vector<uint8_t> start = Poisoned<uint8_t>(begin + size + kGuardBytes);
  std::mt19937 random(1);
  for (int64_t i = 0; i < size; ++i) start[begin + i] = static_cast<uint8_t>(random());
  std::vector<uint8_t> expected = start;
  ops::OracleMoveRows({.rows = expected.data() + begin,
                       .row_bytes = row_bytes,
                       .from = move.from,
                       .to = move.to,
                       .count = move.count});
  ForSeeds([&](uint64_t seed) {
    const DeviceArray<uint8_t> buffer(start);
    const MoveRowsArgs args = {.rows = buffer.get() + begin,
                               .row_bytes = row_bytes,
                               .from = move.from,
                               .to = move.to,
                               .count = move.count};
    Launch(KernelId::kMoveRowsKernel, MoveRowsShape(args), args);
    // Not EXPECT_EQ: a failure would print all of it.
    EXPECT_TRUE(buffer.Download() == expected) << name;
    Record(seed, name, buffer.Download());
  });
}

// Columns of 4 bytes and of 16: one, a few, and around a block of them (260 and 1024 bytes).
constexpr int64_t kRowBytes[] = {4, 12, 16, 20, 256, 252, 260, 1008, 1024, 1040};
static_assert(kMoveRowsThreads == 64);

// Onto themselves and clear of it, around the eight rows that a thread reads at once.
TEST(MoveRowsKernelTest, EqualsTheOracle) {
  for (const int64_t row_bytes : kRowBytes) {
    for (const Move& move :
         {Move{1, 0, 1}, Move{1, 0, 7}, Move{1, 0, 8}, Move{2, 1, 9}, Move{3, 1, 17}, Move{8, 0, 8},
          Move{9, 0, 16}, Move{17, 4, 13}, Move{7, 6, 33}, Move{30, 2, 3}}) {
      Check(row_bytes, move);
    }
  }
}

// The first row of a step of 512 leaves.
TEST(MoveRowsKernelTest, ManyRowsMoveByOne) {
  for (const int64_t row_bytes : {4, 12, 64, 260}) Check(row_bytes, {1, 0, 511});
}

// A buffer that begins at no multiple of 16 is moved in words whatever the length of its rows.
TEST(MoveRowsKernelTest, RowsMayBeginAtAnyWord) {
  for (const int64_t row_bytes : {16, 12, 1040}) {
    for (const int64_t offset : {4, 8, 12}) Check(row_bytes, {2, 1, 19}, offset);
  }
}

TEST(MoveRowsKernelTest, NothingIsWrittenForNoRows) {
  Check(16, {1, 0, 0});
  Check(12, {3, 1, 0});
}

TEST(MoveRowsKernelTest, ColumnsAreAsWideAsTheRowsAllow) {
  const auto columns = [](uint64_t rows, int64_t row_bytes) {
    return MoveRowsColumnBytes({.rows = reinterpret_cast<uint8_t*>(rows),
                                .row_bytes = row_bytes,
                                .from = 1,
                                .to = 0,
                                .count = 1});
  };
  EXPECT_EQ(columns(0x100, 256), 16);
  EXPECT_EQ(columns(0x110, 16), 16);
  EXPECT_EQ(columns(0x104, 256), 4);
  EXPECT_EQ(columns(0x108, 256), 4);
  EXPECT_EQ(columns(0x100, 260), 4);
  EXPECT_EQ(columns(0x100, 8), 4);
}

// Rows leave one after the other, from all places of a step, as streams are cancelled.
TEST(MoveRowsKernelTest, MovesFollowOneAnother) {
  constexpr int64_t kRows = 20, kBytes = 272;
  std::vector<uint8_t> expected(kRows * kBytes);
  std::mt19937 random(2);
  for (uint8_t& byte : expected) byte = static_cast<uint8_t>(random());
  const DeviceArray<uint8_t> buffer(expected);
  for (int64_t rows = kRows; rows > 1; --rows) {
    const int64_t leaves = static_cast<int64_t>(random()) % rows;
    const int64_t count = rows - leaves - 1;
    ops::OracleMoveRows({.rows = expected.data(),
                         .row_bytes = kBytes,
                         .from = leaves + 1,
                         .to = leaves,
                         .count = count});
    const MoveRowsArgs args = {.rows = buffer.get(),
                               .row_bytes = kBytes,
                               .from = leaves + 1,
                               .to = leaves,
                               .count = count};
    Launch(KernelId::kMoveRowsKernel, MoveRowsShape(args), args);
    EXPECT_TRUE(buffer.Download() == expected) << rows;
  }
}

}  // namespace
}  // namespace llmrt::cuda
