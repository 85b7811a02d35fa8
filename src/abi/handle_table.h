// The process-wide table behind every handle that the host holds. A handle is a number, never an
// address: it names a slot, and the slot says whether the handle is still good. So a stale, foreign
// or invented handle is found out without ever being dereferenced.
//
//   bits 63..56  type tag; no address of a user's process has such a top byte
//   bits 55..24  generation of the slot, which changes each time the slot is freed
//   bits 23..0   slot: 4 bits of shard, then the index in it
//
// A slot whose generations are used up is retired: no handle ever comes back to life. Objects are
// type-erased here and destroyed outside the locks; what they are is objects.h's business.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>

#include "absl/status/statusor.h"

namespace llmrt::abi {

enum class HandleType : uint8_t {
  kNone = 0,
  kOptions = 0x61,
  kSource = 0x62,
  kModel = 0x63,
  kEngine = 0x64,
  kSession = 0x65,
  kStream = 0x66,
};

using HandleValue = uint64_t;  // never 0

constexpr HandleType TypeOf(HandleValue handle) { return static_cast<HandleType>(handle >> 56); }

// Thread-safe. Constant-initialized and trivially destructible, so that a call during static
// initialization or at exit finds it usable; the memory goes in FreeIfEmpty.
class HandleTable {
 public:
  constexpr HandleTable() = default;
  // For tests: the generation of fresh slots, and where a slot retires.
  constexpr HandleTable(uint32_t first_generation, uint32_t last_generation)
      : first_generation_(first_generation), last_generation_(last_generation) {}

  // A handle that nothing finds until it is published: what can fail is done before the object
  // starts to do something. RESOURCE_EXHAUSTED when neither a slot nor memory is left.
  absl::StatusOr<HandleValue> Reserve(HandleType type);
  // `family` is any address that identifies what ReleaseFamily releases together, or null.
  void Publish(HandleValue reserved, std::shared_ptr<void> object, const void* family);
  void Abandon(HandleValue reserved);

  // Null unless the handle is live and of this type.
  std::shared_ptr<void> Find(HandleValue handle, HandleType type);
  // Turns the handle stale; false unless it was live and of this type. The object dies here if this
  // was its last reference.
  bool Release(HandleValue handle, HandleType type);
  // Turns every handle of the family stale.
  void ReleaseFamily(const void* family);

  int64_t live();
  // Frees the memory of every shard that has no live handle. For the library's unloading.
  void FreeIfEmpty();

 private:
  enum class State : uint8_t { kFree, kReserved, kLive, kRetired };

  struct Entry {
    std::shared_ptr<void> object;
    const void* family = nullptr;
    uint32_t generation = 0;
    uint32_t next_free = 0;
    HandleType type = HandleType::kNone;
    State state = State::kFree;
  };

  static constexpr int kShardBits = 4;
  static constexpr int kShards = 1 << kShardBits;
  // Chunk c holds 64 << c slots and never moves, so 14 chunks give 64 * (2^14 - 1) = 1,048,512.
  static constexpr int kChunks = 14;
  static constexpr uint32_t kFirstChunkSlots = 64;
  static constexpr uint32_t kNoSlot = 0xffffffff;

  struct alignas(64) Shard {
    std::mutex mutex;
    Entry* chunks[kChunks] = {};
    uint32_t num_slots = 0;  // ever used
    uint32_t free_head = kNoSlot;
    int64_t in_use = 0;  // live and reserved
  };

  static Entry& At(Shard& shard, uint32_t index);
  Entry* Locate(Shard& shard, HandleValue handle, HandleType type, State state);
  uint32_t TakeSlot(Shard& shard);
  std::shared_ptr<void> FreeSlot(Shard& shard, uint32_t index);
  uint32_t FirstGeneration();
  Shard& ShardOf(HandleValue handle) { return shards_[handle & (kShards - 1)]; }

  std::atomic<uint32_t> next_shard_{0};
  std::atomic<uint32_t> first_generation_{0};  // 0: not drawn yet
  const uint32_t last_generation_ = 0xffffffff;
  Shard shards_[kShards] = {};
};

static_assert(std::is_trivially_destructible_v<HandleTable>);

// The one table of the process; freed when the library is unloaded.
HandleTable& Handles();

}  // namespace llmrt::abi
