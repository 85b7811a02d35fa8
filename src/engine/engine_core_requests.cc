// The part of the engine's core that answers hosts: state of the load, sessions, submission,
// waiting. The loop itself is in engine_core.cc.

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/engine_core.h"

namespace llmrt::engine {
namespace {

using Clock = std::chrono::steady_clock;

Clock::time_point DeadlineAfter(int64_t timeout_ms) {
  constexpr int64_t kYearMs = int64_t{365} * 24 * 3600 * 1000;
  const int64_t bounded = timeout_ms < 0 ? kYearMs : std::min(timeout_ms, kYearMs);
  return Clock::now() + std::chrono::milliseconds(bounded);
}

absl::Status Closed() {
  return absl::FailedPreconditionError("the engine is closed; create another");
}

absl::Status StreamInFlight() {
  return absl::FailedPreconditionError(
      "a stream of this session is in flight; wait for its end or cancel it");
}

// 63 bits, so that the seed that is reported can be given back through a signed setter.
uint64_t RandomSeed() {
  std::random_device device;
  const uint64_t high = device();
  return ((high << 32) | device()) & INT64_MAX;
}

// Of a list that is full.
size_t GrownCapacity(size_t size) { return std::max<size_t>(4, 2 * size); }

int64_t TokensOf(const SessionState& session) {
  return static_cast<int64_t>(session.tokens.size() + session.pending.size());
}

absl::Status CheckPosition(const SessionState& session, int64_t num_tokens) {
  if (num_tokens >= 0 && num_tokens <= TokensOf(session)) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("num_tokens is ", num_tokens, "; the session holds ",
                                            TokensOf(session), " tokens; give at most that"));
}

absl::Status CheckTokens(absl::Span<const int32_t> tokens, int32_t vocab_size, const char* what) {
  for (const int32_t token : tokens) {
    if (token >= 0 && token < vocab_size) continue;
    return absl::OutOfRangeError(
        absl::StrCat(what, " ", token, " is not a token id; ids are 0 to ", vocab_size - 1));
  }
  return absl::OkStatus();
}

}  // namespace

LoadInfo EngineCore::GetLoad() const {
  std::lock_guard<std::mutex> lock(mu_);
  return load_;
}

absl::Status EngineCore::WaitLoad(int64_t timeout_ms) {
  std::unique_lock<std::mutex> lock(mu_);
  const bool ended = load_changed_.wait_until(lock, DeadlineAfter(timeout_ms),
                                              [this] { return load_.phase >= LoadPhase::kReady; });
  if (!ended) {
    return absl::DeadlineExceededError(absl::StrCat("the load was not finished after ", timeout_ms,
                                                    " ms, at ", load_.fraction * 100, " %"));
  }
  return load_.phase == LoadPhase::kClosed ? Closed() : load_.status;
}

void EngineCore::CancelLoad() { load_cancelled_.store(true); }

absl::Status EngineCore::CheckReady() const {
  if (load_.phase < LoadPhase::kReady) {
    return absl::FailedPreconditionError(
        "the engine is still loading; call llmrt_engine_wait_load first");
  }
  if (load_.phase == LoadPhase::kClosed) return Closed();
  return load_.phase == LoadPhase::kReady ? health_ : load_.status;
}

absl::StatusOr<std::shared_ptr<const Model>> EngineCore::GetModel() const {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  return resources_->model;
}

absl::StatusOr<Plan> EngineCore::GetPlan() const {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  return resources_->plan.numbers;
}

absl::StatusOr<std::string> EngineCore::GetFingerprint() const {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  return resources_->fingerprint;
}

absl::StatusOr<EngineInfo> EngineCore::GetInfo() const {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  EngineInfo info;
  info.num_sessions = num_sessions_;
  info.num_streams = static_cast<int32_t>(active_.size());
  info.threads = resources_->backend->num_threads();
  info.memory_used_bytes = accounts_.everything->used_bytes();
  info.memory_peak_bytes = accounts_.everything->peak_bytes();
  info.heap_bytes = accounts_.heap->used_bytes();
  const kv::BlockPool& pool = resources_->paged->pool();
  info.blocks_total = pool.num_blocks();
  info.blocks_used = pool.num_pinned();
  info.blocks_cached = pool.num_cached();
  info.blocks_free = pool.num_free();
  info.tokens_stored = pool.tokens_stored();
  info.streams_running = resources_->scheduler->num_running();
  info.streams_waiting = resources_->scheduler->num_waiting();
  info.preemptions = resources_->scheduler->num_preemptions();
  info.tokens_recomputed = resources_->scheduler->tokens_recomputed();
  info.totals = totals_;
  return info;
}

