// The CPU backend's paged KV cache: the blocks of backend/kv_shape.h, each tile of values as it
// stands there, each tile of keys transposed:
//
//   K tile: [head_dim][block_size]     V tile: [block_size][head_dim]     in the cache's type
//
// in the same number of bytes and at the same place. Sixteen keys' values of one dim then lie side
// by side, and a score needs no sum across a register (attention_scores.h). Blocks are copied as
// they are; what leaves the backend has the layout of kv_shape.h.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/backend.h"
#include "memory/large_buffer.h"
#include "ops/host_storage.h"

namespace llmrt::cpu {

class CpuKvCache final : public backend::KvCache {
 public:
  static absl::StatusOr<std::unique_ptr<backend::KvCache>> Create(memory::LargeMemory& memory,
                                                                  const backend::KvShape& shape,
                                                                  int64_t num_blocks);
  absl::Status CopyBlocks(absl::Span<const backend::BlockCopy> copies);
  // A block in the layout of kv_shape.h, out of the cache and into it.
  absl::Status ReadBlock(int32_t block, absl::Span<uint8_t> out) const;
  absl::Status WriteBlock(int32_t block, absl::Span<const uint8_t> bytes);

  const backend::KvShape& shape() const override { return blocks_->shape(); }
  int64_t num_blocks() const override { return blocks_->num_blocks(); }
  uint8_t* KeyTile(int32_t block, int32_t layer, int32_t head) const {
    return blocks_->Tile(block, layer, 0, head);
  }
  uint8_t* ValueTile(int32_t block, int32_t layer, int32_t head) const {
    return blocks_->Tile(block, layer, 1, head);
  }
  // Puts a key of head_dim values in the cache's type, `key`, into its slot of a tile of keys.
  void ScatterKey(const uint8_t* key, int64_t slot, uint8_t* tile) const;

 private:
  explicit CpuKvCache(std::unique_ptr<ops::HostKvCache> blocks) : blocks_(std::move(blocks)) {}
  // Transposes every tile of keys of a block, from [rows][cols] to [cols][rows].
  void TransposeKeys(const uint8_t* in, int64_t rows, int64_t cols, uint8_t* out) const;

  // Bytes in blocks; that the plain layout is another does not matter to it.
  const std::unique_ptr<ops::HostKvCache> blocks_;
};

}  // namespace llmrt::cpu
