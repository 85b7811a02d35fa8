#include "abi/arguments.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace llmrt::abi {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

bool IsInvalid(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument && !status.message().empty();
}

TEST(ArgumentsTest, BuffersMayBeNullOnlyWithoutCapacity) {
  char buffer[4] = {};
  EXPECT_TRUE(CheckBuffer(buffer, 4, "b").ok());
  EXPECT_TRUE(CheckBuffer(buffer, 0, "b").ok());
  EXPECT_TRUE(CheckBuffer(nullptr, 0, "b").ok());
  EXPECT_TRUE(IsInvalid(CheckBuffer(nullptr, 1, "b")));
  EXPECT_TRUE(IsInvalid(CheckBuffer(buffer, -1, "b")));
  EXPECT_TRUE(IsInvalid(CheckBuffer(buffer, kMin, "b")));
  EXPECT_TRUE(CheckArray(nullptr, 0, "a").ok());
  EXPECT_TRUE(IsInvalid(CheckArray(nullptr, 1, "a")));
  EXPECT_TRUE(IsInvalid(CheckArray(buffer, -1, "a")));
  EXPECT_TRUE(IsInvalid(CheckOutput(nullptr, "o")));
}

TEST(ArgumentsTest, TimeoutsStartAtMinusOne) {
  EXPECT_TRUE(CheckTimeout(-1, "t").ok());
  EXPECT_TRUE(CheckTimeout(0, "t").ok());
  EXPECT_TRUE(IsInvalid(CheckTimeout(-2, "t")));
}

TEST(ArgumentsTest, TextEndsAtItsLengthOrItsNul) {
  EXPECT_EQ(InputText("abc", -1, "t").value(), "abc");
  EXPECT_EQ(InputText("abc", 2, "t").value(), "ab");
  EXPECT_EQ(InputText("a\0c", 3, "t").value().size(), 3u);
  EXPECT_EQ(InputText(nullptr, 0, "t").value(), "");
  EXPECT_TRUE(IsInvalid(InputText(nullptr, -1, "t").status()));
  EXPECT_TRUE(IsInvalid(InputText(nullptr, 2, "t").status()));
  EXPECT_TRUE(IsInvalid(InputText("abc", -2, "t").status()));
}

TEST(ArgumentsTest, NamesHaveNoNulAndAreNotEmpty) {
  EXPECT_EQ(InputName("abc", -1, "n").value(), "abc");
  EXPECT_TRUE(IsInvalid(InputName("", -1, "n").status()));
  EXPECT_TRUE(IsInvalid(InputName("a\0c", 3, "n").status()));
  EXPECT_TRUE(IsInvalid(InputName(nullptr, -1, "n").status()));
}

TEST(ArgumentsTest, TextIsCopiedWhereItFits) {
  char buffer[5] = {'#', '#', '#', '#', '#'};
  int64_t length = 0;
  EXPECT_TRUE((TextOutput{buffer, 4, &length}).Copy("abc").ok());
  EXPECT_EQ(std::string(buffer, 5), std::string("abc\0#", 5));
  EXPECT_TRUE((TextOutput{buffer, 4, &length}).Copy("wxyz").ok());  // no room for a NUL
  EXPECT_EQ(std::string(buffer, 5), "wxyz#");
  EXPECT_EQ((TextOutput{buffer, 4, &length}).Copy("12345").code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(length, 5);
  EXPECT_EQ(std::string(buffer, 5), "wxyz#");
  EXPECT_TRUE((TextOutput{nullptr, 0, &length}).Copy("123456").ok());
  EXPECT_EQ(length, 6);
  EXPECT_TRUE((TextOutput{buffer, 0, &length}).Copy("").ok());
  EXPECT_EQ(buffer[0], 'w');
}

// As an output struct of the header, and as a newer one would be.
struct Old {
  int32_t struct_size;
  int32_t a;
  int64_t b;
};
struct New {
  int32_t struct_size;
  int32_t a;
  int64_t b;
  int64_t c;
};

TEST(ArgumentsTest, StructsGetTheFieldsThatFit) {
  New newer = {sizeof(New), 7, 7, 7};
  WriteStruct(Old{0, 1, 2}, reinterpret_cast<Old*>(&newer));
  EXPECT_EQ(newer.a, 1);
  EXPECT_EQ(newer.b, 2);
  EXPECT_EQ(newer.c, 7);
  EXPECT_EQ(newer.struct_size, static_cast<int32_t>(sizeof(New)));
  New older = {sizeof(Old), 7, 7, 7};
  WriteStruct(New{0, 1, 2, 3}, &older);
  EXPECT_EQ(older.b, 2);
  EXPECT_EQ(older.c, 7);
  New smallest = {4, 7, 7, 7};
  WriteStruct(New{0, 1, 2, 3}, &smallest);
  EXPECT_EQ(smallest.a, 7);
}

TEST(ArgumentsTest, StructsHaveAtLeastTheirSize) {
  Old value = {4, 0, 0};
  EXPECT_TRUE(CheckStruct(&value, "value").ok());
  for (const int32_t size : {3, 0, -1, std::numeric_limits<int32_t>::min()}) {
    value.struct_size = size;
    EXPECT_TRUE(IsInvalid(CheckStruct(&value, "value")));
  }
  EXPECT_TRUE(IsInvalid(CheckStruct<Old>(nullptr, "value")));
}

}  // namespace
}  // namespace llmrt::abi
