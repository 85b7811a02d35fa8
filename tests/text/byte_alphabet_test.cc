#include "text/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace llmrt::text {
namespace {

TEST(ByteAlphabetTest, PrintableBytesStandForThemselves) {
  const ByteAlphabet alphabet;
  EXPECT_EQ(alphabet.Encode('a'), "a");
  EXPECT_EQ(alphabet.Encode('!'), "!");
  EXPECT_EQ(alphabet.Encode('~'), "~");
  EXPECT_EQ(alphabet.Encode(0xE9), "\u00e9");
}

TEST(ByteAlphabetTest, OtherBytesFollowFromU0100InOrder) {
  const ByteAlphabet alphabet;
  EXPECT_EQ(alphabet.Encode(0x00), "\u0100");
  EXPECT_EQ(alphabet.Encode('\n'), "\u010a");
  EXPECT_EQ(alphabet.Encode(' '), "\u0120");
  EXPECT_EQ(alphabet.Encode(0x7F), "\u0121");
  EXPECT_EQ(alphabet.Encode(0x80), "\u0122");
  EXPECT_EQ(alphabet.Encode(0xA0), "\u0142");
  EXPECT_EQ(alphabet.Encode(0xAD), "\u0143");
}

TEST(ByteAlphabetTest, AllBytesSurviveARoundTrip) {
  const ByteAlphabet alphabet;
  std::string bytes;
  std::set<std::string_view> characters;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
    characters.insert(alphabet.Encode(static_cast<uint8_t>(byte)));
  }
  EXPECT_EQ(characters.size(), 256u);
  std::string encoded;
  alphabet.AppendEncoded(bytes, &encoded);
  EXPECT_EQ(alphabet.Decode(encoded), bytes);
}

TEST(ByteAlphabetTest, TextOutsideTheAlphabetDoesNotDecode) {
  const ByteAlphabet alphabet;
  EXPECT_EQ(alphabet.Decode("\u4e2d"), std::nullopt);
  EXPECT_EQ(alphabet.Decode("a b"), std::nullopt);  // a space is written U+0120
  EXPECT_EQ(alphabet.Decode("\u0144"), std::nullopt);
  EXPECT_EQ(alphabet.Decode("\xFF"), std::nullopt);
  EXPECT_EQ(alphabet.Decode(""), "");
}

}  // namespace
}  // namespace llmrt::text
