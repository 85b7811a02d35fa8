#include "plugin/storage.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/plugin/fake_plugin.h"

namespace llmrt::plugin {
namespace {

using backend::KvShape;
using backend::WeightType;
using ::llmrt::testing::FakePlugin;

constexpr int64_t kMega = int64_t{1} << 20;

std::vector<uint8_t> Numbered(size_t count) {
  std::vector<uint8_t> bytes(count);
  std::iota(bytes.begin(), bytes.end(), static_cast<uint8_t>(1));
  return bytes;
}

class StorageTest : public ::testing::Test {
 protected:
  ~StorageTest() override {
    device_.reset();
    FakePlugin::Get().Reset();
  }

  std::unique_ptr<backend::Matrix> Matrix(WeightType type, int64_t rows, int64_t cols) {
    return PluginMatrix::Create(*device_, memory_, type, rows, cols).value();
  }
  std::unique_ptr<backend::KvCache> Cache(const KvShape& shape, int64_t num_blocks) {
    return PluginKvCache::Create(*device_, memory_, shape, num_blocks).value();
  }
  // 2 x 16 x 256 x 4 bytes a layer: 32 KB.
  static KvShape ShapeOf(int32_t layers) {
    return {.num_layers = layers,
            .num_kv_heads = 1,
            .head_dim = 256,
            .block_size = 16,
            .type = backend::KvType::kF32};
  }
  std::vector<int64_t> Allocations() {
    std::vector<int64_t> sizes;
    for (const auto& [address, bytes] : fake_.allocations) sizes.push_back(bytes);
    std::sort(sizes.begin(), sizes.end());
    return sizes;
  }

