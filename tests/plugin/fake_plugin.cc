#include "tests/plugin/fake_plugin.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace llmrt::backend {

struct PluginDevice {
  int32_t index = 0;
  PluginStepNeeds needs = {};
  std::vector<int32_t> tokens, positions, sequences, logit_rows, table_starts;
  std::vector<uint64_t> blocks;
  std::vector<PluginDrawRequest> draws;
};

}  // namespace llmrt::backend

namespace llmrt::testing {
namespace {

using backend::PluginDevice;
using backend::PluginError;
using backend::PluginUpload;

// Notes the call, under the lock; the code that it is to fail with.
int32_t Note(const char* call, int32_t device, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  fake.calls.emplace_back(call);
  const bool ours = fake.fail_device < 0 || fake.fail_device == device;
  if (fake.fail_code == 0 || !ours || fake.fail_call != call || fake.fail_skip-- > 0) return 0;
  fake.fail_skip = 0;
  error->code = fake.fail_code;
  std::snprintf(error->text, sizeof(error->text), "%s", fake.fail_text.c_str());
  return fake.fail_code;
}

// The body of a function that notes its parameters in `field`.
template <typename Params>
int32_t NoteParams(const char* call, PluginDevice* device, const Params* params,
                   Params FakePlugin::*field, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note(call, device->index, error);
  if (code == 0) fake.*field = *params;
  return code;
}

int32_t CountDevices(int32_t* count, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("count_devices", -1, error);
  if (code == 0) *count = fake.num_devices;
  return code;
}

int32_t Open(const backend::PluginOpenOptions* options, PluginDevice** device,
             backend::PluginDeviceInfo* info, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("open", options->device_index, error);
  if (code != 0) return code;
  ++fake.open_devices;
  fake.open_options = *options;
  *device = new PluginDevice{.index = options->device_index};
  std::snprintf(info->name, sizeof(info->name), "Fake");
  info->compute_major = 9;
  info->compute_minor = 0;
  info->total_bytes = fake.free_bytes + fake.overhead_bytes;
  info->free_bytes = fake.free_bytes;
  info->overhead_bytes = fake.overhead_bytes;
  info->heap_bytes = fake.heap_bytes;
  return 0;
}

void Close(PluginDevice* device) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  fake.calls.emplace_back("close");
  --fake.open_devices;
  delete device;
}

int32_t Allocate(PluginDevice* device, int64_t bytes, uint64_t* address, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("allocate", device->index, error);
  if (code != 0) return code;
  void* const memory = std::calloc(static_cast<size_t>(bytes), 1);
  if (memory == nullptr) std::abort();  // a test asked for what the machine lacks
  *address = reinterpret_cast<uint64_t>(memory);
  fake.allocations[*address] = bytes;
  return 0;
}

void Release(PluginDevice*, uint64_t address) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  fake.calls.emplace_back("release");
  if (fake.allocations.erase(address) != 1) std::abort();  // never handed out, or twice given back
  std::free(reinterpret_cast<void*>(address));
}

int32_t Upload(PluginDevice* device, const PluginUpload* params, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("upload", device->index, error);
  for (int64_t row = 0; code == 0 && row < params->rows; ++row) {
    auto* out = reinterpret_cast<uint8_t*>(params->to) + row * params->stride;
    std::memcpy(out, static_cast<const uint8_t*>(params->from) + row * params->row_bytes,
                static_cast<size_t>(params->row_bytes));
    std::memset(out + params->row_bytes, 0,
                static_cast<size_t>(params->stride - params->row_bytes));
  }
  return code;
}

int32_t Download(PluginDevice* device, void* to, uint64_t from, int64_t bytes, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("download", device->index, error);
  if (code == 0) std::memcpy(to, reinterpret_cast<const void*>(from), static_cast<size_t>(bytes));
  return code;
}

int32_t Copy(PluginDevice* device, uint64_t to, uint64_t from, int64_t bytes, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("copy", device->index, error);
  if (code != 0) return code;
  fake.copies.push_back({to, from, bytes});
  std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from),
              static_cast<size_t>(bytes));
  return 0;
}

