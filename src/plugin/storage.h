// Buffers, matrices and KV caches in the memory of a plugin's device: how large they are, where
// their parts lie, and the checked copies in and out. Ops are plugin_backend.h's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backend/backend.h"
#include "plugin/device.h"

namespace llmrt::plugin {

// Charged with the bytes that were asked for: what the allocation is rounded up by is the device's,
// as malloc's is the system's.
class PluginBuffer final : public backend::Buffer {
 public:
  static absl::StatusOr<std::unique_ptr<backend::Buffer>> Create(Device& device,
                                                                 memory::LargeMemory& memory,
                                                                 int64_t bytes, memory::Tag tag);
  // An address of the device, never to be read by the host.
  uint8_t* data() const override { return reinterpret_cast<uint8_t*>(memory_.address()); }
  int64_t bytes() const override { return memory_.bytes(); }

 private:
  explicit PluginBuffer(DeviceMemory memory) : memory_(std::move(memory)) {}
  const DeviceMemory memory_;
};

// Row-major; rows are padded with zeros to 128 bytes (64 values of F16 and BF16, 32 of F32), the
// whole to what the device hands out.
class PluginMatrix final : public backend::Matrix {
 public:
  // Whether the device multiplies with the type, and under which number.
  static std::optional<backend::PluginElement> ElementOf(backend::WeightType type);
  // INVALID_ARGUMENT where the shape is impossible, UNIMPLEMENTED where the type is.
  static absl::StatusOr<int64_t> Bytes(backend::WeightType type, int64_t rows, int64_t cols);
  static absl::StatusOr<std::unique_ptr<backend::Matrix>> Create(Device& device,
                                                                 memory::LargeMemory& memory,
                                                                 backend::WeightType type,
                                                                 int64_t rows, int64_t cols);
  absl::Status WriteRows(Device& device, int64_t first_row, absl::Span<const uint8_t> bytes);

  backend::WeightType type() const override { return type_; }
  int64_t rows() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  int64_t row_stride() const;  // bytes
  backend::PluginMatrix ForDevice() const;

 private:
  PluginMatrix(DeviceMemory memory, backend::WeightType type, int64_t rows, int64_t cols)
      : memory_(std::move(memory)), rows_(rows), cols_(cols), type_(type) {}
  const DeviceMemory memory_;
  const int64_t rows_;
  const int64_t cols_;
  const backend::WeightType type_;
};

// Blocks lie in slabs of a power of two of them: one allocation of a whole cache may find no room
// in a device's memory, and one for each block would waste it. Kernels are given the address of
// each block.
class PluginKvCache final : public backend::KvCache {
 public:
  // More than half of it is used: 128 to 256 MB.
  static constexpr int64_t kSlabBytesMax = 2 * backend::kKvSlabBytesMin;

  // From one block to the next.
  static int64_t BlockStride(const backend::KvShape& shape) {
    return DeviceMemory::RoundUp(shape.BlockBytes());
  }
  static absl::StatusOr<std::unique_ptr<backend::KvCache>> Create(Device& device,
                                                                  memory::LargeMemory& memory,
                                                                  const backend::KvShape& shape,
                                                                  int64_t num_blocks);
  absl::Status CopyBlocks(Device& device, absl::Span<const backend::BlockCopy> copies);
  absl::Status ReadBlock(Device& device, int32_t block, absl::Span<uint8_t> out) const;

  const backend::KvShape& shape() const override { return shape_; }
  int64_t num_blocks() const override { return num_blocks_; }
  int64_t num_slabs() const { return static_cast<int64_t>(slabs_.size()); }
  uint64_t AddressOf(int32_t block) const {
    const int64_t in_slab = block & ((int64_t{1} << slab_shift_) - 1);
    return slabs_[static_cast<size_t>(block >> slab_shift_)].address() +
           static_cast<uint64_t>(in_slab * BlockStride(shape_));
  }
  backend::PluginKv ForDevice(int32_t layer) const;

 private:
  PluginKvCache(const backend::KvShape& shape, int64_t num_blocks);

  const backend::KvShape shape_;
  const int64_t num_blocks_;
  int slab_shift_ = 0;  // a slab has 2^slab_shift_ blocks, the last one fewer
  std::vector<DeviceMemory> slabs_;
};

// Bounds-checked copies between a buffer and the host.
absl::Status UploadTo(Device& device, backend::Buffer& buffer, int64_t offset,
                      absl::Span<const uint8_t> bytes);
absl::Status DownloadFrom(Device& device, const backend::Buffer& buffer, int64_t offset,
                          absl::Span<uint8_t> out);

}  // namespace llmrt::plugin
