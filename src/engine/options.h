// Options of engines, sessions and streams as the engine sees them: checked against bounds by the
// ABI layer, copied by value, with the defaults that the public header promises.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/create_backend.h"
#include "backend/kv_shape.h"
#include "backend/numeric_class.h"
#include "memory/large_buffer.h"
#include "sampling/sampling_params.h"
#include "speculation/drafter.h"

namespace llmrt::engine {

enum class LogLevel : int32_t { kError = 0, kWarning = 1, kInfo = 2, kDebug = 3 };

struct EngineOptions {
  std::string device = "auto";
  int32_t threads = 0;
  int64_t memory_budget_bytes = 0;  // 0: no limit of ours
  int64_t context_length = 0;       // 0: the model's
  int32_t sessions = 1;             // full contexts that KV memory is planned for
  backend::KvType kv_type = backend::KvType::kF16;
  backend::NumericMode numerics = backend::NumericMode::kExact;
  backend::CpuTier tier = backend::CpuTier::kBest;
  std::string plugin_folder;  // of libllmrt_cuda.so; empty: that of the core's own file
  int64_t cuda_context = 0;   // the host's CUcontext; 0: one of the plugin's own
  int64_t cuda_stream = 0;    // the host's CUstream in that context
  bool use_mmap = false;
  bool pumped = false;
  int32_t block_size = 16;          // tokens
  int32_t step_tokens = 512;        // rows a step may hold
  int64_t tpot_target_us = 100000;  // prompts leave other streams a token so often; 0: no target
  int32_t draft_max = -1;           // tokens drafted for a stream in a step; -1: see DraftMax
  bool draft_lookup = false;        // sessions find drafts in their own text
  bool free_drafts = false;         // for tests: as if rows of a step cost nothing
  LogLevel log_level = LogLevel::kInfo;
  memory::HostHooks memory_hooks;
  backend::JobHook job_hook;
};

// What draft_max comes to: speculation costs memory, so only engines that ask for it have it.
inline constexpr int32_t kDraftMaxStandard = 8;
inline int32_t DraftMax(const EngineOptions& options) {
  if (options.draft_max >= 0) return options.draft_max;
  return options.draft_lookup ? kDraftMaxStandard : 0;
}

struct SessionOptions {
  int64_t context_length = 0;  // 0: the engine's
};

struct StreamOptions {
  int64_t max_tokens = -1;  // -1: until another reason
  sampling::SamplingParams sampling;
  bool seed_given = false;  // else one is drawn and reported
  std::vector<int32_t> stop_tokens;
  std::vector<std::string> stop_strings;
  std::vector<int32_t> forced_tokens;  // said first, whatever is drawn
  bool ignore_eos = false;
  bool prompt_logprobs = false;
  bool raw_bytes = false;
  int32_t queue_tokens = 4096;
  int64_t draft_max = -1;          // -1: the engine's
  speculation::HostDraft drafter;  // the host's own; propose == nullptr: none
};

}  // namespace llmrt::engine