int32_t MeasureReadBandwidth(PluginDevice* device, uint64_t, int64_t, double* bytes_per_second,
                             PluginError* error) {
  const std::lock_guard<std::mutex> lock(FakePlugin::Get().mutex);
  const int32_t code = Note("measure_read_bandwidth", device->index, error);
  if (code == 0) *bytes_per_second = 3e12;
  return code;
}

void StepBytes(const backend::PluginStepNeeds* needs, int64_t* device_bytes, int64_t* host_bytes) {
  *device_bytes = needs->rows * 100 + needs->table_entries * 8;
  *host_bytes = needs->rows * 12 + needs->logit_rows * 8 + needs->table_entries * 8;
}

int32_t ReserveSteps(PluginDevice* device, const backend::PluginStepNeeds* needs,
                     PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("reserve_steps", device->index, error);
  if (code != 0) return code;
  fake.needs = device->needs = *needs;
  for (auto* rows : {&device->tokens, &device->positions, &device->sequences}) {
    rows->assign(static_cast<size_t>(needs->rows), -1);
  }
  device->logit_rows.assign(static_cast<size_t>(needs->logit_rows), -1);
  device->table_starts.assign(static_cast<size_t>(needs->logit_rows), -1);
  device->blocks.assign(static_cast<size_t>(needs->table_entries), 0);
  return 0;
}

void ReleaseSteps(PluginDevice*) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  fake.calls.emplace_back("release_steps");
  fake.needs = {};
}

int32_t StepMemory(PluginDevice* device, backend::PluginStepMemory* memory, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("step_memory", device->index, error);
  if (code != 0) return code;
  *memory = {device->tokens.data(),     device->positions.data(),    device->sequences.data(),
             device->logit_rows.data(), device->table_starts.data(), device->blocks.data()};
  return 0;
}

int32_t BeginStep(PluginDevice* device, const backend::PluginStepCounts* counts,
                  PluginError* error) {
  const int32_t code = NoteParams("begin_step", device, counts, &FakePlugin::counts, error);
  if (code != 0) return code;
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const auto take = [](auto& to, const auto& from, int32_t count) {
    to.assign(from.begin(), from.begin() + count);
  };
  take(fake.tokens, device->tokens, counts->rows);
  take(fake.positions, device->positions, counts->rows);
  take(fake.sequences, device->sequences, counts->rows);
  take(fake.logit_rows, device->logit_rows, counts->logit_rows);
  take(fake.table_starts, device->table_starts, counts->sequences);
  take(fake.blocks, device->blocks, counts->table_entries);
  return 0;
}

int32_t EndStep(PluginDevice* device, int64_t wait_us, int32_t* done, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("end_step", device->index, error);
  if (code != 0) return code;
  *done = wait_us < 0 || fake.wait_calls == 0;
  if (fake.wait_calls > 0) --fake.wait_calls;
  return 0;
}

int32_t Embed(PluginDevice* device, const backend::PluginEmbed* params, PluginError* error) {
  return NoteParams("embed", device, params, &FakePlugin::embed, error);
}
int32_t RmsNorm(PluginDevice* device, const backend::PluginRmsNorm* params, PluginError* error) {
  return NoteParams("rms_norm", device, params, &FakePlugin::rms_norm, error);
}
int32_t Prepare(PluginDevice* device, const backend::PluginPrepare* params, PluginError* error) {
  return NoteParams("prepare", device, params, &FakePlugin::prepare, error);
}
int32_t MatMul(PluginDevice* device, const backend::PluginMatMul* params, PluginError* error) {
  return NoteParams("matmul", device, params, &FakePlugin::matmul, error);
}
int32_t RopeStore(PluginDevice* device, const backend::PluginRopeStore* params,
                  PluginError* error) {
  return NoteParams("rope_store", device, params, &FakePlugin::rope_store, error);
}
int32_t Attention(PluginDevice* device, const backend::PluginAttention* params,
                  PluginError* error) {
  return NoteParams("attention", device, params, &FakePlugin::attention, error);
}
int32_t SwiGlu(PluginDevice* device, const backend::PluginSwiGlu* params, PluginError* error) {
  return NoteParams("swiglu", device, params, &FakePlugin::swiglu, error);
}
int32_t MoveRows(PluginDevice* device, const backend::PluginMoveRows* params, PluginError* error) {
  return NoteParams("move_rows", device, params, &FakePlugin::move_rows, error);
}

