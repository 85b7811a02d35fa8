// Making the backend, memory and numbers for the planner. Steps are in plugin_steps.cc, ops in
// plugin_ops.cc.
#include "plugin/plugin_backend.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "plugin/plugin_library.h"

namespace llmrt::plugin {
namespace {

// Many times a second-level cache where there is room, so that what is read comes from memory; less
// than twice the largest of them (some 100 MB) would measure the cache.
constexpr int64_t kBandwidthBytesMax = int64_t{1} << 30;
constexpr int64_t kBandwidthBytesMin = int64_t{128} << 20;

absl::Status CheckOptions(const backend::PluginBackendOptions& options) {
  if (options.memory == nullptr) return absl::InternalError("a backend needs a LargeMemory");
  if (options.numerics == backend::NumericMode::kReference) {
    return absl::UnimplementedError(
        "numerics reference runs on the CPU alone; use device cpu, or numerics exact");
  }
  if (options.stream != 0 && options.context == 0) {
    return absl::InvalidArgumentError(
        "a CUDA stream was given without its context; give both, or neither");
  }
  return absl::OkStatus();
}

}  // namespace

PluginBackend::PluginBackend(std::unique_ptr<Device> device, memory::LargeMemory& memory,
                             int32_t index)
    : device_(std::move(device)), memory_(memory), name_(absl::StrCat("cuda:", index)) {}

PluginBackend::~PluginBackend() {
  if (cache_ != nullptr) device_->ReleaseSteps();
}

absl::StatusOr<std::unique_ptr<backend::Backend>> PluginBackend::Create(
    const backend::PluginTable& table, std::shared_ptr<const void> library,
    const backend::PluginBackendOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Device>> device =
      Device::Open(table, std::move(library),
                   {.device_index = options.device_index,
                    .reserved = 0,
                    .context = static_cast<uint64_t>(options.context),
                    .stream = static_cast<uint64_t>(options.stream)});
  if (!device.ok()) return device.status();
  std::unique_ptr<PluginBackend> backend(
      new PluginBackend(*std::move(device), *options.memory, options.device_index));
  absl::StatusOr<memory::ForeignMemory> heap =
      options.memory->ChargeForeign(backend->device_->info().heap_bytes, memory::Tag::kWorkspace);
  if (!heap.ok()) return heap.status();
  backend->heap_ = *std::move(heap);
  return backend;
}

std::string PluginBackend::DeviceClass() const {
  const backend::PluginDeviceInfo& info = device_->info();
  return absl::StrCat("cuda/sm_", info.compute_major, info.compute_minor);
}

bool PluginBackend::RunsWeights(backend::WeightType type) const {
  return backend::PluginRunsWeights(type);
}

backend::NumericClass PluginBackend::ClassFor(backend::WeightType type) const {
  switch (type) {
    case backend::WeightType::kF16:
      return backend::kFloat16Mma;
    case backend::WeightType::kBF16:
      return backend::kBFloat16Mma;
    default:  // F32; the others do not run here
      return backend::ClassOf(type);
  }
}

double PluginBackend::MeasureReadBandwidth() {
  for (int64_t bytes = kBandwidthBytesMax; bytes >= kBandwidthBytesMin; bytes /= 2) {
    absl::StatusOr<DeviceMemory> buffer =
        DeviceMemory::Allocate(*device_, memory_, bytes, memory::Tag::kWorkspace);
    if (!buffer.ok()) continue;
    double bandwidth = 0;
    const absl::Status status =
        device_->Call(table().measure_read_bandwidth, buffer->address(), bytes, &bandwidth);
    return status.ok() && bandwidth > 0 ? bandwidth : 0;
  }
  return 0;
}

int64_t PluginBackend::MatrixBytes(backend::WeightType type, int64_t rows, int64_t cols) const {
  return PluginMatrix::Bytes(type, rows, cols).value_or(0);
}

int64_t PluginBackend::KvBlockBytes(const backend::KvShape& shape) const {
  return PluginKvCache::BlockStride(shape);
}

absl::StatusOr<std::unique_ptr<backend::Buffer>> PluginBackend::CreateBuffer(int64_t bytes,
                                                                             memory::Tag tag) {
  return PluginBuffer::Create(*device_, memory_, bytes, tag);
}

absl::StatusOr<std::unique_ptr<backend::Matrix>> PluginBackend::CreateMatrix(
    backend::WeightType type, int64_t rows, int64_t cols) {
  return PluginMatrix::Create(*device_, memory_, type, rows, cols);
}

absl::Status PluginBackend::WriteRows(backend::Matrix& matrix, int64_t first_row,
                                      absl::Span<const uint8_t> bytes) {
  return static_cast<PluginMatrix&>(matrix).WriteRows(*device_, first_row, bytes);
}

absl::Status PluginBackend::Upload(backend::Buffer& buffer, int64_t offset,
                                   absl::Span<const uint8_t> bytes) {
  return UploadTo(*device_, buffer, offset, bytes);
}

absl::Status PluginBackend::Download(const backend::Buffer& buffer, int64_t offset,
                                     absl::Span<uint8_t> out) {
  return DownloadFrom(*device_, buffer, offset, out);
}

absl::StatusOr<std::unique_ptr<backend::KvCache>> PluginBackend::CreateKvCache(
    const backend::KvShape& shape, int64_t num_blocks) {
  if (shape.head_dim > max_head_dim()) {
    return absl::UnimplementedError(absl::StrCat("head dimension ", shape.head_dim, "; ", name_,
                                                 " goes up to ", max_head_dim(), "; use cpu"));
  }
  return PluginKvCache::Create(*device_, memory_, shape, num_blocks);
}

absl::Status PluginBackend::CopyKvBlocks(backend::KvCache& cache,
                                         absl::Span<const backend::BlockCopy> copies) {
  return static_cast<PluginKvCache&>(cache).CopyBlocks(*device_, copies);
}

absl::Status PluginBackend::ReadKvBlock(const backend::KvCache& cache, int32_t block,
                                        absl::Span<uint8_t> out) {
  return static_cast<const PluginKvCache&>(cache).ReadBlock(*device_, block, out);
}

}  // namespace llmrt::plugin

namespace llmrt::backend {

bool PluginRunsWeights(WeightType type) {
  return plugin::PluginMatrix::ElementOf(type).has_value();
}

absl::StatusOr<std::unique_ptr<Backend>> CreatePluginBackend(const PluginBackendOptions& options) {
  absl::StatusOr<std::shared_ptr<const plugin::PluginLibrary>> library =
      plugin::PluginLibrary::Open(options.folder);
  if (!library.ok()) return library.status();
  const PluginTable& table = (*library)->table();
  return plugin::PluginBackend::Create(table, *std::move(library), options);
}

}  // namespace llmrt::backend
