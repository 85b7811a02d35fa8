// NIST's vectors, and that pieces of any size give the same hash as the whole.
#include "formats/sha256.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace llmrt::formats {
namespace {

std::string HashOf(std::string_view text) {
  return Sha256Hex(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

TEST(Sha256Test, PublishedVectors) {
  EXPECT_EQ(HashOf(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HashOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HashOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(HashOf("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnop"
                   "qklmnopqrlmnopqrsmnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(HashOf(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Every length around the block's and the padding's edges, cut in two at every place.
TEST(Sha256Test, PiecesHashLikeTheWhole) {
  std::vector<uint8_t> bytes;
  for (int length = 0; length <= 130; ++length) {
    const std::string whole = Sha256Hex(bytes);
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      Sha256 hash;
      hash.Update(absl::MakeConstSpan(bytes).first(cut));
      hash.Update(absl::MakeConstSpan(bytes).subspan(cut));
      ASSERT_EQ(hash.FinishHex(), whole) << length << " " << cut;
    }
    bytes.push_back(static_cast<uint8_t>(length * 37));
  }
}

}  // namespace
}  // namespace llmrt::formats
