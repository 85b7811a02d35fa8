// Every byte, its place and the cuts are in the hash; chunks add up in their order.
#include "model/content_hash.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

namespace llmrt::model {
namespace {

uint64_t HashOf(const std::vector<uint8_t>& bytes) {
  ContentHash hash;
  hash.Add(bytes);
  return hash.Value();
}

TEST(ContentHashTest, EveryByteMatters) {
  std::vector<uint8_t> bytes(203);  // whole groups of lanes, some words, some bytes
  std::set<uint64_t> seen = {HashOf(bytes)};
  for (uint8_t& byte : bytes) {
    byte = 1;
    EXPECT_TRUE(seen.insert(HashOf(bytes)).second);
    byte = 0;
  }
}

TEST(ContentHashTest, CutsMatter) {
  std::vector<uint8_t> bytes(128);
  std::iota(bytes.begin(), bytes.end(), uint8_t{1});
  std::set<uint64_t> seen;
  for (size_t length = 1; length < bytes.size(); ++length) {
    ContentHash hash;
    hash.Add(absl::MakeConstSpan(bytes).subspan(0, length));
    hash.Add(absl::MakeConstSpan(bytes).subspan(length));
    EXPECT_TRUE(seen.insert(hash.Value()).second) << length;
  }
}

TEST(ContentHashTest, ValuesOfChunksAddUpInOrder) {
  const auto of = [](uint64_t a, uint64_t b) {
    ContentHash hash;
    hash.AddValue(a);
    hash.AddValue(b);
    return hash.Value();
  };
  EXPECT_EQ(of(1, 2), of(1, 2));
  EXPECT_NE(of(1, 2), of(2, 1));
  EXPECT_NE(of(0, 0), ContentHash().Value());
}

}  // namespace
}  // namespace llmrt::model