  FakePlugin& fake_ = FakePlugin::Get();
  memory::LargeMemory memory_{0};
  std::unique_ptr<Device> device_ =
      Device::Open(*fake_.Table("x"), nullptr, {.device_index = 0}).value();
};

TEST_F(StorageTest, MatricesTakeWholeLinesARowAndWhatIsChargedIsAllocated) {
  struct Case {
    WeightType type;
    int64_t rows, cols, stride, bytes;
  };
  for (const Case& c : {Case{WeightType::kF32, 3, 32, 128, 512},
                        {WeightType::kF32, 3, 33, 256, 768},
                        {WeightType::kF16, 5, 64, 128, 768},
                        {WeightType::kF16, 2, 65, 256, 512},
                        {WeightType::kBF16, 4, 1, 128, 512}}) {
    EXPECT_EQ(PluginMatrix::Bytes(c.type, c.rows, c.cols).value(), c.bytes);
    const auto matrix = Matrix(c.type, c.rows, c.cols);
    EXPECT_EQ(memory_.used_bytes(memory::Tag::kWeights), c.bytes);
    EXPECT_EQ(fake_.HeldBytes(), c.bytes);
    const backend::PluginMatrix call = static_cast<PluginMatrix&>(*matrix).ForDevice();
    EXPECT_EQ(call.row_stride, c.stride);
    EXPECT_EQ(call.rows, c.rows);
    EXPECT_EQ(call.cols, c.cols);
    EXPECT_EQ(call.element, static_cast<int32_t>(c.type));  // F32, F16, BF16 in both
  }
  EXPECT_EQ(memory_.used_bytes(), 0);
}

TEST_F(StorageTest, RowsArriveInAnyOrderPaddedWithZeros) {
  auto owned = Matrix(WeightType::kF16, 4, 70);
  auto& matrix = static_cast<PluginMatrix&>(*owned);
  const std::vector<uint8_t> bytes = Numbered(4 * 140);
  auto* const data = reinterpret_cast<uint8_t*>(matrix.ForDevice().data);
  std::memset(data, 0xff, 4 * 256);
  ASSERT_TRUE(matrix.WriteRows(*device_, 3, {bytes.data() + 3 * 140, 140}).ok());
  ASSERT_TRUE(matrix.WriteRows(*device_, 0, {bytes.data(), 3 * 140}).ok());
  for (int row = 0; row < 4; ++row) {
    EXPECT_EQ(std::memcmp(data + row * 256, bytes.data() + row * 140, 140), 0) << row;
    EXPECT_TRUE(std::all_of(data + row * 256 + 140, data + (row + 1) * 256,
                            [](uint8_t byte) { return byte == 0; }));
  }
}

TEST_F(StorageTest, RowsArriveFromSeveralThreads) {
  constexpr int kRows = 64;
  auto owned = Matrix(WeightType::kF32, kRows, 8);
  auto& matrix = static_cast<PluginMatrix&>(*owned);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int row = t; row < kRows; row += 4) {
        const std::vector<uint8_t> bytes(32, static_cast<uint8_t>(row));
        EXPECT_TRUE(matrix.WriteRows(*device_, row, bytes).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto* data = reinterpret_cast<const uint8_t*>(matrix.ForDevice().data);
  for (int row = 0; row < kRows; ++row) EXPECT_EQ(data[row * 128 + 31], row);
}

TEST_F(StorageTest, RowsOutsideAreRefusedAndNoneAreFine) {
  auto owned = Matrix(WeightType::kF32, 4, 8);
  auto& matrix = static_cast<PluginMatrix&>(*owned);
  const std::vector<uint8_t> bytes(3 * 32);
  EXPECT_EQ(matrix.WriteRows(*device_, 2, bytes).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(matrix.WriteRows(*device_, -1, bytes).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(matrix.WriteRows(*device_, 0, {bytes.data(), 33}).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(matrix.WriteRows(*device_, 4, {}).ok());
  EXPECT_EQ(std::count(fake_.calls.begin(), fake_.calls.end(), "upload"), 0);
}

TEST_F(StorageTest, TypesThatTheDeviceLacksAndImpossibleShapesAreStatuses) {
  EXPECT_EQ(PluginMatrix::Bytes(WeightType::kQ4_K, 1, 256).status().code(),
            absl::StatusCode::kUnimplemented);
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{-1, 8},
                                   {1, 0},
                                   {int64_t{1} << 41, 1},
                                   {int64_t{1} << 40, int64_t{1} << 40}}) {
    EXPECT_EQ(PluginMatrix::Bytes(WeightType::kF32, rows, cols).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  KvShape shape = ShapeOf(1);
  EXPECT_FALSE(PluginKvCache::Create(*device_, memory_, shape, -1).ok());
  EXPECT_FALSE(PluginKvCache::Create(*device_, memory_, shape, int64_t{1} << 31).ok());
  shape.num_layers = shape.num_kv_heads = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(PluginKvCache::Create(*device_, memory_, shape, 1 << 30).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(StorageTest, ASmallCacheIsOneExactSlab) {
  const auto owned = Cache(ShapeOf(1), 11);
  const auto& cache = static_cast<const PluginKvCache&>(*owned);
  EXPECT_EQ(cache.num_slabs(), 1);
  EXPECT_EQ(fake_.HeldBytes(), 11 * (32 << 10));
  EXPECT_EQ(memory_.used_bytes(memory::Tag::kKv), 11 * (32 << 10));
  EXPECT_EQ(cache.AddressOf(10) - cache.AddressOf(0), 10u * (32 << 10));
}

TEST_F(StorageTest, ALargeCacheIsSlabsOfAPowerOfTwoOfBlocks) {
  const auto owned = Cache(ShapeOf(32), 600);  // 1 MB a block
  const auto& cache = static_cast<const PluginKvCache&>(*owned);
  EXPECT_EQ(Allocations(), (std::vector<int64_t>{88 * kMega, 256 * kMega, 256 * kMega}));
  EXPECT_EQ(memory_.used_bytes(memory::Tag::kKv), 600 * kMega);
  EXPECT_EQ(cache.AddressOf(255) - cache.AddressOf(0), 255u * kMega);
  EXPECT_EQ(cache.AddressOf(599) - cache.AddressOf(512), 87u * kMega);
  const uint64_t second = cache.AddressOf(256);
  EXPECT_EQ(fake_.allocations.at(second), 256 * kMega);
}

TEST_F(StorageTest, ASlabIsNeverLargerThanItsLimitNorAHalfOfIt) {
  const auto owned = Cache(ShapeOf(96), 100);  // 3 MB a block: 64 of them are 192 MB
  EXPECT_EQ(Allocations(), (std::vector<int64_t>{36 * 3 * kMega, 64 * 3 * kMega}));
}

TEST_F(StorageTest, BlocksLargerThanASlabHaveOneEach) {
  const auto owned = Cache(ShapeOf(32 * 300), 3);
  EXPECT_EQ(Allocations(), std::vector<int64_t>(3, 300 * kMega));
  EXPECT_EQ(static_cast<const PluginKvCache&>(*owned).num_slabs(), 3);
}

TEST_F(StorageTest, BlocksBeginOnWhatTheDeviceHandsOut) {
  const KvShape shape = {.num_layers = 1,
                         .num_kv_heads = 1,
                         .head_dim = 10,
                         .block_size = 16,
                         .type = backend::KvType::kBF16};  // 640 bytes a block
  EXPECT_EQ(PluginKvCache::BlockStride(shape), 768);
  const auto owned = Cache(shape, 2);
  EXPECT_EQ(memory_.used_bytes(), 2 * 768);
  const backend::PluginKv kv = static_cast<const PluginKvCache&>(*owned).ForDevice(0);
  EXPECT_EQ(kv.element, backend::kPluginBF16);
  EXPECT_EQ(kv.tile_bytes, 320);
  EXPECT_EQ(kv.block_size, 16);
  EXPECT_EQ(kv.num_kv_heads, 1);
  EXPECT_EQ(kv.head_dim, 10);
}

TEST_F(StorageTest, ACacheThatTheDeviceCannotHoldLeavesNothing) {
  fake_.fail_call = "allocate";
  fake_.fail_code = 8;
  fake_.fail_skip = 2;
  EXPECT_EQ(PluginKvCache::Create(*device_, memory_, ShapeOf(32), 600).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(memory_.used_bytes(), 0);
  EXPECT_EQ(fake_.HeldBytes(), 0);
}

TEST_F(StorageTest, BlocksAreCopiedAndReadAcrossSlabs) {
  const KvShape shape = ShapeOf(32);
  auto owned = Cache(shape, 300);
  auto& cache = static_cast<PluginKvCache&>(*owned);
  std::memset(reinterpret_cast<void*>(cache.AddressOf(3)), 42, static_cast<size_t>(kMega));
  ASSERT_TRUE(cache.CopyBlocks(*device_, {{.from = 3, .to = 299}, {.from = 5, .to = 5}}).ok());
  ASSERT_EQ(fake_.copies.size(), 1u);
  EXPECT_EQ(fake_.copies[0].to, cache.AddressOf(299));
  std::vector<uint8_t> out(static_cast<size_t>(kMega));
  ASSERT_TRUE(cache.ReadBlock(*device_, 299, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out, std::vector<uint8_t>(out.size(), 42));
  EXPECT_EQ(cache.CopyBlocks(*device_, {{.from = 0, .to = 300}}).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(cache.ReadBlock(*device_, 300, absl::MakeSpan(out)).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(cache.ReadBlock(*device_, 0, absl::MakeSpan(out).first(5)).code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(StorageTest, CopiesOfBuffersStayInside) {
  auto buffer = PluginBuffer::Create(*device_, memory_, 100, memory::Tag::kWorkspace).value();
  EXPECT_EQ(buffer->bytes(), 100);
  EXPECT_EQ(memory_.used_bytes(memory::Tag::kWorkspace), 100);
  const std::vector<uint8_t> in = Numbered(60);
  ASSERT_TRUE(UploadTo(*device_, *buffer, 40, in).ok());
  std::vector<uint8_t> out(60);
  ASSERT_TRUE(DownloadFrom(*device_, *buffer, 40, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out, in);
  EXPECT_EQ(UploadTo(*device_, *buffer, 41, in).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(UploadTo(*device_, *buffer, -1, in).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(DownloadFrom(*device_, *buffer, 41, absl::MakeSpan(out)).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(UploadTo(*device_, *buffer, 100, {}).ok());
  EXPECT_FALSE(PluginBuffer::Create(*device_, memory_, -1, memory::Tag::kWorkspace).ok());
}

}  // namespace
}  // namespace llmrt::plugin
