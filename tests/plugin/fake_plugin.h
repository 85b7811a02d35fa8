// A plugin whose devices are the host: memory is the system's, ops do nothing but are written down,
// and a draw gives a token that follows from the request alone. Any function can be made to fail.
// Linked into tests, and built as shared libraries for those that open one.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "backend/plugin_table.h"

namespace llmrt::testing {

// Everything that tests look at or set; one for all devices.
struct FakePlugin {
  static FakePlugin& Get();
  // The table; its build id is `build_id`'s, cut to fit.
  const backend::PluginTable* Table(std::string_view build_id);
  // As if nothing had happened. No device may be open.
  void Reset();
  int64_t HeldBytes();

  std::mutex mutex;  // of all below
  int32_t num_devices = 2;
  int64_t free_bytes = int64_t{64} << 30;
  int64_t heap_bytes = 1000;
  int64_t overhead_bytes = 500 << 20;
  int32_t wait_calls = 0;  // of end_step that say "not yet"

  // Calls of `fail_call` on `fail_device` (-1: any) give `fail_code`, after `fail_skip` that do
  // not.
  std::string fail_call;
  int32_t fail_device = -1;
  int32_t fail_skip = 0;
  int32_t fail_code = 0;
  std::string fail_text;

  int32_t open_devices = 0;
  std::vector<std::string> calls;  // names of the functions, since Reset
  std::map<uint64_t, int64_t> allocations;
  backend::PluginOpenOptions open_options = {};
  backend::PluginStepNeeds needs = {};    // of reserve_steps; rows 0: none
  backend::PluginStepCounts counts = {};  // of begin_step, with what had been written by then:
  std::vector<int32_t> tokens, positions, sequences, logit_rows, table_starts;
  std::vector<uint64_t> blocks;
  struct Moved {
    uint64_t to, from;
    int64_t bytes;
  };
  std::vector<Moved> copies;
  backend::PluginEmbed embed = {};
  backend::PluginRmsNorm rms_norm = {};
  backend::PluginPrepare prepare = {};
  backend::PluginMatMul matmul = {};
  backend::PluginRopeStore rope_store = {};
  backend::PluginAttention attention = {};
  backend::PluginSwiGlu swiglu = {};
  backend::PluginMoveRows move_rows = {};
  uint64_t draw_logits = 0;
  std::vector<backend::PluginDrawRequest> draws;
  int32_t draw_state = 0;  // of all results
  int32_t slot = -1;       // recorded or replayed last
};

// The token that a draw gives.
int32_t FakeToken(const backend::PluginDrawRequest& request, int64_t vocab_size);

}  // namespace llmrt::testing
