// One engine's hold of a device behind the plugin's table: opened, called by one thread at a time,
// closed. What its functions say is turned into statuses here; what they are called for is the
// backend's.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/plugin_table.h"
#include "memory/large_buffer.h"

namespace llmrt::plugin {

// `code` and `error` as a function of the table gave them; OK needs no memory.
absl::Status StatusOf(int32_t code, const backend::PluginError& error);

class Device {
 public:
  // `library` keeps the table alive, and is let go of after the device has been closed. NOT_FOUND:
  // the machine has no such device; else what the plugin says.
  static absl::StatusOr<std::unique_ptr<Device>> Open(const backend::PluginTable& table,
                                                      std::shared_ptr<const void> library,
                                                      const backend::PluginOpenOptions& options);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  const backend::PluginTable& table() const { return table_; }
  const backend::PluginDeviceInfo& info() const { return info_; }

  // function(device, args..., error), for the functions of the table that can fail. Weights come
  // from several threads and a host may read while steps run, so every call takes its turn.
  template <typename Function, typename... Args>
  absl::Status Call(Function* function, Args... args) {
    backend::PluginError error;
    error.text[0] = '\0';
    const std::lock_guard<std::mutex> turn(mutex_);
    const int32_t code = function(device_, args..., &error);
    return code == 0 ? absl::OkStatus() : StatusOf(code, error);
  }
  void Release(uint64_t address);
  void ReleaseSteps();

 private:
  Device(const backend::PluginTable& table, std::shared_ptr<const void> library)
      : library_(std::move(library)), table_(table) {}

  const std::shared_ptr<const void> library_;
  const backend::PluginTable& table_;
  backend::PluginDevice* device_ = nullptr;
  backend::PluginDeviceInfo info_ = {};
  std::mutex mutex_;
};

// One allocation on the device, charged to the engine's large memory.
class DeviceMemory {
 public:
  // What the device hands out: blocks of whole 256 bytes.
  static constexpr int64_t kGranularity = 256;
  static constexpr int64_t RoundUp(int64_t bytes) {
    return (bytes + kGranularity - 1) / kGranularity * kGranularity;
  }

  // Charges `bytes` and allocates them, rounded up; 0 of them need no memory and have no address.
  static absl::StatusOr<DeviceMemory> Allocate(Device& device, memory::LargeMemory& memory,
                                               int64_t bytes, memory::Tag tag);
  DeviceMemory() = default;
  DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() { Free(); }

  uint64_t address() const { return address_; }
  int64_t bytes() const { return charge_.bytes(); }  // as asked for

 private:
  void Free();

  Device* device_ = nullptr;
  uint64_t address_ = 0;
  memory::ForeignMemory charge_;
};

}  // namespace llmrt::plugin
