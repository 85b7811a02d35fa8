// Runs the fuzz target over a small corpus and mutations of it, where there is no libFuzzer.
#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include "tests/test_seed.h"
#include "tests/text/small_tokenizers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace llmrt::text {
namespace {

// Texts (the target puts every choice in front of them) and tables.
constexpr std::string_view kCorpus[] = {
    "",
    "plain text, 123 numbers\n",
    "ab abc bcde aaaaaaaa <tool><|im_end|></s><|turn|>",
    "\u00e9\u4e2d\U0001F600\u0301\u3000\u2581 \u2581\u2581",
    "\xFF\xC0\x80\xED\xA0\x80\xF4\x90\x80\x80",
    "na\nnb\nnab\nma b\nma a\ns\x01\ns\x02\ns\x03",
    "\1a\n\1b\n\5abc\n\5ab\n\3<s>\n\2<unk>\n\4<tool>\n\6<0x61>"
    "\ni0\4\ni3\5\ns1\ns2\ns3\ns4\ns5\ns6\ns7\ns8",
    "na\nna\nna\nn\nn\nn\nm \nm  \nma\nmb a\ni0\x7F",
    "\6<0xZZ>\n\6\n\6<0x00>\n\1\u2581\n\1\u2581a\n\1a",
};

void RunWithEveryChoice(std::string_view input) {
  for (int choice = 0; choice < 64; ++choice) {
    std::string bytes(1, static_cast<char>(choice));
    bytes += input;
    EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()),
              0);
  }
}

std::string Mutate(std::string_view input, std::mt19937* random) {
  std::string bytes(input);
  const int changes = 1 + static_cast<int>((*random)() % 6);
  for (int i = 0; i < changes; ++i) {
    const size_t pos = bytes.empty() ? 0 : (*random)() % bytes.size();
    switch ((*random)() % 4) {
      case 0:
        bytes.insert(pos, 1, static_cast<char>((*random)()));
        break;
      case 1:
        if (!bytes.empty()) bytes[pos] = static_cast<char>((*random)());
        break;
      case 2:
        bytes.erase(pos, (*random)() % 4);
        break;
      default: {
        const std::string_view other = kCorpus[(*random)() % std::size(kCorpus)];
        bytes.insert(pos, other.substr(0, (*random)() % (other.size() + 1)));
      }
    }
  }
  return bytes;
}

TEST(TokenizerFuzzTest, TheCorpusKeepsEveryPromise) {
  EXPECT_EQ(LLVMFuzzerTestOneInput(nullptr, 0), 0);
  for (const std::string_view input : kCorpus) RunWithEveryChoice(input);
}

TEST(TokenizerFuzzTest, MutatedInputsKeepEveryPromise) {
  std::mt19937 random(testing::TestSeed());
  for (int round = 0; round < 500; ++round) {
    RunWithEveryChoice(Mutate(kCorpus[random() % std::size(kCorpus)], &random));
  }
}

}  // namespace
}  // namespace llmrt::text
