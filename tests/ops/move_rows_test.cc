#include "ops/move_rows.h"

#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace llmrt::ops {
namespace {

TEST(MoveRowsTest, RowsMoveTowardsTheFrontAndTheRestStays) {
  std::vector<uint8_t> rows(10 * 3);
  std::iota(rows.begin(), rows.end(), uint8_t{0});
  OracleMoveRows({.rows = rows.data(), .row_bytes = 3, .from = 4, .to = 1, .count = 5});
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool moved = i / 3 >= 1 && i / 3 < 6;
    EXPECT_EQ(rows[i], moved ? i + 9 : i);
  }
}

TEST(MoveRowsTest, NoRowsMayLieBehindTheLast) {
  uint8_t row = 7;
  const backend::MoveRowsParams params{.rows = &row, .row_bytes = 1, .from = 1, .to = 0};
  EXPECT_TRUE(CheckMoveRows(params).ok());
  OracleMoveRows(params);
  EXPECT_EQ(row, 7);
}

TEST(MoveRowsTest, WrongParametersAreRefused) {
  uint8_t rows[8];
  EXPECT_TRUE(CheckMoveRows({.rows = rows, .row_bytes = 2, .from = 1, .to = 1, .count = 3}).ok());
  EXPECT_FALSE(CheckMoveRows({.row_bytes = 2, .from = 1, .to = 0, .count = 3}).ok());
  EXPECT_FALSE(CheckMoveRows({.rows = rows, .from = 1, .to = 0, .count = 3}).ok());
  EXPECT_FALSE(CheckMoveRows({.rows = rows, .row_bytes = 2, .from = 0, .to = 1, .count = 3}).ok());
  EXPECT_FALSE(CheckMoveRows({.rows = rows, .row_bytes = 2, .from = 1, .to = -1, .count = 1}).ok());
  EXPECT_FALSE(CheckMoveRows({.rows = rows, .row_bytes = 2, .from = 1, .to = 0, .count = -1}).ok());
}

}  // namespace
}  // namespace llmrt::ops
