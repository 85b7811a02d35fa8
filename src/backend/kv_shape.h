// The shape and layout of the paged KV cache. A block holds block_size tokens of every layer:
//
//   block:  [num_layers][2: K, V][num_kv_heads][block_size][head_dim]  in the cache's type
//
// so one (layer, K or V, head) of a block is a contiguous tile of block_size * head_dim values, and
// copying a block (copy on write, swap, snapshot) is one contiguous copy.
#pragma once

#include <cstdint>
#include <string_view>

namespace llmrt::backend {

enum class KvType : uint8_t { kF32 = 0, kF16 = 1, kBF16 = 2 };

constexpr int64_t KvElementBytes(KvType type) { return type == KvType::kF32 ? 4 : 2; }
constexpr std::string_view KvTypeName(KvType type) {
  return type == KvType::kF32 ? "f32" : type == KvType::kF16 ? "f16" : "bf16";
}

// Memory of a device comes in slabs: a cache in pieces of at least kKvSlabBytesMin, but for the
// last, and at most twice that. What the host remembers of each is small, but the plan counts it.
inline constexpr int64_t kKvSlabBytesMin = int64_t{128} << 20;
inline constexpr int64_t kKvSlabRecordBytes = 40;

struct KvShape {
  int32_t num_layers = 0;
  int32_t num_kv_heads = 0;
  int32_t head_dim = 0;
  int32_t block_size = 16;  // tokens
  KvType type = KvType::kF16;

  constexpr int64_t TileBytes() const {  // one head's K or V of one block
    return int64_t{block_size} * head_dim * KvElementBytes(type);
  }
  constexpr int64_t BlockBytes() const {
    return int64_t{num_layers} * 2 * num_kv_heads * TileBytes();
  }
  constexpr int64_t TokenBytes() const { return BlockBytes() / block_size; }
  // Offset of a tile inside its block; kv is 0 for K, 1 for V.
  constexpr int64_t TileOffset(int32_t layer, int32_t kv, int32_t head) const {
    return ((int64_t{layer} * 2 + kv) * num_kv_heads + head) * TileBytes();
  }
};

}  // namespace llmrt::backend