absl::StatusOr<std::shared_ptr<SessionState>> EngineCore::CreateSession(
    const SessionOptions& options) {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  const int64_t longest = resources_->plan.numbers.context_length;
  if (options.context_length > longest) {
    return absl::OutOfRangeError(absl::StrCat("the session's context_length is ",
                                              options.context_length, "; the engine's is ", longest,
                                              "; raise LLMRT_ENGINE_CONTEXT_LENGTH"));
  }
  auto session =
      std::make_shared<SessionState>(options.context_length > 0 ? options.context_length : longest,
                                     options_.draft_lookup && resources_->drafting != nullptr);
  ++num_sessions_;
  return session;
}

void EngineCore::DestroySession(SessionState& session) {
  std::lock_guard<std::mutex> lock(mu_);
  --num_sessions_;
  if (resources_ == nullptr) return;  // closed: the blocks went with the pool
  if (session.in_flight) {
    session.abandoned = true;
  } else {
    resources_->paged->Clear(session.sequence);
  }
}

absl::Status EngineCore::CheckIdle(const SessionState& session) const {
  absl::Status status = CheckReady();
  if (status.ok() && session.in_flight) return StreamInFlight();
  return status;
}

absl::Status EngineCore::AppendTokens(SessionState& session, absl::Span<const int32_t> tokens) {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckIdle(session);
  if (!status.ok()) return status;
  status = CheckTokens(tokens, resources_->plan.config.vocab_size, "value");
  if (!status.ok()) return status;
  const int64_t total = static_cast<int64_t>(session.tokens.size() + session.pending.size()) +
                        static_cast<int64_t>(tokens.size());
  if (total > session.context_length) {
    return absl::OutOfRangeError(absl::StrCat("prompt is ", total, " tokens; context_length is ",
                                              session.context_length,
                                              "; raise it or shorten the prompt"));
  }
  // Growing by doubling, but never beyond what a session may hold.
  const size_t wanted = session.pending.size() + tokens.size();
  if (wanted > session.pending.capacity()) {
    const size_t room = static_cast<size_t>(session.context_length);
    session.pending.reserve(std::min(room, std::max(wanted, 2 * session.pending.capacity())));
  }
  session.pending.insert(session.pending.end(), tokens.begin(), tokens.end());
  return absl::OkStatus();
}

absl::StatusOr<bool> EngineCore::IsEmpty(const SessionState& session) const {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckIdle(session);
  if (!status.ok()) return status;
  return session.tokens.empty() && session.pending.empty();
}

absl::Status EngineCore::CheckSubmit(const SessionState& session,
                                     const StreamOptions& options) const {
  absl::Status status = CheckIdle(session);
  if (!status.ok()) return status;
  const int32_t vocab_size = resources_->plan.config.vocab_size;
  for (const auto& [token, bias] : options.sampling.logit_bias) {
    status = CheckTokens({&token, 1}, vocab_size, "biased token");
    if (!status.ok()) return status;
  }
  status = sampling::Validate(options.sampling, vocab_size);
  if (!status.ok()) return status;
  status = CheckTokens(options.stop_tokens, vocab_size, "stop token");
  if (status.ok()) status = CheckTokens(options.forced_tokens, vocab_size, "forced token");
  if (!status.ok()) return status;
  if (options.drafter.propose != nullptr && resources_->drafting == nullptr) {
    return absl::FailedPreconditionError(
        "the stream has a drafter and the engine has no room for drafts; set "
        "LLMRT_ENGINE_DRAFT_MAX, or leave the drafter out");
  }
  const int64_t total = static_cast<int64_t>(session.tokens.size() + session.pending.size());
  if (total == 0) {
    return absl::FailedPreconditionError(
        "the session holds no tokens; append text or tokens before submitting");
  }
  if (total >= session.context_length && options.max_tokens != 0) {
    return absl::OutOfRangeError(absl::StrCat("prompt is ", total, " tokens; context_length is ",
                                              session.context_length,
                                              " and leaves no room to generate; raise it or "
                                              "shorten the prompt"));
  }
  return absl::OkStatus();
}

