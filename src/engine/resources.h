// Everything that a loaded engine owns, in the order in which it is built and, backwards, torn
// down.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "engine/drafting.h"
#include "engine/log_ring.h"
#include "engine/model.h"
#include "engine/options.h"
#include "engine/planner.h"
#include "kv/paged_cache.h"
#include "memory/budget.h"
#include "memory/large_buffer.h"
#include "model/forward_pass.h"
#include "model/llama_weights.h"
#include "sampling/sampler.h"
#include "scheduler/scheduler.h"

namespace llmrt::engine {

// What one engine's memory is charged to.
struct EngineAccounts {
  memory::BudgetRef everything;  // with the host's limit; large memory is charged here
  memory::BudgetRef heap;        // below it: all small objects, the model's own account included

  // `limit_bytes` 0: no limit.
  static EngineAccounts Create(int64_t limit_bytes);
};

// Not movable: its parts point at one another.
struct Resources {
  Resources() = default;
  Resources(const Resources&) = delete;
  Resources& operator=(const Resources&) = delete;

  std::shared_ptr<const Model> model;
  memory::HostHooks host_hooks;    // that `memory` calls
  backend::JobHook host_job_hook;  // that `backend` calls
  std::unique_ptr<memory::LargeMemory> memory;
  std::unique_ptr<backend::Backend> backend;
  LoadPlan plan;
  model::LlamaWeights weights;
  std::unique_ptr<backend::KvCache> cache;  // the memory of the blocks
  std::unique_ptr<kv::PagedCache> paged;    // who holds which of them
  std::unique_ptr<scheduler::Scheduler> scheduler;
  std::unique_ptr<model::ForwardPass> pass;
  std::unique_ptr<sampling::Sampler> sampler;
  std::unique_ptr<Drafting> drafting;  // null: no speculation
  std::string fingerprint;
};

// Told the phase's fraction; false ends the load with CANCELLED.
using FractionCallback = std::function<bool(float fraction)>;

// Opens, plans, allocates and reads. What fails leaves nothing behind. Heap goes to the calling
// thread's account, which should be that of `accounts`; accounts are made where none are given.
absl::StatusOr<std::unique_ptr<Resources>> LoadResources(ModelSource& source,
                                                         const EngineOptions& options, LogRing& log,
                                                         const FractionCallback& progress,
                                                         EngineAccounts accounts = {});

}  // namespace llmrt::engine
