// Some thousand random mutations through the fuzz target, for machines without a fuzzer.
#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "tests/formats/gguf_bytes.h"
#include "tests/test_seed.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace llmrt::formats {
namespace {

// Numbers that readers get wrong.
constexpr uint64_t kEdges[] = {0,          1,           7,          8,
                               31,         32,          255,        256,
                               65535,      65536,       0x7fffffff, 0x80000000,
                               0xffffffff, 0x100000000, 1ull << 48, (1ull << 63) - 1,
                               1ull << 63, ~0ull - 31,  ~0ull - 7,  ~0ull};

void Mutate(std::mt19937& random, std::vector<uint8_t>& bytes) {
  const auto place = [&](size_t size) { return random() % (bytes.size() - size + 1); };
  if (bytes.size() < 16) bytes.resize(16);
  switch (random() % 6) {
    case 0:  // one bit
      bytes[place(1)] ^= static_cast<uint8_t>(1 << random() % 8);
      break;
    case 1:  // one byte
      bytes[place(1)] = static_cast<uint8_t>(random());
      break;
    case 2: {  // an edge as a 64-bit number
      std::memcpy(&bytes[place(8)], &kEdges[random() % std::size(kEdges)], 8);
      break;
    }
    case 3: {  // and as a 32-bit number
      std::memcpy(&bytes[place(4)], &kEdges[random() % std::size(kEdges)], 4);
      break;
    }
    case 4: {  // cut out a stretch, what follows moves up
      const auto [begin, end] = std::minmax({place(0), place(0)});
      bytes.erase(bytes.begin() + static_cast<int64_t>(begin),
                  bytes.begin() + static_cast<int64_t>(end));
      break;
    }
    default: {  // repeat a stretch
      const size_t from = place(8);
      const std::vector<uint8_t> stretch(bytes.begin() + static_cast<int64_t>(from),
                                         bytes.begin() + static_cast<int64_t>(from + 8));
      bytes.insert(bytes.begin() + static_cast<int64_t>(place(0)), stretch.begin(), stretch.end());
    }
  }
}

TEST(GgufFuzzTest, MutationsOfASmallModelNeverCrash) {
  std::mt19937 random(testing::TestSeed());
  const std::vector<uint8_t> original = Written(SmallModel());
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> bytes = original;
    const int mutations = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < mutations; ++i) Mutate(random, bytes);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
}

TEST(GgufFuzzTest, RandomBytesAfterAValidHeaderNeverCrash) {
  std::mt19937 random(testing::TestSeed());
  for (int round = 0; round < 5000; ++round) {
    GgufBytes file;
    file.Header(random() % 3, random() % 4);
    const size_t length = random() % 200;
    for (size_t i = 0; i < length; ++i) {
      // Mostly zeros: lengths stay small and parsing goes deep.
      file.U8(random() % 4 == 0 ? static_cast<uint8_t>(random() % 16) : 0);
    }
    LLVMFuzzerTestOneInput(file.bytes().data(), file.bytes().size());
  }
}

}  // namespace
}  // namespace llmrt::formats
