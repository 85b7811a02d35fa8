#include "plugin/storage.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace llmrt::plugin {
namespace {

using backend::WeightType;

constexpr int64_t kRowAlignment = 128;

// Of a type that the device has and a row that is not too long for an address.
int64_t RowBytesOf(WeightType type, int64_t cols) {
  return backend::RowBytes(type, cols).value_or(0);
}

int64_t StrideOf(WeightType type, int64_t cols) {
  return (RowBytesOf(type, cols) + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

absl::Status CheckCopy(std::string_view what, const backend::Buffer& buffer, int64_t offset,
                       size_t size) {
  const auto bytes = static_cast<int64_t>(size);
  if (offset >= 0 && bytes <= buffer.bytes() && offset <= buffer.bytes() - bytes) {
    return absl::OkStatus();
  }
  return absl::OutOfRangeError(absl::StrCat(what, ": ", bytes, " bytes at offset ", offset,
                                            " do not fit a buffer of ", buffer.bytes(),
                                            " bytes; copy a range inside the buffer"));
}

absl::Status CheckKvShape(const backend::KvShape& shape, int64_t num_blocks) {
  if (shape.num_layers <= 0 || shape.num_kv_heads <= 0 || shape.head_dim <= 0 ||
      shape.block_size <= 0 || num_blocks < 0 || num_blocks > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a KV cache of ", num_blocks, " blocks with ", shape.num_layers, " layers, ",
                     shape.num_kv_heads, " heads of ", shape.head_dim, " and ", shape.block_size,
                     " tokens a block cannot exist; every number must be positive"));
  }
  // Room for what a block is rounded up by.
  int64_t total = 2 * backend::KvElementBytes(shape.type);
  bool too_large = false;
  for (const int64_t factor :
       {int64_t{shape.num_layers}, int64_t{shape.num_kv_heads}, int64_t{shape.block_size},
        int64_t{shape.head_dim}, 1 + num_blocks, DeviceMemory::kGranularity}) {
    too_large |= __builtin_mul_overflow(total, factor, &total);
  }
  if (!too_large) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "a KV cache of ", num_blocks, " blocks is larger than an address; ask for fewer blocks"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<backend::Buffer>> PluginBuffer::Create(Device& device,
                                                                      memory::LargeMemory& memory,
                                                                      int64_t bytes,
                                                                      memory::Tag tag) {
  absl::StatusOr<DeviceMemory> storage = DeviceMemory::Allocate(device, memory, bytes, tag);
  if (!storage.ok()) return storage.status();
  return std::unique_ptr<backend::Buffer>(new PluginBuffer(*std::move(storage)));
}

std::optional<backend::PluginElement> PluginMatrix::ElementOf(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return backend::kPluginF32;
    case WeightType::kF16:
      return backend::kPluginF16;
    case WeightType::kBF16:
      return backend::kPluginBF16;
    default:
      return std::nullopt;
  }
}

absl::StatusOr<int64_t> PluginMatrix::Bytes(WeightType type, int64_t rows, int64_t cols) {
  // 2^40 keeps every product below inside int64.
  constexpr int64_t kDimensionMax = int64_t{1} << 40;
  if (!ElementOf(type).has_value()) {
    return absl::UnimplementedError(absl::StrCat("weights of type ", backend::GeometryOf(type).name,
                                                 " do not run on this device; use cpu"));
  }
  if (rows < 0 || rows > kDimensionMax || cols <= 0 || cols > kDimensionMax) {
    return absl::InvalidArgumentError(absl::StrCat("a matrix of ", rows, " x ", cols,
                                                   " cannot exist; rows and columns are 1 to ",
                                                   kDimensionMax));
  }
  const int64_t stride = StrideOf(type, cols);
  if (rows > (std::numeric_limits<int64_t>::max() - DeviceMemory::kGranularity) / stride) {
    return absl::InvalidArgumentError(
        absl::StrCat("a matrix of ", rows, " x ", cols, " is larger than an address; shrink it"));
  }
  return DeviceMemory::RoundUp(rows * stride);
}

absl::StatusOr<std::unique_ptr<backend::Matrix>> PluginMatrix::Create(Device& device,
                                                                      memory::LargeMemory& memory,
                                                                      WeightType type, int64_t rows,
                                                                      int64_t cols) {
  absl::StatusOr<int64_t> bytes = Bytes(type, rows, cols);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<DeviceMemory> storage =
      DeviceMemory::Allocate(device, memory, *bytes, memory::Tag::kWeights);
  if (!storage.ok()) return storage.status();
  return std::unique_ptr<backend::Matrix>(new PluginMatrix(*std::move(storage), type, rows, cols));
}

int64_t PluginMatrix::row_stride() const { return StrideOf(type_, cols_); }

absl::Status PluginMatrix::WriteRows(Device& device, int64_t first_row,
                                     absl::Span<const uint8_t> bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  const int64_t row_bytes = RowBytesOf(type_, cols_);
  const int64_t count = size / row_bytes;
  if (size % row_bytes != 0 || first_row < 0 || first_row > rows_ || count > rows_ - first_row) {
    return absl::OutOfRangeError(
        absl::StrCat(size, " bytes from row ", first_row, " do not fit a matrix of ", rows_,
                     " rows of ", row_bytes, " bytes; write whole rows inside the matrix"));
  }
  if (count == 0) return absl::OkStatus();
  const uint64_t to = memory_.address() + static_cast<uint64_t>(first_row * row_stride());
  const backend::PluginUpload upload = {.to = to,
                                        .stride = row_stride(),
                                        .from = bytes.data(),
                                        .row_bytes = row_bytes,
                                        .rows = count};
  return device.Call(device.table().upload, &upload);
}

backend::PluginMatrix PluginMatrix::ForDevice() const {
  return {.data = memory_.address(),
          .row_stride = row_stride(),
          .rows = rows_,
          .cols = cols_,
          .element = *ElementOf(type_),
          .reserved = 0};
}

static_assert(sizeof(DeviceMemory) == backend::kKvSlabRecordBytes, "the plan counts these");

PluginKvCache::PluginKvCache(const backend::KvShape& shape, int64_t num_blocks)
    : shape_(shape), num_blocks_(num_blocks) {
  // The largest power of two that a slab holds, or the smallest that holds the whole cache; a block
  // that is larger than a slab has one of its own.
  const int64_t slab_max = kSlabBytesMax / BlockStride(shape);
  while (int64_t{1} << slab_shift_ < num_blocks && int64_t{2} << slab_shift_ <= slab_max) {
    ++slab_shift_;
  }
}

absl::StatusOr<std::unique_ptr<backend::KvCache>> PluginKvCache::Create(
    Device& device, memory::LargeMemory& memory, const backend::KvShape& shape,
    int64_t num_blocks) {
  if (absl::Status status = CheckKvShape(shape, num_blocks); !status.ok()) return status;
  std::unique_ptr<PluginKvCache> cache(new PluginKvCache(shape, num_blocks));
  const int64_t slab_blocks = int64_t{1} << cache->slab_shift_;
  cache->slabs_.reserve(static_cast<size_t>((num_blocks + slab_blocks - 1) / slab_blocks));
  for (int64_t first = 0; first < num_blocks; first += slab_blocks) {
    const int64_t blocks = std::min(slab_blocks, num_blocks - first);
    absl::StatusOr<DeviceMemory> slab =
        DeviceMemory::Allocate(device, memory, blocks * BlockStride(shape), memory::Tag::kKv);
    if (!slab.ok()) return slab.status();
    cache->slabs_.push_back(*std::move(slab));
  }
  return cache;
}

absl::Status PluginKvCache::CopyBlocks(Device& device,
                                       absl::Span<const backend::BlockCopy> copies) {
  for (const backend::BlockCopy& copy : copies) {
    if (copy.from < 0 || copy.from >= num_blocks_ || copy.to < 0 || copy.to >= num_blocks_) {
      return absl::OutOfRangeError(absl::StrCat("copy of KV block ", copy.from, " to ", copy.to,
                                                "; the cache has blocks 0 to ", num_blocks_ - 1));
    }
    if (copy.from == copy.to) continue;
    absl::Status status = device.Call(device.table().copy, AddressOf(copy.to), AddressOf(copy.from),
                                      shape_.BlockBytes());
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PluginKvCache::ReadBlock(Device& device, int32_t block,
                                      absl::Span<uint8_t> out) const {
  const int64_t bytes = shape_.BlockBytes();
  if (block < 0 || block >= num_blocks_ || static_cast<int64_t>(out.size()) != bytes) {
    return absl::OutOfRangeError(
        absl::StrCat("KV block ", block, " into ", out.size(), " bytes; the cache has blocks 0 to ",
                     num_blocks_ - 1, " of ", bytes, " bytes each; pass such a block and size"));
  }
  return device.Call(device.table().download, out.data(), AddressOf(block), bytes);
}

backend::PluginKv PluginKvCache::ForDevice(int32_t layer) const {
  const backend::PluginElement element = shape_.type == backend::KvType::kF32 ? backend::kPluginF32
                                         : shape_.type == backend::KvType::kF16
                                             ? backend::kPluginF16
                                             : backend::kPluginBF16;
  return {.element = element,
          .block_size = shape_.block_size,
          .num_kv_heads = shape_.num_kv_heads,
          .head_dim = shape_.head_dim,
          .layer = layer,
          .reserved = 0,
          .tile_bytes = shape_.TileBytes()};
}

absl::Status UploadTo(Device& device, backend::Buffer& buffer, int64_t offset,
                      absl::Span<const uint8_t> bytes) {
  absl::Status status = CheckCopy("upload", buffer, offset, bytes.size());
  if (!status.ok() || bytes.empty()) return status;
  const auto size = static_cast<int64_t>(bytes.size());
  const auto to = reinterpret_cast<uint64_t>(buffer.data() + offset);
  const backend::PluginUpload upload = {
      .to = to, .stride = size, .from = bytes.data(), .row_bytes = size, .rows = 1};
  return device.Call(device.table().upload, &upload);
}

absl::Status DownloadFrom(Device& device, const backend::Buffer& buffer, int64_t offset,
                          absl::Span<uint8_t> out) {
  absl::Status status = CheckCopy("download", buffer, offset, out.size());
  if (!status.ok() || out.empty()) return status;
  const auto from = reinterpret_cast<uint64_t>(buffer.data() + offset);
  return device.Call(device.table().download, out.data(), from, static_cast<int64_t>(out.size()));
}

}  // namespace llmrt::plugin
