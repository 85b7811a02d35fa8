#include "model/rope_pieces.h"

#include <gtest/gtest.h>
#include <xmmintrin.h>

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

// Fails the next upload where it is told to.
class FailingBackend : public testing::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  absl::Status Upload(backend::Buffer& buffer, int64_t offset,
                      absl::Span<const uint8_t> bytes) override {
    if (std::exchange(fail_next, false)) return absl::InternalError("a device is gone");
    return ForwardingBackend::Upload(buffer, offset, bytes);
  }
  bool fail_next = false;
};

class RopePiecesTest : public ::testing::Test {
 protected:
  RopePiecesTest() {
    backend::BackendOptions options;
    options.memory = &memory_;
    backend_ = std::make_unique<FailingBackend>(
        std::move(backend::CreateReferenceBackend(options)).value());
    buffer_ =
        backend_->CreateBuffer(kOffset + kContext * kDims * 4, memory::Tag::kWorkspace).value();
    std::memset(buffer_->data(), 0xee, static_cast<size_t>(buffer_->bytes()));
  }

  absl::StatusOr<bool> Make(int64_t position) {
    return pieces_.Make(position, *backend_, *buffer_);
  }
  // As the whole table has the position.
  bool IsThere(int64_t position) const {
    return std::memcmp(buffer_->data() + kOffset + position * kDims * 4,
                       whole_.data() + position * kDims, kDims * 4) == 0;
  }

  memory::LargeMemory memory_{0};
  std::unique_ptr<FailingBackend> backend_;
  std::unique_ptr<backend::Buffer> buffer_;
  const std::vector<float> whole_ = numerics::BuildRopeTable(Params(), kContext);
  RopePieces pieces_{Params(), kContext, kOffset};
};

TEST_F(RopePiecesTest, ThePieceOfAPositionIsMadeOnceAndNoOther) {
  EXPECT_TRUE(Make(70).value());
  for (const int64_t position : {64, 70, 127}) EXPECT_TRUE(IsThere(position)) << position;
  for (const int64_t position : {0, 63, 128, 199}) EXPECT_FALSE(IsThere(position)) << position;
  for (const int64_t position : {70, 64, 127}) EXPECT_FALSE(Make(position).value()) << position;
}

TEST_F(RopePiecesTest, TheLastPieceEndsWithTheContext) {
  EXPECT_TRUE(Make(199).value());
  EXPECT_TRUE(IsThere(192));
  EXPECT_TRUE(IsThere(199));
}

TEST_F(RopePiecesTest, AllOfThemAreTheWholeTable) {
  ASSERT_TRUE(Make(70).ok());
  ASSERT_TRUE(pieces_.MakeAll(*backend_, *buffer_).ok());
  EXPECT_EQ(std::memcmp(buffer_->data() + kOffset, whole_.data(), kContext * kDims * 4), 0);
}

TEST_F(RopePiecesTest, APieceWhoseUploadFailedIsMadeAgain) {
  backend_->fail_next = true;
  EXPECT_EQ(Make(5).status().code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(IsThere(5));
  EXPECT_TRUE(Make(5).value());
  EXPECT_TRUE(IsThere(5));
  backend_->fail_next = true;
  EXPECT_EQ(pieces_.MakeAll(*backend_, *buffer_).code(), absl::StatusCode::kInternal);
}

TEST_F(RopePiecesTest, ThreadsWithAModeOfTheirOwnMakeTheSameBits) {
  const uint32_t before = _mm_getcsr();
  _mm_setcsr(before | 0x4000);  // rounding upward
  RopePieces pieces(Params(), kContext, kOffset);
  const absl::Status status = pieces.MakeAll(*backend_, *buffer_);
  _mm_setcsr(before);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(std::memcmp(buffer_->data() + kOffset, whole_.data(), kContext * kDims * 4), 0);
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
