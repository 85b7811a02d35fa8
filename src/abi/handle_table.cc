#include "abi/handle_table.h"

#include <bit>
#include <chrono>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "memory/counted_heap.h"

namespace llmrt::abi {
namespace {

constexpr int kGenerationShift = 24;
constexpr uint32_t kSlotMask = (uint32_t{1} << kGenerationShift) - 1;

static_assert(sizeof(void*) == 8, "handles need 64 bits: 8 of type, 32 of generation, 24 of slot");

constexpr uint32_t GenerationOf(HandleValue handle) {
  return static_cast<uint32_t>(handle >> kGenerationShift);
}

}  // namespace

// Chunks 0..c-1 together hold 64 * (2^c - 1) slots, so the chunk of a slot is the position of the
// highest bit of slot / 64 + 1.
HandleTable::Entry& HandleTable::At(Shard& shard, uint32_t index) {
  const int chunk = std::bit_width(index / kFirstChunkSlots + 1) - 1;
  return shard.chunks[chunk][index - kFirstChunkSlots * ((uint32_t{1} << chunk) - 1)];
}

// The entry that this handle names if it is in this state, else null. The lock is held.
HandleTable::Entry* HandleTable::Locate(Shard& shard, HandleValue handle, HandleType type,
                                        State state) {
  const uint32_t index = (static_cast<uint32_t>(handle) & kSlotMask) >> kShardBits;
  if (TypeOf(handle) != type || index >= shard.num_slots) return nullptr;
  Entry& entry = At(shard, index);
  const bool same = entry.state == state && entry.type == type;
  return same && entry.generation == GenerationOf(handle) ? &entry : nullptr;
}

// Generations start anywhere in the lower half of their range: handles that the host kept from
// before the library was unloaded and loaded again are then almost surely stale.
uint32_t HandleTable::FirstGeneration() {
  uint32_t first = first_generation_.load(std::memory_order_relaxed);
  if (first != 0) return first;
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  // Fibonacci hashing spreads the clock's low bits over the upper ones.
  const uint64_t mixed = static_cast<uint64_t>(now) * 0x9E3779B97F4A7C15u;
  const uint32_t drawn = static_cast<uint32_t>(mixed >> 33) | 1;
  // Of several threads the first one decides.
  return first_generation_.compare_exchange_strong(first, drawn) ? drawn : first;
}

// A free slot's index, or kNoSlot. The lock is held.
uint32_t HandleTable::TakeSlot(Shard& shard) {
  if (shard.free_head != kNoSlot) {
    const uint32_t index = shard.free_head;
    shard.free_head = At(shard, index).next_free;
    return index;
  }
  const uint32_t index = shard.num_slots;
  const int chunk = std::bit_width(index / kFirstChunkSlots + 1) - 1;
  if (chunk >= kChunks) return kNoSlot;
  if (shard.chunks[chunk] == nullptr) {
    // Handles of other engines will use it, too, and it stays: the process pays.
    const memory::ScopedHeapAccount process(nullptr);
    shard.chunks[chunk] = new (std::nothrow) Entry[kFirstChunkSlots << chunk];
    if (shard.chunks[chunk] == nullptr) return kNoSlot;
  }
  ++shard.num_slots;
  At(shard, index).generation = FirstGeneration();
  return index;
}

// Gives the slot back and returns what was in it, to be destroyed without the lock.
std::shared_ptr<void> HandleTable::FreeSlot(Shard& shard, uint32_t index) {
  Entry& entry = At(shard, index);
  std::shared_ptr<void> object = std::move(entry.object);
  entry.object = nullptr;
  entry.family = nullptr;
  entry.type = HandleType::kNone;
  --shard.in_use;
  if (entry.generation == last_generation_) {
    entry.state = State::kRetired;
  } else {
    ++entry.generation;
    entry.state = State::kFree;
    entry.next_free = shard.free_head;
    shard.free_head = index;
  }
  return object;
}

absl::StatusOr<HandleValue> HandleTable::Reserve(HandleType type) {
  // Round robin spreads the load; a full shard passes on to the next.
  const uint32_t start = next_shard_.fetch_add(1, std::memory_order_relaxed);
  for (uint32_t i = 0; i < kShards; ++i) {
    const uint32_t number = (start + i) % kShards;
    Shard& shard = shards_[number];
    const std::lock_guard lock(shard.mutex);
    const uint32_t index = TakeSlot(shard);
    if (index == kNoSlot) continue;
    Entry& entry = At(shard, index);
    entry.type = type;
    entry.state = State::kReserved;
    ++shard.in_use;
    const HandleValue slot = (HandleValue{index} << kShardBits) | number;
    return HandleValue{static_cast<uint8_t>(type)} << 56 |
           HandleValue{entry.generation} << kGenerationShift | slot;
  }
  return absl::ResourceExhaustedError(absl::StrCat("no room for another handle; ", live(),
                                                   " are live; release some, or free some memory"));
}

void HandleTable::Publish(HandleValue reserved, std::shared_ptr<void> object, const void* family) {
  Shard& shard = ShardOf(reserved);
  const std::lock_guard lock(shard.mutex);
  Entry* entry = Locate(shard, reserved, TypeOf(reserved), State::kReserved);
  if (entry == nullptr) return;
  entry->object = std::move(object);
  entry->family = family;
  entry->state = State::kLive;
}

void HandleTable::Abandon(HandleValue reserved) {
  Shard& shard = ShardOf(reserved);
  const std::lock_guard lock(shard.mutex);
  if (Locate(shard, reserved, TypeOf(reserved), State::kReserved) == nullptr) return;
  FreeSlot(shard, (static_cast<uint32_t>(reserved) & kSlotMask) >> kShardBits);
}

std::shared_ptr<void> HandleTable::Find(HandleValue handle, HandleType type) {
  Shard& shard = ShardOf(handle);
  const std::lock_guard lock(shard.mutex);
  const Entry* entry = Locate(shard, handle, type, State::kLive);
  return entry == nullptr ? nullptr : entry->object;
}

bool HandleTable::Release(HandleValue handle, HandleType type) {
  std::shared_ptr<void> object;  // Outlives the lock.
  Shard& shard = ShardOf(handle);
  const std::lock_guard lock(shard.mutex);
  if (Locate(shard, handle, type, State::kLive) == nullptr) return false;
  object = FreeSlot(shard, (static_cast<uint32_t>(handle) & kSlotMask) >> kShardBits);
  return true;
}

void HandleTable::ReleaseFamily(const void* family) {
  // Objects are collected in an array of the stack, because closing must not fail for want of
  // memory, and destroyed between two rounds, because their destructors may take their time.
  constexpr int kBatch = 32;
  for (Shard& shard : shards_) {
    for (uint32_t index = 0, end = kNoSlot; index < end;) {
      std::shared_ptr<void> batch[kBatch];
      const std::lock_guard lock(shard.mutex);
      end = shard.num_slots;
      for (int filled = 0; index < end && filled < kBatch; ++index) {
        const Entry& entry = At(shard, index);
        if (entry.state == State::kLive && entry.family == family) {
          batch[filled++] = FreeSlot(shard, index);
        }
      }
    }
  }
}

int64_t HandleTable::live() {
  int64_t sum = 0;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sum += shard.in_use;
  }
  return sum;
}

void HandleTable::FreeIfEmpty() {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    if (shard.in_use != 0) continue;
    for (Entry*& chunk : shard.chunks) {
      delete[] chunk;
      chunk = nullptr;
    }
    shard.num_slots = 0;
    shard.free_head = kNoSlot;
  }
}

namespace {

constinit HandleTable table;

// A destructor function runs later than the destructors of static objects, the host's included, so
// a host that releases its handles from those still finds the table. What the host never released
// stays: its threads may be using it.
#if defined(__GNUC__)
__attribute__((destructor)) void FreeTable() { table.FreeIfEmpty(); }
#endif

}  // namespace

HandleTable& Handles() { return table; }

}  // namespace llmrt::abi
