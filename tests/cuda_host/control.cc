#include "cuda_host/control.h"

#include "cuda_host/driver_state.h"
#include "cuda_host/site.h"

namespace {

using llmrt::cuda_host::DriverState;
using llmrt::cuda_host::Settings;
using llmrt::cuda_host::State;
using Lock = std::lock_guard<std::mutex>;

}  // namespace

LLMRT_EXPORT void llmrt_emulation_reset() {
  DriverState& state = State();
  const Lock lock(state.mutex);
  state.settings = Settings();
  state.random = llmrt::cuda_host::Random(1);
  state.calls.clear();
  state.failing_call = -1;
  state.message.clear();
  llmrt::cuda_host::UnplantMutation();
  llmrt::cuda_host::RecordSites(false);
  llmrt::cuda_host::ResetSites();
}

LLMRT_EXPORT void llmrt_emulation_set_seed(uint64_t seed) {
  const Lock lock(State().mutex);
  State().random = llmrt::cuda_host::Random(seed);
}

LLMRT_EXPORT int llmrt_emulation_set_architecture(int major, int minor) {
  const Lock lock(State().mutex);
  const int version = major * 10 + minor;
  if (version != 80 && version != 86 && version != 89 && version != 90 && version != 120) return 0;
  State().settings.major = major;
  State().settings.minor = minor;
  return 1;
}

LLMRT_EXPORT void llmrt_emulation_set_devices(int count) {
  const Lock lock(State().mutex);
  State().settings.devices = count;
}

LLMRT_EXPORT void llmrt_emulation_detect_races(int on) {
  const Lock lock(State().mutex);
  State().settings.detect_races = on != 0;
}

LLMRT_EXPORT void llmrt_emulation_set_total_memory(uint64_t bytes) {
  const Lock lock(State().mutex);
  State().settings.total_memory = bytes;
}

LLMRT_EXPORT uint64_t llmrt_emulation_context_bytes() { return llmrt::cuda_host::kContextBytes; }

LLMRT_EXPORT uint64_t llmrt_emulation_calls() {
  const Lock lock(State().mutex);
  return State().calls.size();
}

LLMRT_EXPORT const char* llmrt_emulation_call_name(uint64_t index) {
  const Lock lock(State().mutex);
  return index < State().calls.size() ? State().calls[index] : nullptr;
}

LLMRT_EXPORT void llmrt_emulation_reset_calls() {
  const Lock lock(State().mutex);
  State().calls.clear();
}

LLMRT_EXPORT void llmrt_emulation_fail_call(uint64_t index, int result, int sticky) {
  const Lock lock(State().mutex);
  State().failing_call = static_cast<int64_t>(index);
  State().failing_result = static_cast<llmrt::cuda::CuResult>(result);
  State().failing_sticky = sticky != 0;
}

LLMRT_EXPORT void llmrt_emulation_fail_no_call() {
  const Lock lock(State().mutex);
  State().failing_call = -1;
}

LLMRT_EXPORT void llmrt_emulation_counts(LlmrtEmulationCounts* counts) {
  DriverState& state = State();
  const Lock lock(state.mutex);
  *counts = {};
  counts->contexts = state.contexts.size();
  counts->modules = state.modules.size();
  counts->allocations = state.allocations.size();
  for (const auto& [address, block] : state.allocations) counts->allocated_bytes += block.bytes;
  counts->host_allocations = state.host_blocks.size();
  for (const auto& [address, block] : state.host_blocks) counts->host_bytes += block->bytes;
  for (const auto& [id, stream] : state.streams) {
    if (state.contexts.count(id) == 0) ++counts->streams;  // default streams do not count
  }
  counts->events = state.events.size();
  counts->graphs = state.graphs.size();
  counts->graph_execs = state.graph_execs.size();
}

LLMRT_EXPORT void* llmrt_emulation_current_context(uint64_t* depth) {
  const auto& stack = llmrt::cuda_host::ContextStack();
  *depth = stack.size();
  return stack.empty() ? nullptr : llmrt::cuda_host::HandleOf<void*>(stack.back());
}

LLMRT_EXPORT const char* llmrt_emulation_last_message() {
  static std::string* const copy = new std::string;
  const Lock lock(State().mutex);
  *copy = State().message;
  return copy->c_str();
}

LLMRT_EXPORT void llmrt_emulation_clear_message() {
  const Lock lock(State().mutex);
  State().message.clear();
}

LLMRT_EXPORT void llmrt_emulation_record_sites(int on) {
  const Lock lock(State().mutex);
  llmrt::cuda_host::RecordSites(on != 0);
}

LLMRT_EXPORT void llmrt_emulation_reset_sites() {
  const Lock lock(State().mutex);
  llmrt::cuda_host::ResetSites();
}

LLMRT_EXPORT uint32_t llmrt_emulation_site_count() {
  const Lock lock(State().mutex);
  return llmrt::cuda_host::SiteCount();
}

LLMRT_EXPORT int llmrt_emulation_site(uint32_t index, LlmrtEmulationSite* site) {
  const Lock lock(State().mutex);
  return llmrt::cuda_host::DescribeSite(index, site) ? 1 : 0;
}

LLMRT_EXPORT int llmrt_emulation_plant(uint32_t site, int kind) {
  const Lock lock(State().mutex);
  return llmrt::cuda_host::PlantMutation(site, kind) ? 1 : 0;
}

LLMRT_EXPORT void llmrt_emulation_unplant() {
  const Lock lock(State().mutex);
  llmrt::cuda_host::UnplantMutation();
}

LLMRT_EXPORT uint64_t llmrt_emulation_planted_hits() {
  const Lock lock(State().mutex);
  return llmrt::cuda_host::PlantedHits();
}
