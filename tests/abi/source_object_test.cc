#include "abi/source_object.h"

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace llmrt::abi {
namespace {

// A reader of a text that notices when two threads call it at once.
struct Reader {
  std::string bytes;
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  int32_t result = 0;
  bool throws = false;

  static int32_t ReadAt(void* user, int64_t offset, void* buffer, int64_t length) {
    Reader& self = *static_cast<Reader*>(user);
    if (self.throws) throw std::runtime_error("host");
    if (self.inside.fetch_add(1) != 0) self.overlapped = true;
    std::memcpy(buffer, self.bytes.data() + offset, static_cast<size_t>(length));
    self.inside.fetch_sub(1);
    return self.result;
  }
};

std::shared_ptr<formats::ByteSource> OpenReader(Reader& reader) {
  return CallbackOrigin(Reader::ReadAt, &reader, static_cast<int64_t>(reader.bytes.size()))
      ->Open(false)
      .value();
}

TEST(SourceObjectTest, ReaderIsReadWhereAsked) {
  Reader reader{.bytes = "0123456789"};
  const auto source = OpenReader(reader);
  uint8_t out[3];
  EXPECT_TRUE(source->ReadAt(4, absl::MakeSpan(out)).ok());
  EXPECT_EQ(std::memcmp(out, "456", 3), 0);
  EXPECT_EQ(source->size(), 10);
  EXPECT_TRUE(source->ReadAt(10, absl::Span<uint8_t>()).ok());
}

TEST(SourceObjectTest, ReaderIsNotAskedForWhatItDoesNotHave) {
  Reader reader{.bytes = "0123456789", .result = 99};
  const auto source = OpenReader(reader);
  uint8_t out[3];
  for (const int64_t offset : {int64_t{-1}, int64_t{8}, int64_t{11}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(source->ReadAt(offset, absl::MakeSpan(out)).code(), absl::StatusCode::kOutOfRange);
  }
}

TEST(SourceObjectTest, ReadersFailureIsUnavailable) {
  Reader reader{.bytes = "0123456789", .result = 7};
  const auto source = OpenReader(reader);
  uint8_t out[3];
  EXPECT_EQ(source->ReadAt(0, absl::MakeSpan(out)).code(), absl::StatusCode::kUnavailable);
  reader.throws = true;
  EXPECT_EQ(source->ReadAt(0, absl::MakeSpan(out)).code(), absl::StatusCode::kUnavailable);
}

TEST(SourceObjectTest, ReaderIsCalledOnceAtATimeWhoeverOpenedIt) {
  Reader reader{.bytes = std::string(1 << 16, 'x')};
  const auto origin = CallbackOrigin(Reader::ReadAt, &reader, 1 << 16);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const auto source = origin->Open(false).value();
      std::vector<uint8_t> out(1 << 16);
      for (int i = 0; i < 200; ++i) ASSERT_TRUE(source->ReadAt(0, absl::MakeSpan(out)).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(reader.overlapped);
}

TEST(SourceObjectTest, CopiedMemoryIsTheLibrarysOwn) {
  std::string bytes = "abc";
  const absl::Span<const uint8_t> span(reinterpret_cast<const uint8_t*>(bytes.data()), 3);
  const auto borrowed = MemoryOrigin(span, LLMRT_MEMORY_BORROW)->Open(false).value();
  const auto copied = MemoryOrigin(span, LLMRT_MEMORY_COPY)->Open(false).value();
  bytes[1] = 'X';
  uint8_t out[3];
  EXPECT_TRUE(borrowed->ReadAt(0, absl::MakeSpan(out)).ok());
  EXPECT_EQ(std::memcmp(out, "aXc", 3), 0);
  EXPECT_TRUE(copied->ReadAt(0, absl::MakeSpan(out)).ok());
  EXPECT_EQ(std::memcmp(out, "abc", 3), 0);
}

TEST(SourceObjectTest, SourceCanBeItsOwnPartWithoutLeaking) {
  Reader reader{.bytes = "0123456789"};
  const auto source = std::make_shared<SourceObject>(CallbackOrigin(Reader::ReadAt, &reader, 10));
  const std::weak_ptr<SourceObject> watch = source;
  EXPECT_TRUE(source->AddPart("self", *source).ok());
  EXPECT_EQ(source->AddPart("self", *source).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(watch.use_count(), 1);
}

TEST(SourceObjectTest, MissingPathShowsWhenItIsOpened) {
  SourceObject source(PathOrigin("no such file.gguf", 0, -1));
  EXPECT_EQ(source.Open(false).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace llmrt::abi