int32_t Draw(PluginDevice* device, uint64_t logits, const backend::PluginDrawRequest* requests,
             int64_t count, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("draw", device->index, error);
  if (code != 0) return code;
  fake.draw_logits = logits;
  device->draws.assign(requests, requests + count);
  fake.draws = device->draws;
  return 0;
}

int32_t DrawResults(PluginDevice* device, backend::PluginDrawResult* results, int64_t count,
                    PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  const int32_t code = Note("draw_results", device->index, error);
  for (size_t i = 0; code == 0 && i < static_cast<size_t>(count); ++i) {
    results[i] = {.token = FakeToken(device->draws[i], device->needs.vocab_size),
                  .state = fake.draw_state,
                  .largest = 0,
                  .reserved = 0};
  }
  return code;
}

int32_t NoteSlot(const char* call, PluginDevice* device, int32_t slot, PluginError* error) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  fake.slot = slot;
  return Note(call, device->index, error);
}
int32_t BeginRecording(PluginDevice* device, int32_t slot, PluginError* error) {
  return NoteSlot("begin_recording", device, slot, error);
}
int32_t EndRecording(PluginDevice* device, PluginError* error) {
  const std::lock_guard<std::mutex> lock(FakePlugin::Get().mutex);
  return Note("end_recording", device->index, error);
}
int32_t Replay(PluginDevice* device, int32_t slot, PluginError* error) {
  return NoteSlot("replay", device, slot, error);
}

}  // namespace

FakePlugin& FakePlugin::Get() {
  static FakePlugin fake;
  return fake;
}

const backend::PluginTable* FakePlugin::Table(std::string_view build_id) {
  static backend::PluginTable table = {
      .version = backend::kPluginTableVersion,
      .bytes = sizeof(backend::PluginTable),
      .build_id = {},
      .count_devices = CountDevices,
      .open = Open,
      .close = Close,
      .allocate = Allocate,
      .release = Release,
      .upload = Upload,
      .download = Download,
      .copy = Copy,
      .move_rows = MoveRows,
      .measure_read_bandwidth = MeasureReadBandwidth,
      .step_bytes = StepBytes,
      .reserve_steps = ReserveSteps,
      .release_steps = ReleaseSteps,
      .step_memory = StepMemory,
      .begin_step = BeginStep,
      .end_step = EndStep,
      .embed = Embed,
      .rms_norm = RmsNorm,
      .prepare = Prepare,
      .matmul = MatMul,
      .rope_store = RopeStore,
      .attention = Attention,
      .swiglu = SwiGlu,
      .draw = Draw,
      .draw_results = DrawResults,
      .begin_recording = BeginRecording,
      .end_recording = EndRecording,
      .replay = Replay,
  };
  const size_t length = std::min(build_id.size(), sizeof(table.build_id) - 1);
  std::memcpy(table.build_id, build_id.data(), length);
  table.build_id[length] = '\0';
  return &table;
}

void FakePlugin::Reset() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (open_devices != 0 || !allocations.empty()) std::abort();
  num_devices = 2;
  free_bytes = int64_t{64} << 30;
  wait_calls = fail_skip = fail_code = draw_state = 0;
  fail_device = slot = -1;
  fail_call.clear();
  calls.clear();
  copies.clear();
  draws.clear();
  needs = {};
  counts = {};
}

int64_t FakePlugin::HeldBytes() {
  const std::lock_guard<std::mutex> lock(mutex);
  int64_t bytes = 0;
  for (const auto& [address, size] : allocations) bytes += size;
  return bytes;
}

int32_t FakeToken(const backend::PluginDrawRequest& request, int64_t vocab_size) {
  return static_cast<int32_t>((request.position * 7 + request.sample_index + 3) % vocab_size);
}

}  // namespace llmrt::testing
