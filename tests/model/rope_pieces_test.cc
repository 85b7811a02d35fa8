#include "model/rope_pieces.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "backend/create_backend.h"
#include "memory/counted_heap.h"
#include "memory/large_buffer.h"
#include "tests/model/forwarding_backend.h"

namespace llmrt::model {
namespace {

constexpr int64_t kContext = 200, kOffset = 64;
constexpr int32_t kDims = 6;

numerics::RopeParams Params() { return {.dims = kDims, .base = 500.0}; }

// Counts uploads, and fails those that it is told to.
class CountingBackend : public testing::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  absl::Status Upload(backend::Buffer& buffer, int64_t offset,
                      absl::Span<const uint8_t> bytes) override {
    if (std::exchange(fail_next, false)) return absl::InternalError("a device is gone");
    ++uploads;
    return ForwardingBackend::Upload(buffer, offset, bytes);
  }
  int uploads = 0;
  bool fail_next = false;
};

class RopePiecesTest : public ::testing::Test {
 protected:
  RopePiecesTest() {
    backend::BackendOptions options;
    options.memory = &memory_;
    backend_ = std::make_unique<CountingBackend>(
        std::move(backend::CreateReferenceBackend(options)).value());
    buffer_ =
        backend_->CreateBuffer(kOffset + kContext * kDims * 4, memory::Tag::kWorkspace).value();
    std::memset(buffer_->data(), 0xee, static_cast<size_t>(buffer_->bytes()));
  }

  absl::Status Fill(const std::vector<int32_t>& positions) {
    return pieces_.Fill({.positions = positions}, *backend_, *buffer_);
  }
  // As the whole table has the position.
  bool IsThere(int64_t position) const {
    return std::memcmp(buffer_->data() + kOffset + position * kDims * 4,
                       whole_.data() + position * kDims, kDims * 4) == 0;
  }

  memory::LargeMemory memory_{0};
  std::unique_ptr<CountingBackend> backend_;
  std::unique_ptr<backend::Buffer> buffer_;
  const std::vector<float> whole_ = numerics::BuildRopeTable(Params(), kContext);
  RopePieces pieces_{Params(), kContext, kOffset};
};

TEST_F(RopePiecesTest, PositionsThatStepsComeToAreThereAndNoOthers) {
  ASSERT_TRUE(Fill({70, 71, 150, 72}).ok());
  EXPECT_EQ(backend_->uploads, 2);
  for (const int64_t position : {64, 70, 72, 127, 128, 150, 191}) {
    EXPECT_TRUE(IsThere(position)) << position;
  }
  for (const int64_t position : {0, 63, 192, 199}) EXPECT_FALSE(IsThere(position)) << position;
  ASSERT_TRUE(Fill({127, 191}).ok());
  EXPECT_EQ(backend_->uploads, 2);
}

TEST_F(RopePiecesTest, TheLastPieceEndsWithTheContext) {
  ASSERT_TRUE(Fill({199}).ok());
  EXPECT_TRUE(IsThere(192));
  EXPECT_TRUE(IsThere(199));
}

TEST_F(RopePiecesTest, APieceWhoseUploadFailedIsMadeAgain) {
  backend_->fail_next = true;
  EXPECT_EQ(Fill({5}).code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(IsThere(5));
  ASSERT_TRUE(Fill({5}).ok());
  EXPECT_TRUE(IsThere(5));
}

TEST_F(RopePiecesTest, TakesOfTheHeapWhatItSays) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  for (const int64_t context : {int64_t{1}, int64_t{64}, int64_t{5000}}) {
    const int64_t before = memory::HeapBytes();
    const RopePieces pieces(Params(), context, 0);
    EXPECT_EQ(memory::HeapBytes() - before, RopePieces::HeapBytes(kDims, context)) << context;
  }
}

}  // namespace
}  // namespace llmrt::model
