#include "abi/status.h"

#include <new>
#include <stdexcept>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "gtest/gtest.h"

namespace llmrt::abi {
namespace {

std::string OneLine(std::string_view text, size_t capacity = 100) {
  std::string out(capacity, '#');
  out.resize(WriteOneLine(text, out.data(), capacity));
  return out;
}

TEST(StatusTest, CodesCrossUnchanged) {
  for (int code = 0; code <= 15; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "x");
    EXPECT_EQ(static_cast<int>(StatusCode(status)), code);
  }
  EXPECT_EQ(StatusCode(absl::UnauthenticatedError("x")), LLMRT_STATUS_UNKNOWN);
}

TEST(StatusTest, OwnCodesHaveTheirMarks) {
  EXPECT_EQ(StatusCode(InvalidHandleError("x")), LLMRT_STATUS_INVALID_HANDLE);
  EXPECT_EQ(StatusCode(engine::UnhealthyError("x")), LLMRT_STATUS_ENGINE_UNHEALTHY);
}

TEST(StatusTest, MessageIsOneLine) {
  EXPECT_EQ(OneLine("a\nb\r\n\tc\x7f"), "a b   c ");
  EXPECT_EQ(OneLine("a\u2028b\u0085c"), "a b c");
  EXPECT_EQ(OneLine(std::string_view("a\0b", 3)), "a b");
}

TEST(StatusTest, InvalidBytesBecomeQuestionMarks) {
  EXPECT_EQ(OneLine("a\xff\xc3z\xe2\x82"), "a??z??");
  EXPECT_EQ(OneLine("caf\u00e9 \u20ac \U0001F600 \uFFFD"), "caf\u00e9 \u20ac \U0001F600 \uFFFD");
}

TEST(StatusTest, LongMessageIsCutAtACharacter) {
  EXPECT_EQ(OneLine("ab\u20ac", 4), "ab");
  EXPECT_EQ(OneLine("ab\u20ac", 5), "ab\u20ac");
  EXPECT_EQ(OneLine("abc", 0), "");
  Report(LLMRT_STATUS_INTERNAL, std::string(5000, 'x'));
  EXPECT_EQ(Message(), std::string(kMessageBytesMax, 'x'));
  std::string wide;
  while (wide.size() < 5000) absl::StrAppend(&wide, "\u20ac");
  Report(LLMRT_STATUS_INTERNAL, wide);
  EXPECT_EQ(Message(), wide.substr(0, kMessageBytesMax / 3 * 3));
}

TEST(StatusTest, FailureAlwaysHasWords) {
  EXPECT_EQ(Report(absl::Status(absl::StatusCode::kInternal, "")), LLMRT_STATUS_INTERNAL);
  EXPECT_FALSE(Message().empty());
  EXPECT_EQ(Words(absl::Status(absl::StatusCode::kResourceExhausted, "")), kNoMemory);
  EXPECT_EQ(Words(absl::DataLossError("lost")), "lost");
  EXPECT_EQ(Words(absl::OkStatus()), "");
  EXPECT_EQ(Enter([] { return absl::OkStatus(); }), LLMRT_STATUS_OK);
  EXPECT_TRUE(Message().empty());
}

absl::Status Throw(int what) {
  if (what == 0) throw std::bad_alloc();
  if (what == 1) throw std::runtime_error("oops");
  throw 5;
}

TEST(StatusTest, ExceptionsEndAtTheBoundary) {
  EXPECT_EQ(Enter([] { return Throw(0); }), LLMRT_STATUS_RESOURCE_EXHAUSTED);
  EXPECT_FALSE(Message().empty());
  EXPECT_EQ(Enter([] { return Throw(1); }), LLMRT_STATUS_INTERNAL);
  EXPECT_FALSE(Message().empty());
  EXPECT_EQ(Enter([] { return Throw(2); }), LLMRT_STATUS_INTERNAL);
  EnterRelease([] { (void)Throw(0); });
  EnterRelease([] { (void)Throw(2); });
}

TEST(StatusTest, ReleaseLeavesTheMessageAlone) {
  Report(LLMRT_STATUS_INTERNAL, "kept");
  EnterRelease([] {});
  EXPECT_EQ(Message(), "kept");
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return value / 2;
}

absl::Status Quarter(int value, int* out) {
  ABI_ASSIGN_OR_RETURN(const int half, Half(value));
  ABI_ASSIGN_OR_RETURN(*out, Half(half));
  ABI_RETURN_IF_ERROR(Half(*out).status());
  return absl::OkStatus();
}

TEST(StatusTest, MacrosReturnTheFirstError) {
  int out = 0;
  EXPECT_TRUE(Quarter(8, &out).ok());
  EXPECT_EQ(out, 2);
  EXPECT_FALSE(Quarter(6, &out).ok());
  EXPECT_FALSE(Quarter(4, &out).ok());
}

}  // namespace
}  // namespace llmrt::abi
