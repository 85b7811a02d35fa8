#include "plugin/device.h"

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backend/device_lost.h"

namespace llmrt::plugin {
namespace {

// The last of absl's codes.
constexpr int32_t kCodeMax = static_cast<int32_t>(absl::StatusCode::kUnauthenticated);

absl::Status NoSuchDevice(int32_t index, int32_t count) {
  if (count <= 0) return absl::NotFoundError("this machine has no CUDA device; use cpu");
  return absl::NotFoundError(absl::StrCat("there is no CUDA device ", index, "; this machine has ",
                                          count, ", counted from 0; use ",
                                          count == 1 ? "cuda:0" : "one of these"));
}

}  // namespace

absl::Status StatusOf(int32_t code, const backend::PluginError& error) {
  if (code == 0) return absl::OkStatus();
  std::string text(error.text, strnlen(error.text, sizeof(error.text)));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';  // a message is one line
  }
  if (text.empty()) text = absl::StrCat("the device failed with code ", code);
  if (code == backend::kPluginDeviceLost) return backend::DeviceLostError(text);
  const bool known = code > 0 && code <= kCodeMax;
  return absl::Status(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kInternal,
                      text);
}

absl::StatusOr<std::unique_ptr<Device>> Device::Open(const backend::PluginTable& table,
                                                     std::shared_ptr<const void> library,
                                                     const backend::PluginOpenOptions& options) {
  backend::PluginError error = {};
  int32_t count = 0;
  int32_t code = table.count_devices(&count, &error);
  if (code != 0) return StatusOf(code, error);
  if (options.device_index < 0 || options.device_index >= count) {
    return NoSuchDevice(options.device_index, count);
  }
  // First the object, then what it is to close.
  std::unique_ptr<Device> device(new Device(table, std::move(library)));
  code = table.open(&options, &device->device_, &device->info_, &error);
  if (code != 0) {
    device->device_ = nullptr;
    return StatusOf(code, error);
  }
  device->info_.name[sizeof(device->info_.name) - 1] = '\0';
  return device;
}

Device::~Device() {
  if (device_ != nullptr) table_.close(device_);
}

void Device::Release(uint64_t address) {
  const std::lock_guard<std::mutex> turn(mutex_);
  table_.release(device_, address);
}

void Device::ReleaseSteps() {
  const std::lock_guard<std::mutex> turn(mutex_);
  table_.release_steps(device_);
}

absl::StatusOr<DeviceMemory> DeviceMemory::Allocate(Device& device, memory::LargeMemory& memory,
                                                    int64_t bytes, memory::Tag tag) {
  absl::StatusOr<memory::ForeignMemory> charge = memory.ChargeForeign(bytes, tag);
  if (!charge.ok()) return charge.status();
  DeviceMemory result;
  result.charge_ = *std::move(charge);
  if (bytes == 0) return result;
  absl::Status status = device.Call(device.table().allocate, RoundUp(bytes), &result.address_);
  if (!status.ok()) return status;
  result.device_ = &device;
  return result;
}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  if (this == &other) return *this;
  Free();
  device_ = std::exchange(other.device_, nullptr);
  address_ = std::exchange(other.address_, 0);
  charge_ = std::move(other.charge_);
  return *this;
}

void DeviceMemory::Free() {
  // Before the charge goes back: what is counted is never less than what is held.
  if (device_ != nullptr) device_->Release(address_);
  device_ = nullptr;
}

}  // namespace llmrt::plugin
