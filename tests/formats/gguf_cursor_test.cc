// The cursor's bookkeeping across its chunks.
#include "formats/gguf_cursor.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace llmrt::formats {
namespace {

using ::testing::HasSubstr;

std::vector<uint8_t> Pattern(size_t count) {
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + i / 251);
  return bytes;
}

TEST(GgufCursorTest, ReadsAcrossChunksAndHashesWhatItRead) {
  // More than two chunks of a megabyte, in steps that never meet their edges.
  const std::vector<uint8_t> bytes = Pattern(2500000);
  const auto source = BorrowMemory(bytes);
  Sha256 hash;
  GgufCursor cursor(source.get(), &hash);
  std::vector<uint8_t> out(99991);
  while (cursor.remaining() >= static_cast<int64_t>(out.size()) + 50000) {
    const int64_t offset = cursor.offset();
    ASSERT_TRUE(cursor.ReadBytes(absl::MakeSpan(out), "x").ok());
    ASSERT_TRUE(std::equal(out.begin(), out.end(), bytes.begin() + offset));
    ASSERT_TRUE(cursor.Skip(33331, "x").ok());
    ASSERT_EQ(cursor.offset(), offset + 99991 + 33331);
  }
  cursor.FinishHash();
  EXPECT_EQ(hash.FinishHex(), Sha256Hex(absl::MakeConstSpan(bytes).first(cursor.offset())));
}

TEST(GgufCursorTest, HashEndsWhereReadingEnds) {
  const std::vector<uint8_t> bytes = Pattern(100);
  const auto source = BorrowMemory(bytes);
  Sha256 hash;
  GgufCursor cursor(source.get(), &hash);
  uint32_t value = 0;
  ASSERT_TRUE(cursor.Read(&value, "x").ok());
  cursor.FinishHash();
  EXPECT_EQ(cursor.offset(), 4);
  EXPECT_EQ(hash.FinishHex(), Sha256Hex(absl::MakeConstSpan(bytes).first(4)));
}

TEST(GgufCursorTest, EndOfSourceIsDataLossWithPlaceAndSizes) {
  const auto source = CopyMemory({{1, 2, 3}});
  Sha256 hash;
  GgufCursor cursor(source.get(), &hash);
  uint8_t byte = 0;
  ASSERT_TRUE(cursor.Read(&byte, "x").ok());
  uint64_t value = 0;
  const absl::Status status = cursor.Read(&value, "the answer");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(status.message(),
            "memory: the answer takes 8 bytes and 2 are left (at byte 1); download or convert the "
            "file again");
  EXPECT_EQ(cursor.Skip(3, "x").code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(cursor.Skip(2, "x").ok());
  EXPECT_EQ(cursor.remaining(), 0);
}

TEST(GgufCursorTest, CountsAreHeldAgainstTheBytesLeft) {
  const auto source = CopyMemory(Pattern(100));
  Sha256 hash;
  const GgufCursor cursor(source.get(), &hash);
  EXPECT_TRUE(cursor.CheckCount(12, 8, "count").ok());
  const absl::Status status = cursor.CheckCount(13, 8, "count");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("count is 13; the 100 bytes left hold at most 12"));
  EXPECT_EQ(cursor.CheckCount(UINT64_MAX, 1, "count").code(), absl::StatusCode::kDataLoss);
}

TEST(GgufCursorTest, CountsAboveALimitAreNamedWithIt) {
  const auto source = CopyMemory(Pattern(100));
  Sha256 hash;
  const GgufCursor cursor(source.get(), &hash);
  EXPECT_TRUE(cursor.CheckLimit(50, 50, "count").ok());
  const absl::Status status = cursor.CheckLimit(51, 50, "count");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(status.message(),
            "memory: count is 51; the limit is 50 (at byte 0); download or convert the file again");
}

// A source of any size that holds nothing: the header's bound applies to what is really a huge
// file.
class HugeSource : public ByteSource {
 public:
  int64_t size() const override { return int64_t{1} << 50; }
  absl::Status ReadAt(int64_t, absl::Span<uint8_t> out) override {
    std::fill(out.begin(), out.end(), 0);
    return absl::OkStatus();
  }
  std::string_view name() const override { return "huge"; }
};

TEST(GgufCursorTest, HeaderIsBoundedWhateverTheFilesSize) {
  HugeSource source;
  Sha256 hash;
  GgufCursor cursor(&source, &hash);
  EXPECT_EQ(cursor.remaining(), kGgufHeaderBytesMax);
  EXPECT_EQ(cursor.CheckCount(uint64_t{1} << 40, 1, "count").code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace llmrt::formats
