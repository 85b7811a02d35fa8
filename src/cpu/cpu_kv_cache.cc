#include "cpu/cpu_kv_cache.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace llmrt::cpu {
namespace {

// `count` elements of kBytes each, `stride` elements apart in `out`. (memcpy of a constant size is
// one move; elements need not be aligned.)
template <int64_t kBytes>
void Scatter(const uint8_t* in, int64_t count, int64_t stride, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(out + i * stride * kBytes, in + i * kBytes, kBytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<backend::KvCache>> CpuKvCache::Create(memory::LargeMemory& memory,
                                                                     const backend::KvShape& shape,
                                                                     int64_t num_blocks) {
  absl::StatusOr<std::unique_ptr<backend::KvCache>> blocks =
      ops::HostKvCache::Create(memory, shape, num_blocks);
  if (!blocks.ok()) return blocks.status();
  std::unique_ptr<ops::HostKvCache> owned(static_cast<ops::HostKvCache*>(blocks->release()));
  return std::unique_ptr<backend::KvCache>(new CpuKvCache(std::move(owned)));
}

absl::Status CpuKvCache::CopyBlocks(absl::Span<const backend::BlockCopy> copies) {
  return blocks_->CopyBlocks(copies);
}

absl::Status CpuKvCache::ReadBlock(int32_t block, absl::Span<uint8_t> out) const {
  if (absl::Status status = blocks_->ReadBlock(block, out); !status.ok()) return status;
  TransposeKeys(KeyTile(block, 0, 0), shape().head_dim, shape().block_size, out.data());
  return absl::OkStatus();
}

absl::Status CpuKvCache::WriteBlock(int32_t block, absl::Span<const uint8_t> bytes) {
  const int64_t size = shape().BlockBytes();
  if (block < 0 || block >= num_blocks() || static_cast<int64_t>(bytes.size()) != size) {
    return absl::OutOfRangeError(absl::StrCat(
        "KV block ", block, " from ", bytes.size(), " bytes; the cache has blocks 0 to ",
        num_blocks() - 1, " of ", size, " bytes each; pass such a block and size"));
  }
  uint8_t* out = KeyTile(block, 0, 0);
  std::memcpy(out, bytes.data(), bytes.size());
  TransposeKeys(bytes.data(), shape().block_size, shape().head_dim, out);
  return absl::OkStatus();
}

void CpuKvCache::ScatterKey(const uint8_t* key, int64_t slot, uint8_t* tile) const {
  const int64_t bytes = backend::KvElementBytes(shape().type);
  const auto scatter = bytes == 4 ? Scatter<4> : Scatter<2>;
  scatter(key, shape().head_dim, shape().block_size, tile + slot * bytes);
}

void CpuKvCache::TransposeKeys(const uint8_t* in, int64_t rows, int64_t cols, uint8_t* out) const {
  const int64_t bytes = backend::KvElementBytes(shape().type);
  const auto scatter = bytes == 4 ? Scatter<4> : Scatter<2>;
  for (int32_t layer = 0; layer < shape().num_layers; ++layer) {
    for (int32_t head = 0; head < shape().num_kv_heads; ++head) {
      const int64_t tile = shape().TileOffset(layer, 0, head);
      for (int64_t row = 0; row < rows; ++row) {
        scatter(in + tile + row * cols * bytes, cols, rows, out + tile + row * bytes);
      }
    }
  }
}

}  // namespace llmrt::cpu
