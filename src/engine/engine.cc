#include "engine/engine.h"

#include <utility>

#include "engine/engine_core.h"
#include "memory/counted_heap.h"

namespace llmrt::engine {

Engine::Engine(std::unique_ptr<EngineCore> core) : core_(std::move(core)) {}

Engine::~Engine() = default;

absl::StatusOr<std::shared_ptr<Engine>> Engine::Create(std::shared_ptr<ModelSource> source,
                                                       EngineOptions options) {
  EngineAccounts accounts = EngineAccounts::Create(options.memory_budget_bytes);
  const memory::ScopedHeapAccount account(accounts.heap);
  std::shared_ptr<Engine> engine(new Engine(
      std::make_unique<EngineCore>(std::move(source), std::move(options), std::move(accounts))));
  absl::Status status = engine->core_->Start();
  if (!status.ok()) return status;
  return engine;
}

// Messages and copies that go straight to the caller stay outside of the engine's account: an
// engine whose budget is spent can still say so.
LoadInfo Engine::GetLoad() const { return core_->GetLoad(); }
absl::Status Engine::WaitLoad(int64_t timeout_ms) { return core_->WaitLoad(timeout_ms); }
void Engine::CancelLoad() { core_->CancelLoad(); }
absl::StatusOr<std::shared_ptr<const Model>> Engine::GetModel() const { return core_->GetModel(); }
absl::StatusOr<Plan> Engine::GetPlan() const { return core_->GetPlan(); }
absl::StatusOr<std::string> Engine::GetFingerprint() const { return core_->GetFingerprint(); }
absl::StatusOr<EngineInfo> Engine::GetInfo() const { return core_->GetInfo(); }

absl::StatusOr<std::shared_ptr<Session>> Engine::CreateSession(const SessionOptions& options) {
  const memory::ScopedHeapAccount account(core_->heap(), core_->heap_reserve_bytes());
  absl::StatusOr<std::shared_ptr<SessionState>> state = core_->CreateSession(options);
  if (!state.ok()) return state.status();
  return Adopt(*std::move(state));
}

std::shared_ptr<Session> Engine::Adopt(std::shared_ptr<SessionState> state) {
  try {
    return std::make_shared<Session>(shared_from_this(), state);
  } catch (...) {
    core_->DestroySession(*state);
    throw;
  }
}

absl::StatusOr<StepInfo> Engine::Step(int64_t max_us) {
  const memory::ScopedHeapAccount account(core_->heap());
  return core_->StepFor(max_us);
}

absl::StatusOr<int64_t> Engine::Wait(absl::Span<uint64_t> tags, int64_t timeout_ms) {
  return core_->Wait(tags, timeout_ms);
}

absl::StatusOr<LogRecord> Engine::PollLog(int64_t capacity) { return core_->PollLog(capacity); }

void Engine::Close() { core_->Close(); }

}  // namespace llmrt::engine
