// One engine's hold of a device: its context, its stream, its kernels, and the memory of its steps.
// What the core allocates on it is the core's to release.
#pragma once

#include <cstdint>

#include "backend/plugin_table.h"
#include "cuda/driver/driver_table.h"
#include "cuda/launch/kernels.h"
#include "cuda/plugin/error.h"
#include "cuda/plugin/step_layout.h"

namespace llmrt::backend {

struct PluginDevice {
  cuda::DriverTable driver;
  PluginDeviceInfo info;
  cuda::CuContext context;
  cuda::CuStream stream;
  bool owns_context;
  bool owns_stream;
  cuda::Kernels kernels;
  int32_t multiprocessors;

  // Memory of all steps (step_layout.h); addresses are 0 while none is reserved.
  PluginStepNeeds needs;
  cuda::StepLayout layout;
  uint64_t step_memory;
  uint8_t* staging;         // pinned
  cuda::CuEvent uploaded;   // the last upload of a step's rows has been read
  cuda::CuEvent requested;  // and that of its draws
  cuda::CuEvent finished;   // all that was launched before it has run
  // Of the step in flight.
  PluginStepCounts counts;
  int32_t num_tiles;      // 0: rows stand alone
  int32_t last_position;  // the largest

  cuda::CuGraphExec graphs[kPluginGraphSlots];
  int32_t recording;  // slot; -1: none
  // Recordings are made on a stream of their own: what a host puts on its stream meanwhile is none
  // of ours.
  cuda::CuStream recording_stream;  // while a recording is open
  cuda::CuStream launch_stream;     // where ops go: `stream`, or the one above
  // Of waiting for the step's end.
  bool finish_recorded;  // nothing was launched since `finished` was recorded
  int64_t waiting_since_us;
  int64_t last_wait_us;  // of the step before
};

}  // namespace llmrt::backend

namespace llmrt::cuda {

// Takes `context`, which is current, off the thread's stack. The driver may report here what went
// wrong earlier, with or without having done so: then it is asked once more, and what is not ours
// goes back. The host's context is current afterwards whatever has failed.
inline void PopContext(const DriverTable& driver, CuContext context) {
  CuContext popped = nullptr;
  if (driver.context_pop(&popped) == kCuSuccess) return;
  if (driver.context_pop(&popped) == kCuSuccess && popped != context) driver.context_push(popped);
}

// Makes the device's context current, and the one before it again at the end.
class ContextScope {
 public:
  ContextScope(const backend::PluginDevice& device, backend::PluginError* error)
      : driver_(device.driver),
        context_(device.context),
        status_(Check(driver_, driver_.context_push(device.context), "cuCtxPushCurrent", error)) {}
  ~ContextScope() {
    if (status_ == 0) PopContext(driver_, context_);
  }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

  int32_t status() const { return status_; }

 private:
  const DriverTable& driver_;
  const CuContext context_;
  const int32_t status_;
};

// The entries of the table; backend/plugin_table.h says what they do.
int32_t CountDevices(int32_t* count, backend::PluginError* error);
int32_t Open(const backend::PluginOpenOptions* options, backend::PluginDevice** device,
             backend::PluginDeviceInfo* info, backend::PluginError* error);
void Close(backend::PluginDevice* device);

}  // namespace llmrt::cuda
