// Device memory, pinned host memory, copies and fills.
#include <cstdlib>
#include <cstring>

#include "cuda_host/driver_state.h"

namespace llmrt::cuda_host {
namespace {

using namespace cuda;

constexpr size_t kAlignment = 512;  // of the driver's allocations

// The allocation of the current context that holds the whole range, as a copy needs it.
bool InAllocation(HandleId context, uintptr_t address, size_t bytes) {
  const auto& allocations = State().allocations;
  auto it = allocations.upper_bound(address);
  if (it == allocations.begin()) return false;
  --it;
  return it->second.context == context && address - it->first <= it->second.bytes &&
         bytes <= it->second.bytes - (address - it->first);
}

std::shared_ptr<HostBlock> PinnedBlock(const void* p) {
  const auto& blocks = State().host_blocks;
  const uintptr_t address = reinterpret_cast<uintptr_t>(p);
  auto it = blocks.upper_bound(address);
  if (it == blocks.begin()) return nullptr;
  --it;
  return address - it->first < it->second->bytes ? it->second : nullptr;
}

CuResult Refused(Entry& entry, const char* what, size_t bytes) {
  return entry.Refuse(kCuInvalidValue, std::string(what) + " of " + std::to_string(bytes) +
                                           " bytes is not in one live allocation");
}

}  // namespace

LLMRT_EXPORT CuResult cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemGetInfo_v2", kContext);
  if (free_bytes == nullptr || total == nullptr) return kCuInvalidValue;
  *total = State().settings.total_memory;
  const uint64_t used = State().UsedMemory();
  *free_bytes = used < *total ? *total - used : 0;
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuMemAlloc_v2(CuDevicePointer* pointer, size_t bytes) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemAlloc_v2", kUncaptured);
  DriverState& state = State();
  if (pointer == nullptr || bytes == 0) return entry.Refuse(kCuInvalidValue, "no bytes");
  const uint64_t used = state.UsedMemory();
  if (used > state.settings.total_memory || bytes > state.settings.total_memory - used) {
    return entry.Refuse(kCuOutOfMemory, std::to_string(bytes) + " bytes do not fit");
  }
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, bytes) != 0) return kCuOutOfMemory;
  std::memset(memory, kPoison, bytes);
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory);
  state.allocations[address] = {
      {static_cast<uint8_t*>(memory), std::free}, bytes, entry.context_id()};
  DeviceMemory().Add({address, bytes});
  *pointer = address;
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuMemFree_v2(CuDevicePointer pointer) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemFree_v2", kUncaptured);
  if (pointer == 0) return kCuSuccess;
  const auto it = State().allocations.find(pointer);
  if (it == State().allocations.end()) return entry.Refuse(kCuInvalidValue, "no such allocation");
  if (it->second.context != entry.context_id()) {
    return entry.Refuse(kCuInvalidValue, "the allocation belongs to another context");
  }
  DeviceMemory().Remove(it->first);
  State().allocations.erase(it);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemHostAlloc", kUncaptured);
  if (pointer == nullptr || bytes == 0) return entry.Refuse(kCuInvalidValue, "no bytes");
  auto block = std::make_shared<HostBlock>();
  block->memory = std::make_unique<uint8_t[]>(bytes);
  block->bytes = bytes;
  block->context = entry.context_id();
  std::memset(block->memory.get(), kPoison, bytes);
  *pointer = block->memory.get();
  State().host_blocks[reinterpret_cast<uintptr_t>(*pointer)] = std::move(block);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuMemFreeHost(void* pointer) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemFreeHost", kUncaptured);
  const auto it = State().host_blocks.find(reinterpret_cast<uintptr_t>(pointer));
  if (it == State().host_blocks.end()) {
    return entry.Refuse(kCuInvalidValue, "no such host allocation");
  }
  it->second->released = true;  // for copies that still know it
  it->second->memory.reset();
  State().host_blocks.erase(it);
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuMemcpyHtoDAsync_v2(CuDevicePointer to, const void* from, size_t bytes,
                                           CuStream stream_handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemcpyHtoDAsync_v2", kContext);
  Stream* stream = StreamOf(entry, IdOf(stream_handle));
  if (stream == nullptr) return entry.result();
  if (bytes == 0) return kCuSuccess;
  if (from == nullptr) return entry.Refuse(kCuInvalidValue, "null host pointer");
  if (!InAllocation(entry.context_id(), to, bytes)) return Refused(entry, "a target", bytes);
  Enqueue(*stream, {.kind = Operation::Kind::kCopyToDevice,
                    .to = to,
                    .from = reinterpret_cast<uintptr_t>(from),
                    .bytes = bytes,
                    .host = PinnedBlock(from)});
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuMemcpyDtoHAsync_v2(void* to, CuDevicePointer from, size_t bytes,
                                           CuStream stream_handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemcpyDtoHAsync_v2", kContext);
  Stream* stream = StreamOf(entry, IdOf(stream_handle));
  if (stream == nullptr) return entry.result();
  if (bytes == 0) return kCuSuccess;
  if (to == nullptr) return entry.Refuse(kCuInvalidValue, "null host pointer");
  if (!InAllocation(entry.context_id(), from, bytes)) return Refused(entry, "a source", bytes);
  Enqueue(*stream, {.kind = Operation::Kind::kCopyToHost,
                    .to = reinterpret_cast<uintptr_t>(to),
                    .from = from,
                    .bytes = bytes,
                    .host = PinnedBlock(to)});
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuMemcpyDtoDAsync_v2(CuDevicePointer to, CuDevicePointer from, size_t bytes,
                                           CuStream stream_handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemcpyDtoDAsync_v2", kContext);
  Stream* stream = StreamOf(entry, IdOf(stream_handle));
  if (stream == nullptr) return entry.result();
  if (bytes == 0) return kCuSuccess;
  if (!InAllocation(entry.context_id(), to, bytes)) return Refused(entry, "a target", bytes);
  if (!InAllocation(entry.context_id(), from, bytes)) return Refused(entry, "a source", bytes);
  Enqueue(*stream,
          {.kind = Operation::Kind::kCopyOnDevice, .to = to, .from = from, .bytes = bytes});
  return kCuSuccess;
}

LLMRT_EXPORT CuResult cuMemsetD8Async(CuDevicePointer pointer, unsigned char value, size_t count,
                                      CuStream stream_handle) {
  LLMRT_EMULATED_ENTRY(entry, "cuMemsetD8Async", kContext);
  Stream* stream = StreamOf(entry, IdOf(stream_handle));
  if (stream == nullptr) return entry.result();
  if (count == 0) return kCuSuccess;
  if (!InAllocation(entry.context_id(), pointer, count)) return Refused(entry, "a target", count);
  Enqueue(*stream, {.kind = Operation::Kind::kFill, .to = pointer, .bytes = count, .value = value});
  return kCuSuccess;
}

}  // namespace llmrt::cuda_host
