#include "abi/option_table.h"

#include <cmath>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace llmrt::abi {
namespace {

TEST(OptionTableTest, KeysAreUniqueAndNamedAsInTheHeader) {
  std::set<int32_t> keys;
  for (const OptionRow& row : OptionRows()) {
    EXPECT_TRUE(keys.insert(row.key).second) << row.name;
    EXPECT_EQ(FindOption(row.key), &row);
    const std::string prefix = KindOfKey(row.key) == LLMRT_OPTIONS_ENGINE    ? "LLMRT_ENGINE_"
                               : KindOfKey(row.key) == LLMRT_OPTIONS_SESSION ? "LLMRT_SESSION_"
                                                                             : "LLMRT_STREAM_";
    EXPECT_EQ(row.name.substr(0, prefix.size()), prefix);
  }
  EXPECT_EQ(FindOption(0), nullptr);
  EXPECT_EQ(FindOption(LLMRT_OPTION_FORCE_INT32), nullptr);
}

TEST(OptionTableTest, DefaultsAreValuesThatTheKeyTakes) {
  for (const OptionRow& row : OptionRows()) {
    switch (row.type) {
      case ValueType::kI64:
        EXPECT_TRUE(CheckValue(row, row.i64.standard).ok()) << row.name;
        EXPECT_TRUE(CheckValue(row, row.i64.minimum).ok()) << row.name;
        EXPECT_TRUE(CheckValue(row, row.i64.maximum).ok()) << row.name;
        break;
      case ValueType::kF64:
        EXPECT_TRUE(CheckValue(row, row.f64.standard).ok()) << row.name;
        EXPECT_FALSE(CheckValue(row, std::nan("")).ok()) << row.name;
        break;
      case ValueType::kBytes:
        EXPECT_TRUE(CheckValue(row, row.standard_bytes).ok()) << row.name;
        break;
    }
  }
}

TEST(OptionTableTest, LooksUpByKeyAndType) {
  EXPECT_TRUE(FindOption(LLMRT_STREAM_TOP_K, ValueType::kI64).ok());
  EXPECT_EQ(FindOption(LLMRT_STREAM_TOP_K, ValueType::kF64).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(FindOption(4711, ValueType::kF64).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(OptionTableTest, StringsEndInNulAndAreText) {
  const OptionRow& row = *FindOption(LLMRT_STREAM_STOP_STRINGS);
  EXPECT_TRUE(CheckValue(row, std::string_view("a\0b\0", 4)).ok());
  EXPECT_FALSE(CheckValue(row, std::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(CheckValue(row, std::string_view("a\0\0", 3)).ok());
  EXPECT_FALSE(CheckValue(row, std::string_view("\xff\0", 2)).ok());
}

TEST(OptionTableTest, KindsHaveNames) {
  EXPECT_EQ(KindName(LLMRT_OPTIONS_ENGINE), "engine");
  EXPECT_EQ(KindName(LLMRT_OPTIONS_SESSION), "session");
  EXPECT_EQ(KindName(LLMRT_OPTIONS_STREAM), "stream");
  EXPECT_EQ(KindName(9), "unknown");
}

}  // namespace
}  // namespace llmrt::abi
