// Damage of every kind to a small valid file: cut anywhere, any bit flipped, files that change
// while they are read, sources and allocations that fail. The answer is a status, and memory stays
// in proportion.
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_cursor.h"
#include "memory/counted_heap.h"
#include "tests/formats/gguf_bytes.h"
#include "tests/temp_folder.h"

namespace llmrt::formats {
namespace {

using Type = GgufValueType;

// Fails the n-th read, counted from 0.
class FailingSource : public ByteSource {
 public:
  FailingSource(absl::Span<const uint8_t> bytes, int64_t fail_at)
      : memory_(BorrowMemory(bytes)), fail_at_(fail_at) {}
  int64_t size() const override { return memory_->size(); }
  std::string_view name() const override { return "failing"; }
  absl::Status ReadAt(int64_t offset, absl::Span<uint8_t> out) override {
    if (reads_++ == fail_at_) return absl::UnavailableError("the disk is gone");
    return memory_->ReadAt(offset, out);
  }
  int64_t reads() const { return reads_; }

 private:
  const std::shared_ptr<ByteSource> memory_;
  const int64_t fail_at_;
  std::atomic<int64_t> reads_{0};
};

TEST(GgufDamageTest, FileCutAtAnyByteIsRefused) {
  const std::vector<uint8_t> whole = Written(SmallModel());
  const auto model = OpenBytes(whole);
  ASSERT_TRUE(model.ok());
  const TensorInfo& last = *(*model)->FindTensor("output");
  for (size_t length = 0; length < whole.size(); ++length) {
    const absl::Status status = OpenBytes({whole.begin(), whole.begin() + length}).status();
    if (static_cast<int64_t>(length) >= last.offset + last.bytes) {
      EXPECT_TRUE(status.ok()) << length;  // only padding is gone
    } else {
      EXPECT_EQ(status.code(),
                length < 4 ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kDataLoss)
          << length << " " << status;
    }
  }
}

TEST(GgufDamageTest, AnyFlippedHeaderBitOpensOrIsAStatus) {
  const std::vector<uint8_t> whole = Written(SmallModel());
  const int64_t header = (*OpenBytes(whole))->FindTensor("norm")->offset;
  int64_t refused = 0;
  for (int64_t byte = 0; byte < header; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<uint8_t> bytes = whole;
      bytes[byte] ^= static_cast<uint8_t>(1 << bit);
      const auto model = OpenBytes(bytes);
      if (!model.ok()) ++refused;
      // Every byte value as well, at the places that are counts, lengths and types.
      bytes[byte] = bit % 2 == 0 ? 0xff : 0;
      OpenBytes(bytes).IgnoreError();
    }
  }
  EXPECT_GT(refused, header * 2);  // lengths, types and counts make up much of a header
}

TEST(GgufDamageTest, FileThatShrinksUnderTheReaderIsDataLoss) {
  const testing::TempFolder folder;
  const std::string path = folder / "shrinking.gguf";
  const std::vector<uint8_t> whole = Written(SmallModel());
  for (size_t length = 0; length < whole.size(); length += 13) {
    auto sink = FileSink::Create(path);
    ASSERT_TRUE((*sink)->Append(whole).ok());
    ASSERT_TRUE((*sink)->Finish().ok());
    const auto source = *OpenFile({.path = path});
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(length)), 0);
    const auto model = OpenModelFile(source, nullptr);
    if (!model.ok()) {
      EXPECT_EQ(model.status().code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(model.status().message(), ::testing::HasSubstr("file became shorter"));
    }
  }
}

TEST(GgufDamageTest, TensorOfAFileThatShrankLaterIsDataLoss) {
  const testing::TempFolder folder;
  const std::string path = folder / "later.gguf";
  auto sink = FileSink::Create(path);
  ASSERT_TRUE((*sink)->Append(Written(SmallModel())).ok());
  ASSERT_TRUE((*sink)->Finish().ok());
  const auto model = OpenModelFile(*OpenFile({.path = path}), nullptr);
  ASSERT_TRUE(model.ok());
  const TensorInfo& tensor = *(*model)->FindTensor("output");
  ASSERT_EQ(truncate(path.c_str(), tensor.offset + 10), 0);
  std::vector<uint8_t> out(tensor.bytes);
  EXPECT_EQ((*model)->ReadTensor(tensor, 0, absl::MakeSpan(out)).code(),
            absl::StatusCode::kDataLoss);
}

TEST(GgufDamageTest, FileThatGrowsUnderTheReaderReadsAsItWas) {
  const testing::TempFolder folder;
  const std::string path = folder / "growing.gguf";
  auto sink = FileSink::Create(path);
  const std::vector<uint8_t> whole = Written(SmallModel());
  ASSERT_TRUE((*sink)->Append(whole).ok());
  ASSERT_TRUE((*sink)->Finish().ok());
  const auto source = *OpenFile({.path = path});
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(whole.size()) * 3), 0);
  const auto model = OpenModelFile(source, nullptr);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->file_bytes(), static_cast<int64_t>(whole.size()));
}