// Whatever may throw comes before the first change, and nothing that a step needs is left to
// allocate: so memory that runs out refuses this stream and disturbs no other.
void EngineCore::ReserveFor(SessionState& session, const StreamState& stream) {
  const int64_t prompt = stream.prompt().length;
  const int64_t most = session.context_length - prompt;
  const int64_t limit = stream.options().max_tokens;
  const int64_t total = prompt + (limit < 0 ? most : std::min(limit, most));
  session.tokens.reserve(static_cast<size_t>(total));
  resources_->paged->ReserveTable(session.sequence, total);
  if (active_.size() == active_.capacity()) active_.reserve(GrownCapacity(active_.size()));
  resources_->scheduler->ReserveRoom(active_.size() + 1);
  if (unread_.size() == unread_.capacity()) {
    // Only where room is wanted: so it costs a submission nothing on average.
    ForgetReadStreams();
    if (2 * unread_.size() > unread_.capacity() || unread_.capacity() == 0) {
      unread_.reserve(GrownCapacity(unread_.size()));
    }
  }
}

absl::Status EngineCore::Submit(
    const std::shared_ptr<SessionState>& session, StreamOptions options,
    absl::FunctionRef<void(const std::shared_ptr<StreamState>&)> adopt) {
  if (!options.seed_given) options.sampling.seed = RandomSeed();
  const int64_t draft_max = DraftMax(options_);
  options.draft_max = options.draft_max < 0 ? draft_max : std::min(options.draft_max, draft_max);
  {
    std::lock_guard<std::mutex> lock(mu_);
    absl::Status status = CheckSubmit(*session, options);
    if (!status.ok()) return status;
    PromptShape prompt;
    prompt.first_new = static_cast<int64_t>(session->tokens.size());
    prompt.length = prompt.first_new + static_cast<int64_t>(session->pending.size());
    // The last token's row gives the first draw, and that before a new token its log-probability;
    // such a row is computed again if its KV is there already.
    prompt.cached = std::min(resources_->paged->NumCached(session->sequence), prompt.length - 1);
    if (options.prompt_logprobs && prompt.first_new > 0) {
      prompt.cached = std::min(prompt.cached, prompt.first_new - 1);
    }
    prompt.room = session->context_length - prompt.length;
    absl::StatusOr<std::shared_ptr<StreamState>> created =
        StreamState::Create(std::move(options), prompt, ready_, options_.pumped);
    if (!created.ok()) return created.status();
    const std::shared_ptr<StreamState> stream = *std::move(created);
    ReserveFor(*session, *stream);
    auto active = std::make_unique<ActiveStream>(stream, session);
    adopt(stream);
    unread_.push_back(stream);
    session->tokens.insert(session->tokens.end(), session->pending.begin(), session->pending.end());
    session->pending.clear();
    resources_->paged->Rewind(session->sequence, prompt.cached);
    active->UpdateTokens();
    if (resources_->drafting != nullptr) resources_->drafting->Welcome(*active);
    session->in_flight = true;
    resources_->scheduler->Enqueue(*active);
    active_.push_back(std::move(active));
    arrived_.store(true);
  }
  work_changed_.notify_all();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<SessionState>> EngineCore::ForkSession(const SessionState& session,
                                                                      int64_t num_tokens) {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckIdle(session);
  if (!status.ok()) return status;
  const auto committed = static_cast<int64_t>(session.tokens.size());
  const int64_t kept = num_tokens < 0 ? TokensOf(session) : num_tokens;
  status = CheckPosition(session, kept);
  if (!status.ok()) return status;
  auto child = std::make_shared<SessionState>(session.context_length, session.lookup != nullptr);
  const auto from_pending = std::max<int64_t>(0, kept - committed);
  child->tokens.assign(session.tokens.begin(), session.tokens.begin() + std::min(kept, committed));
  child->pending.assign(session.pending.begin(), session.pending.begin() + from_pending);
  resources_->paged->Fork(session.sequence, kept, child->sequence);
  ++num_sessions_;
  return child;
}

absl::Status EngineCore::RewindSession(SessionState& session, int64_t num_tokens) {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckIdle(session);
  if (!status.ok()) return status;
  status = CheckPosition(session, num_tokens);
  if (!status.ok()) return status;
  const auto committed = static_cast<int64_t>(session.tokens.size());
  session.pending.resize(static_cast<size_t>(std::max<int64_t>(0, num_tokens - committed)));
  if (num_tokens < committed) session.tokens.resize(static_cast<size_t>(num_tokens));
  resources_->paged->Rewind(session.sequence, num_tokens);
  if (session.lookup != nullptr) session.lookup->Rewind(num_tokens);
  return absl::OkStatus();
}

absl::StatusOr<SessionInfo> EngineCore::GetSessionInfo(const SessionState& session) const {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  SessionInfo info;
  info.stream_in_flight = session.in_flight;
  info.num_tokens = static_cast<int64_t>(session.tokens.size());
  info.num_pending = static_cast<int64_t>(session.pending.size());
  info.num_cached = resources_->paged->NumCached(session.sequence);
  info.context_length = session.context_length;
  return info;
}

absl::StatusOr<int64_t> EngineCore::GetTokens(const SessionState& session, int64_t first,
                                              absl::Span<int32_t> out) const {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  const int64_t size = static_cast<int64_t>(session.tokens.size());
  if (first < 0 || first > size) {
    return absl::OutOfRangeError(
        absl::StrCat("first is ", first, "; the session holds ", size, " tokens"));
  }
  const int64_t count = std::min(size - first, static_cast<int64_t>(out.size()));
  std::copy_n(session.tokens.begin() + first, count, out.begin());
  return count;
}

void EngineCore::ForgetReadStreams() {
  unread_.erase(std::remove_if(unread_.begin(), unread_.end(),
                               [](const std::weak_ptr<StreamState>& weak) {
                                 const std::shared_ptr<StreamState> stream = weak.lock();
                                 return stream == nullptr || stream->Delivered();
                               }),
                unread_.end());
}

absl::StatusOr<int64_t> EngineCore::Wait(absl::Span<uint64_t> tags, int64_t timeout_ms) {
  const Clock::time_point deadline = DeadlineAfter(timeout_ms);
  for (;;) {
    const int64_t generation = ready_->generation();
    size_t count = 0;
    bool open = false;
    {
      std::lock_guard<std::mutex> lock(mu_);
      absl::Status status = CheckReady();
      if (!status.ok()) return status;
      ForgetReadStreams();
      open = !unread_.empty();
      for (const std::weak_ptr<StreamState>& weak : unread_) {
        const std::shared_ptr<StreamState> stream = weak.lock();
        if (stream == nullptr) continue;
        const uint64_t tag = stream->ReadyTag();
        if (tag != 0 && count < tags.size()) tags[count++] = tag;
      }
    }
    if (count > 0) return static_cast<int64_t>(count);
    if (!open) {
      return absl::FailedPreconditionError(
          "no stream is in flight or unread; submit one before waiting");
    }
    if (options_.pumped) {
      return absl::FailedPreconditionError(
          "nothing is ready and the engine is pumped by the host; call llmrt_engine_step");
    }
    if (!ready_->WaitPast(generation, deadline)) {
      return absl::DeadlineExceededError(
          absl::StrCat("no stream was ready after ", timeout_ms, " ms; wait again"));
    }
  }
}

absl::StatusOr<backend::KvShape> EngineCore::GetKvShape() const {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  return resources_->plan.kv_shape;
}

absl::Status EngineCore::ReadKvBlock(const SessionState& session, int64_t logical_block,
                                     absl::Span<uint8_t> out) {
  std::lock_guard<std::mutex> lock(mu_);
  absl::Status status = CheckReady();
  if (!status.ok()) return status;
  const absl::Span<const int32_t> blocks = session.sequence.blocks();
  const kv::PagedCache& paged = *resources_->paged;
  const int64_t there = paged.BlocksFor(paged.NumCached(session.sequence));
  if (logical_block < 0 || logical_block >= there) {
    return absl::OutOfRangeError(absl::StrCat("block ", logical_block, "; ", there, " are there"));
  }
  return resources_->backend->ReadKvBlock(*resources_->cache,
                                          blocks[static_cast<size_t>(logical_block)], out);
}

}  // namespace llmrt::engine
