#include "cuda/plugin/steps.h"

#include <time.h>

#include <algorithm>

#include "cuda/kernels/attention.h"

namespace llmrt::cuda {
namespace {

using backend::PluginDevice;
using backend::PluginError;
using backend::PluginStepCounts;
using backend::PluginStepMemory;
using backend::PluginStepNeeds;

template <typename T>
T* Staged(const PluginDevice& device, int64_t offset) {
  return reinterpret_cast<T*>(device.staging + offset);
}

// Rows that follow one another in one sequence are tiles of attention; rows alone need none.
int32_t WriteTiles(const PluginDevice& device, int32_t rows) {
  const auto* sequences = Staged<int32_t>(device, device.layout.sequences);
  auto* tiles = Staged<AttentionTile>(device, device.layout.tiles);
  const auto group = static_cast<uint32_t>(device.needs.num_q_heads / device.needs.num_kv_heads);
  const int32_t rows_max = AttentionTileRows(AttentionVariant::kColumns32, group);
  int32_t count = 0;
  for (int32_t row = 0; row < rows; ++count) {
    int32_t end = row + 1;
    while (end < rows && end - row < rows_max && sequences[end] == sequences[row]) ++end;
    tiles[count] = {.first_row = row, .num_rows = end - row};
    row = end;
  }
  return count == rows ? 0 : count;
}

int64_t MicrosNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

// Whether the end of a step is far enough to sleep: waking up takes some 100 us, as much as a step
// of a small model. Far is the better part of what the step before took, or after so long that the
// sleep is a few percent of it.
bool EndIsFar(const PluginDevice& device, int64_t waited_us) {
  constexpr int64_t kWakeUs = 150, kLongUs = 2000;
  return waited_us > kLongUs || waited_us + kWakeUs < device.last_wait_us * 9 / 10;
}

CuResult AwaitFinish(PluginDevice& device, int64_t wait_us) {
  constexpr int64_t kSleepUs = 40;
  if (wait_us < 0) return device.driver.event_synchronize(device.finished);
  const int64_t end = MicrosNow() + wait_us;
  while (true) {
    const CuResult result = device.driver.event_query(device.finished);
    const int64_t now = MicrosNow();
    const int64_t waited_us = now - device.waiting_since_us;
    if (result == kCuSuccess) device.last_wait_us = waited_us;
    if (result != kCuNotReady || now >= end) return result;
    if (!EndIsFar(device, waited_us)) continue;
    const int64_t sleep_us = std::min(kSleepUs, end - now);
    const timespec pause = {.tv_sec = 0, .tv_nsec = sleep_us * 1000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace

void StepBytes(const PluginStepNeeds* needs, int64_t* device_bytes, int64_t* host_bytes) {
  const StepLayout layout = LayOutStep(*needs);
  *device_bytes = layout.device_bytes;
  *host_bytes = layout.host_bytes;
}

int32_t ReserveSteps(PluginDevice* device, const PluginStepNeeds* needs, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  const DriverTable& driver = device->driver;
  device->needs = *needs;
  device->layout = LayOutStep(*needs);
  CuDevicePointer memory = 0;
  int32_t code =
      Check(driver, driver.allocate(&memory, static_cast<size_t>(device->layout.device_bytes)),
            "cuMemAlloc", error);
  if (code != 0) return code;
  device->step_memory = memory;
  void* staging = nullptr;
  code = Check(driver,
               driver.allocate_host(&staging, static_cast<size_t>(device->layout.host_bytes), 0),
               "cuMemHostAlloc", error);
  if (code == 0) {
    device->staging = static_cast<uint8_t*>(staging);
  } else {
    driver.release(device->step_memory);
    device->step_memory = 0;
  }
  return code;
}

void ReleaseSteps(PluginDevice* device) {
  PluginError ignored;
  const ContextScope scope(*device, &ignored);
  if (scope.status() != 0) return;
  // What is in flight may still read them.
  device->driver.stream_synchronize(device->stream);
  if (device->staging != nullptr) device->driver.release_host(device->staging);
  if (device->step_memory != 0) device->driver.release(device->step_memory);
  device->staging = nullptr;
  device->step_memory = 0;
}

int32_t GetStepMemory(PluginDevice* device, PluginStepMemory* memory, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  int32_t code = Check(device->driver, device->driver.event_synchronize(device->uploaded),
                       "cuEventSynchronize", error);
  if (code != 0) return code;
  const StepLayout& layout = device->layout;
  *memory = {.tokens = Staged<int32_t>(*device, layout.tokens),
             .positions = Staged<int32_t>(*device, layout.positions),
             .sequences = Staged<int32_t>(*device, layout.sequences),
             .logit_rows = Staged<int32_t>(*device, layout.logit_rows),
             .table_starts = Staged<int32_t>(*device, layout.table_starts),
             .blocks = Staged<uint64_t>(*device, layout.blocks)};
  return 0;
}

int32_t BeginStep(PluginDevice* device, const PluginStepCounts* counts, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  const StepLayout& layout = device->layout;
  device->finish_recorded = false;
  device->counts = *counts;
  device->num_tiles = WriteTiles(*device, counts->rows);
  const auto* positions = Staged<int32_t>(*device, layout.positions);
  device->last_position =
      counts->rows == 0 ? 0 : *std::max_element(positions, positions + counts->rows);
  auto* counters = Staged<int32_t>(*device, layout.counters);
  counters[kCountRows] = counts->rows;
  counters[kCountTiles] = device->num_tiles;
  // A graph may be replayed over more rows and logit rows than there are: those read row 0.
  std::fill(Staged<int32_t>(*device, layout.logit_rows) + counts->logit_rows,
            Staged<int32_t>(*device, layout.logit_rows) + device->needs.logit_rows, 0);
  const int64_t bytes =
      layout.blocks + int64_t{counts->table_entries} * static_cast<int64_t>(sizeof(uint64_t));
  const DriverTable& driver = device->driver;
  int32_t code = Check(driver,
                       driver.copy_to_device(device->step_memory, device->staging,
                                             static_cast<size_t>(bytes), device->stream),
                       "cuMemcpyHtoDAsync", error);
  if (code != 0) return code;
  return Check(driver, driver.event_record(device->uploaded, device->stream), "cuEventRecord",
               error);
}

int32_t EndStep(PluginDevice* device, int64_t wait_us, int32_t* done, PluginError* error) {
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  const DriverTable& driver = device->driver;
  // An event and not the stream is asked: a host's stream may go on with the host's own work.
  CuResult result = kCuSuccess;
  if (!device->finish_recorded) {
    result = driver.event_record(device->finished, device->stream);
    device->finish_recorded = result == kCuSuccess;
    device->waiting_since_us = MicrosNow();
  }
  if (result == kCuSuccess) result = AwaitFinish(*device, wait_us);
  *done = result == kCuSuccess ? 1 : 0;
  return result == kCuNotReady ? 0 : Check(driver, result, "waiting for the step", error);
}

StepView ViewOf(const PluginDevice& device) {
  const StepLayout& layout = device.layout;
  return {.num_rows = StepArray<int32_t>(device, layout.counters) + kCountRows,
          .tokens = StepArray<int32_t>(device, layout.tokens),
          .positions = StepArray<int32_t>(device, layout.positions),
          .sequences = StepArray<int32_t>(device, layout.sequences),
          .table_starts = StepArray<int32_t>(device, layout.table_starts),
          .blocks = StepArray<uint8_t*>(device, layout.blocks)};
}

}  // namespace llmrt::cuda