TEST(GgufDamageTest, FailingReadPassesItsStatusOn) {
  // Several chunks of a megabyte, so that reads fail at the start, in the middle and at the end.
  GgufWriter writer = SmallModel();
  writer.AddString("padding", std::string(3 << 20, 'x'));
  const std::vector<uint8_t> bytes = Written(writer);
  const auto counter = std::make_shared<FailingSource>(bytes, -1);
  ASSERT_TRUE(OpenModelFile(counter, nullptr).ok());
  ASSERT_GE(counter->reads(), 4);
  for (int64_t n = 0; n < counter->reads(); ++n) {
    const auto model = OpenModelFile(std::make_shared<FailingSource>(bytes, n), nullptr);
    EXPECT_EQ(model.status(), absl::UnavailableError("the disk is gone")) << n;
  }
}

TEST(GgufDamageTest, FailingAllocationLeavesNothingBehind) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  const std::vector<uint8_t> bytes = Written(SmallModel());
  const std::shared_ptr<ByteSource> source = BorrowMemory(bytes);
  ASSERT_TRUE(OpenModelFile(source, nullptr).ok());
  const int64_t before = memory::HeapBytes();
  int64_t failures = 0;
  for (int64_t n = 0;; ++n) {
    bool failed = false;
    memory::FailHeapAllocation(n);
    try {
      EXPECT_TRUE(OpenModelFile(source, nullptr).ok());
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    memory::FailHeapAllocation(-1);
    EXPECT_EQ(memory::HeapBytes(), before) << n;
    if (!failed) break;
    ++failures;
  }
  EXPECT_GT(failures, 20);
}

// Peak of the heap while a file is opened, beyond what was there.
int64_t PeakOfOpening(const std::vector<uint8_t>& bytes) {
  const std::shared_ptr<ByteSource> source = BorrowMemory(bytes);
  const int64_t before = memory::HeapBytes();
  memory::ResetHeapPeak();
  OpenModelFile(source, nullptr).IgnoreError();
  return memory::HeapPeakBytes() - before;
}

TEST(GgufDamageTest, LyingCountsTakeNoMemory) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  const uint64_t counts[] = {1000, 1u << 20, 1u << 31, 1ull << 40, 1ull << 60, ~0ull};
  for (uint64_t count : counts) {
    const GgufBytes files[] = {
        GgufBytes().Header(count, 0).Zeros(100),
        GgufBytes().Header(0, count).Zeros(100),
        GgufBytes().Header(0, 1).U64(count).Zeros(100),
        GgufBytes().Header(0, 1).Key("k", Type::kString).U64(count).Zeros(100),
        GgufBytes().Header(0, 1).Array("k", Type::kUint8, count).Zeros(100),
        GgufBytes().Header(0, 1).Array("k", Type::kString, count).Zeros(100),
        GgufBytes().Header(0, 1).Array("tokenizer.ggml.tokens", Type::kString, count).Zeros(100),
        GgufBytes().Header(0, 1).Array("tokenizer.ggml.scores", Type::kFloat32, count).Zeros(100),
        GgufBytes().Header(1, 0).U64(count).Zeros(100),
        GgufBytes().Header(1, 0).Tensor("t", {count, count}, 0, 0).Zeros(100),
    };
    for (const GgufBytes& file : files) EXPECT_LT(PeakOfOpening(file.bytes()), 16384);
  }
}

// The worst that a header's many bytes can hold is a vocabulary of empty strings: 8 bytes each in
// the file, 32 in memory, and a vector that has just doubled holds three times that while it moves:
// 12 times the file. One more for the rest, and the buffer of 1 MiB.
TEST(GgufDamageTest, MemoryForAVocabularyIsInProportionToTheFile) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  constexpr uint64_t kTokens = 600000;
  const GgufBytes file = GgufBytes()
                             .Header(0, 1)
                             .Array("tokenizer.ggml.tokens", Type::kString, kTokens)
                             .Zeros(8 * kTokens);
  const auto bytes = static_cast<int64_t>(file.bytes().size());
  EXPECT_LT(PeakOfOpening(file.bytes()), 13 * bytes + (2 << 20));
}

// Keys and tensors take more than that for their bytes, but end at a number. A key: its entry of 72
// bytes, three halves of that while the vector of 2^16 doubles a last time, and its node in the
// index, another 72 and up to 16 that the allocator adds: 196. A name above 15 bytes has two copies
// besides.
TEST(GgufDamageTest, MemoryForKeysIsBounded) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  GgufBytes file;
  file.Header(0, kGgufKeysMax);
  for (uint64_t i = 0; i < kGgufKeysMax; ++i) file.Key(std::to_string(i), Type::kUint8).U8(1);
  EXPECT_LT(PeakOfOpening(file.bytes()), 200 * static_cast<int64_t>(kGgufKeysMax) + (2 << 20));
}

// A tensor: 152 bytes three times while the model's vector doubles beside the part's, a node of 72
// in the index and 64 in the set of names before: less than 40 MiB for all.
TEST(GgufDamageTest, MemoryForTensorsIsBounded) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  GgufBytes file;
  file.Header(kGgufTensorsMax, 0);
  for (uint64_t i = 0; i < kGgufTensorsMax; ++i) file.Tensor(std::to_string(i), {1}, 0, i * 32);
  file.Pad().Zeros(32 * kGgufTensorsMax);
  EXPECT_LT(PeakOfOpening(file.bytes()), 40 << 20);
}

}  // namespace
}  // namespace llmrt::formats
