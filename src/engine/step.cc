#include "engine/step.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "backend/device_lost.h"
#include "memory/counted_heap.h"
#include "numerics/fp_mode.h"

namespace llmrt::engine {
namespace {

using Clock = std::chrono::steady_clock;

absl::Status OutOfMemory() {
  // An error without a message needs no memory itself.
  return absl::Status(absl::StatusCode::kResourceExhausted, "");
}

double MicrosSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// Removes [first, first + count) of a vector, without allocating.
template <typename T>
void Erase(std::vector<T>& values, int64_t first, int64_t count) {
  const auto begin = values.begin() + first;
  values.erase(begin, begin + count);
}

}  // namespace

Step::Step(Resources& resources) : resources_(resources) {
  const scheduler::SchedulerLimits& limits = resources.scheduler->limits();
  const auto rows = static_cast<size_t>(limits.rows);
  const auto running = static_cast<size_t>(limits.running_max);
  items_.reserve(running);
  tables_.reserve(running);
  copies_.reserve(running);
  removals_.reserve(running);
  tokens_.reserve(rows);
  positions_.reserve(rows);
  sequences_.reserve(rows);
  const auto logit_rows = static_cast<size_t>(limits.logit_rows);
  logit_rows_.reserve(logit_rows);
  draws_.reserve(logit_rows);
  drawn_.reserve(logit_rows);
  results_.resize(logit_rows);
}

int64_t Step::HeapBytes(const model::StepLimits& limits, int64_t running_max) {
  using memory::HeapBytesOf;
  constexpr int64_t kId = sizeof(int32_t);
  const int64_t draws = limits.logit_rows;
  return HeapBytesOf(sizeof(Step)) + HeapBytesOf(running_max * int64_t{sizeof(Item)}) +
         HeapBytesOf(running_max * int64_t{sizeof(absl::Span<const int32_t>)}) +
         HeapBytesOf(running_max * int64_t{sizeof(backend::BlockCopy)}) +
         HeapBytesOf(running_max * int64_t{sizeof(backend::Range)}) +
         HeapBytesOf(draws * int64_t{sizeof(backend::DrawRequest)}) +
         HeapBytesOf(draws * int64_t{sizeof(sampling::Draw)}) + 2 * HeapBytesOf(draws * kId) +
         3 * HeapBytesOf(limits.rows * kId);
}

void Step::ClearBatch() {
  items_.clear();
  tokens_.clear();
  positions_.clear();
  sequences_.clear();
  tables_.clear();
  logit_rows_.clear();
  copies_.clear();
  removals_.clear();
  drawn_.clear();
  num_results_ = 0;
}

void Step::SetDraws() {
  draws_.clear();
  for (Item& item : items_) {
    item.request = -1;
    const sampling::SamplingParams& params = item.owner->stream->options().sampling;
    if (!item.draws || !resources_.backend->draws() ||
        !sampling::DrawsPlainly(params, resources_.sampler->vocab_size())) {
      continue;
    }
    item.request = static_cast<int64_t>(draws_.size());
    for (int64_t i = 0; i <= item.drafted; ++i) {
      draws_.push_back({.logit_row = static_cast<int32_t>(item.logit_row + item.scored() + i),
                        .temperature = params.temperature,
                        .seed = params.seed,
                        .position = item.owner->num_tokens + i,
                        .sample_index = params.sample_index});
    }
  }
  resources_.pass->SetDraws(draws_);
}

void Step::SetBatch() {
  batch_ = {
      .tokens = tokens_, .positions = positions_, .sequences = sequences_, .block_tables = tables_};
}

void Step::AddItem(const scheduler::Assignment& assignment) {
  ActiveStream& owner = *static_cast<ActiveStream*>(assignment.request);
  const SessionState& session = *owner.session;
  const int64_t prompt_length = owner.stream->prompt().length;
  Item item;
  item.owner = &owner;
  item.first = assignment.first;
  item.count = assignment.count;
  item.row = num_rows();
  item.drafted = std::max<int64_t>(0, item.first + item.count - owner.num_tokens);
  item.draws = item.first + item.count - item.drafted == owner.num_tokens && owner.WantsToken();
  if (item.drafted > 0) item.task = resources_.drafting->TaskOf(items_.size());
  item.draw = num_results_;
  num_results_ += item.draws ? 1 + item.drafted : 0;
  item.table = static_cast<int32_t>(tables_.size());
  tables_.push_back(session.sequence.blocks());
  for (int64_t i = 0; i < item.count; ++i) {
    const int64_t position = item.first + i;
    const bool scores = position >= owner.logits_from && position + 1 < prompt_length;
    if (scores || (item.draws && i >= item.count - 1 - item.drafted)) {
      if (item.logit_count++ == 0) item.logit_row = static_cast<int64_t>(logit_rows_.size());
      logit_rows_.push_back(static_cast<int32_t>(tokens_.size()));
    }
    // What is drafted is not known yet.
    tokens_.push_back(position < owner.num_tokens ? session.tokens[static_cast<size_t>(position)]
                                                  : 0);
    positions_.push_back(static_cast<int32_t>(position));
    sequences_.push_back(item.table);
  }
  items_.push_back(std::move(item));
  owner.in_step = true;
  if (assignment.growth.copy_from != kv::kNoBlock) {
    copies_.push_back({.from = assignment.growth.copy_from, .to = assignment.growth.copy_to});
  }
  owner.TellProgress(owner.stream->generated() > 0 ? engine::Phase::kDecode
                                                   : engine::Phase::kPrefill);
}

absl::StatusOr<bool> Step::Plan(int64_t prefill_rows) {
  const absl::Span<const scheduler::Assignment> planned = resources_.scheduler->Plan(prefill_rows);
  if (planned.empty()) return false;
  if (resources_.drafting != nullptr) resources_.drafting->Plan(*resources_.scheduler);
  ClearBatch();
  for (const scheduler::Assignment& assignment : planned) AddItem(assignment);
  SetBatch();
  phase_ = Phase::kDraft;
  next_copy_ = 0;
  next_draw_ = 0;
  whole_ = true;
  pass_us_ = draw_us_ = 0;
  return true;
}

bool Step::Draft(absl::FunctionRef<bool()> stop) {
  // Rows that have left since the plan were never there.
  for (const backend::Range& rows : removals_) CloseUp(rows);
  removals_.clear();
  if (resources_.drafting != nullptr) {
    if (!resources_.drafting->Run(stop)) return false;
    for (Item& item : items_) {
      // Here, without the lock, and not when a long prompt's first token is planned for.
      if (item.owner->drafts != nullptr) resources_.drafting->Prepare(*item.owner);
      TakeDrafts(item);
    }
  }
  return true;
}

void Step::TakeDrafts(Item& item) {
  if (item.task < 0) return;
  const absl::Span<const int32_t> drafts = resources_.drafting->TokensOf(item.task);
  const auto count = static_cast<int64_t>(drafts.size());
  const int64_t first = item.row + item.count - item.drafted;
  std::copy(drafts.begin(), drafts.end(), tokens_.begin() + first);
  // The rows of drafts that were not made go; the scheduler is told with the commit.
  const int64_t gone = item.drafted - count;
  item.drafted -= gone;
  item.count -= gone;
  item.logit_count -= gone;
  if (gone > 0) CloseUp({first + count, first + count + gone});
}

// Not part of Plan: a device may be waited for until it has read the step before, and that without
// the lock.
absl::Status Step::BeginPass() {
  absl::Status status = resources_.pass->Begin(batch_, logit_rows_);
  if (!status.ok()) return status;
  SetDraws();
  phase_ = Phase::kCopy;
  return status;
}

absl::StatusOr<bool> Step::CopySharedBlocks(absl::FunctionRef<bool()> stop) {
  // One at a time: a block of a large model is megabytes. The copy for a stream that has left since
  // goes to a block that nobody holds before the next step is planned.
  while (next_copy_ < copies_.size()) {
    absl::Status status =
        resources_.backend->CopyKvBlocks(*resources_.cache, {&copies_[next_copy_], 1});
    if (!status.ok()) return status;
    if (++next_copy_ < copies_.size() && stop()) return false;
  }
  phase_ = Phase::kPass;
  return true;
}

absl::StatusOr<bool> Step::Run(int64_t slice_us, absl::FunctionRef<bool()> stop) {
  if (phase_ == Phase::kDraft && !Draft(stop)) return false;
  const Clock::time_point start = Clock::now();
  absl::Status status;
  if (phase_ == Phase::kDraft) status = BeginPass();
  if (status.ok()) status = RemoveRows();
  if (!status.ok()) return status;
  if (phase_ == Phase::kCopy) {
    absl::StatusOr<bool> copied = CopySharedBlocks(stop);
    if (!copied.ok() || !*copied) return copied;
  }
  if (phase_ == Phase::kPass) {
    model::ForwardPass& pass = *resources_.pass;
    absl::StatusOr<bool> done =
        slice_us > 0 ? pass.AdvanceTimed(slice_us, stop) : pass.Advance(1, stop);
    pass_us_ += MicrosSince(start);
    if (!done.ok() || !*done) return done;
    status = TakeDrawn();
    if (!status.ok()) return status;
    phase_ = Phase::kDraw;
    if (stop()) return false;
  }
  const Clock::time_point draw_start = Clock::now();
  const numerics::ScopedFpMode fp_mode;
  bool stopped = false;
  while (!stopped && next_draw_ < items_.size()) {
    const Item& item = items_[next_draw_];
    const bool over = DrawOne(items_[next_draw_]);
    // A stream's own failure is the stream's; a lost device is everybody's.
    if (!item.status.ok() && backend::IsDeviceLost(item.status)) return item.status;
    if (over) ++next_draw_;
    stopped = next_draw_ < items_.size() && stop();
  }
  draw_us_ += MicrosSince(draw_start);
  if (!stopped) phase_ = Phase::kDrawn;
  return !stopped;
}

bool Step::DrawOne(Item& item) {
  if (item.logit_done < item.scored()) {
    ScoreOne(item);
    return item.logit_done == item.logit_count;
  }
  return !item.draws || DrawNext(item);
}

void Step::ScoreOne(Item& item) {
  const std::vector<int32_t>& tokens = item.owner->session->tokens;
  StreamState& stream = *item.owner->stream;
  // The scored rows are the last ones but for those that draw, and tell about the tokens behind
  // them.
  const int64_t end = std::min(item.first + item.count + 1, stream.prompt().length);
  const int64_t next = end - item.scored() + item.logit_done;
  const absl::StatusOr<absl::Span<const float>> logits =
      resources_.pass->Logits(item.logit_row + item.logit_done);
  if (logits.ok()) {
    stream.SetPromptLogprob(next, sampling::LogProbOf(*logits, tokens[static_cast<size_t>(next)]));
  } else if (item.status.ok()) {
    item.status = logits.status();
  }
  ++item.logit_done;
}

absl::Span<const int32_t> Step::DraftsOf(const Item& item, int64_t count) const {
  return absl::MakeConstSpan(tokens_).subspan(
      static_cast<size_t>(item.row + item.count - item.drafted), static_cast<size_t>(count));
}

bool Step::DrawNext(Item& item) {
  if (!item.status.ok()) return true;
  sampling::Draw& draw = results_[static_cast<size_t>(item.draw + item.drawn)];
  const int32_t on_device = item.request >= 0
                                ? drawn_[static_cast<size_t>(item.request + item.drawn)]
                                : backend::kNoToken;
  if (on_device >= 0) {
    draw.token = on_device;
  } else {
    item.status = DrawOnHost(item, &draw);
    if (!item.status.ok()) return true;
  }
  item.status = Force(item, &draw);
  if (!item.status.ok()) return true;
  ++item.drawn;
  // The row behind it counts if it was computed for this very token.
  return item.drawn > item.drafted || DraftsOf(item, item.drawn).back() != draw.token;
}

absl::Status Step::DrawOnHost(const Item& item, sampling::Draw* draw) {
  const absl::StatusOr<absl::Span<const float>> logits =
      resources_.pass->Logits(item.logit_row + item.scored() + item.drawn);
  if (!logits.ok()) return logits.status();
  const sampling::History history(item.owner->session->tokens, DraftsOf(item, item.drawn));
  try {
    return resources_.sampler->Sample(item.owner->stream->options().sampling, *logits, history,
                                      static_cast<int64_t>(history.size()), draw);
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
}

absl::Status Step::Force(const Item& item, sampling::Draw* draw) {
  const StreamOptions& options = item.owner->stream->options();
  const auto index = static_cast<size_t>(item.owner->stream->generated() + item.drawn);
  if (index >= options.forced_tokens.size()) return absl::OkStatus();
  draw->token = options.forced_tokens[index];
  if (!options.sampling.logprobs && options.sampling.top_logprobs == 0) return absl::OkStatus();
  const absl::StatusOr<absl::Span<const float>> logits =
      resources_.pass->Logits(item.logit_row + item.scored() + item.drawn);
  if (!logits.ok()) return logits.status();
  draw->logprob = sampling::LogProbOf(*logits, draw->token);
  return absl::OkStatus();
}

StepCounts Step::Commit() {
  StepCounts counts;
  for (size_t i = 0; i < items_.size(); ++i) {
    const int64_t kept = CommitItem(items_[i], counts);
    if (kept < resources_.scheduler->planned()[i].count) resources_.scheduler->Trim(i, kept);
  }
  resources_.scheduler->Commit();
  if (resources_.drafting != nullptr) resources_.drafting->Clear();
  ForgetDraws();
  items_.clear();
  phase_ = Phase::kIdle;
  return counts;
}

int64_t Step::CommitItem(Item& item, StepCounts& counts) {
  ActiveStream& owner = *item.owner;
  StreamState& stream = *owner.stream;
  owner.in_step = false;
  // Without what is only drafted.
  const int64_t count = item.count - item.drafted;
  const int64_t end = item.first + count;
  const int64_t prompt_length = stream.prompt().length;
  counts.prefilled += std::max<int64_t>(0, std::min(end, prompt_length) - item.first);
  if (owner.logits_from != INT64_MAX) {
    // Scored once is scored: what is computed again needs no logits.
    owner.logits_from = end >= prompt_length ? INT64_MAX : std::max(owner.logits_from, end);
  }
  if (stream.cancelled()) {
    stream.Finish(FinishReason::kCancelled, absl::OkStatus());
  } else if (item.draws) {
    return count - 1 + CommitDraws(item, counts);
  } else if (!item.status.ok()) {
    stream.Finish(FinishReason::kError, item.status);
  } else if (end == owner.num_tokens) {
    stream.Finish(FinishReason::kMaxTokens, absl::OkStatus());  // only the prompt was asked for
  }
  return count;
}

// Each draw stands for a step of its own: what those before it have ended, it does not see.
int64_t Step::CommitDraws(Item& item, StepCounts& counts) {
  ActiveStream& owner = *item.owner;
  StreamState& stream = *owner.stream;
  const int64_t before = stream.generated();
  // All draws but the last one are what was drafted; before one that failed, all.
  const int64_t agreed = item.status.ok() ? item.drawn - 1 : item.drawn;
  stream.AddStep(item.drafted);
  if (item.task >= 0) resources_.drafting->Learn(item.task, agreed);
  int64_t used = 0;
  while (used < item.drawn && !stream.finished()) {
    const bool drafted = used < agreed;
    try {
      CommitToken(item, std::move(results_[static_cast<size_t>(item.draw + used)]), drafted);
    } catch (const std::bad_alloc&) {
      stream.Finish(FinishReason::kError, OutOfMemory());
    }
    ++used;
  }
  if (!item.status.ok() && !stream.finished()) {
    stream.Finish(FinishReason::kError, item.status);
    ++used;
  }
  const int64_t said = stream.generated() - before;
  counts.generated += said;
  counts.drafted += item.drafted;
  counts.accepted += std::min(agreed, said);
  owner.UpdateTokens();
  return used;
}

void Step::CommitToken(Item& item, sampling::Draw draw, bool drafted) {
  SessionState& session = *item.owner->session;
  StreamState& stream = *item.owner->stream;
  const StreamOptions& options = stream.options();
  const int32_t token = draw.token;
  absl::StatusOr<const text::Tokenizer*> tokenizer = resources_.model->tokenizer();
  const bool model_ends =
      !options.ignore_eos && tokenizer.ok() && (*tokenizer)->IsEndOfGeneration(token);
  const bool host_ends = std::find(options.stop_tokens.begin(), options.stop_tokens.end(), token) !=
                         options.stop_tokens.end();
  if (model_ends || host_ends) {
    stream.Finish(FinishReason::kStopToken, absl::OkStatus());
    return;
  }
  session.tokens.push_back(token);
  bool stopped = false;
  try {
    stopped =
        stream.Push(std::move(draw),
                    tokenizer.ok() ? (*tokenizer)->TokenBytes(token) : std::string_view(), drafted);
  } catch (...) {
    session.tokens.pop_back();  // session and stream agree on what was committed
    throw;
  }
  if (stopped) {
    stream.Finish(FinishReason::kStopString, absl::OkStatus());
  } else if (!item.owner->WantsToken()) {
    stream.Finish(FinishReason::kMaxTokens, absl::OkStatus());
  } else if (static_cast<int64_t>(session.tokens.size()) >= session.context_length) {
    stream.Finish(FinishReason::kContextFull, absl::OkStatus());
  }
}

bool Step::InFinalOps() const { return resources_.pass->cursor().op >= model::Op::kFinalNorm; }

absl::Status Step::RemoveRows() {
  for (const backend::Range& rows : removals_) {
    // A removal may end the last op that has rows to remove: what is left is computed for nobody.
    if (InFinalOps()) break;
    CloseUp(rows);
    absl::Status status = resources_.pass->RemoveRows(rows.begin, rows.size(), batch_, logit_rows_);
    if (!status.ok()) return status;
    SetDraws();
  }
  removals_.clear();
  return absl::OkStatus();
}

absl::Status Step::TakeDrawn() {
  if (draws_.empty()) return absl::OkStatus();
  drawn_.resize(draws_.size(), backend::kNoToken);
  return resources_.pass->DrawnTokens(absl::MakeSpan(drawn_));
}

void Step::CloseUp(const backend::Range& rows) {
  Erase(tokens_, rows.begin, rows.size());
  Erase(positions_, rows.begin, rows.size());
  Erase(sequences_, rows.begin, rows.size());
  const auto first_gone = std::lower_bound(logit_rows_.begin(), logit_rows_.end(), rows.begin);
  const auto first_kept = std::lower_bound(first_gone, logit_rows_.end(), rows.end);
  const int64_t logits_before = first_gone - logit_rows_.begin();
  const int64_t logits_gone = first_kept - first_gone;
  for (auto it = first_kept; it != logit_rows_.end(); ++it) {
    *it -= static_cast<int32_t>(rows.size());
  }
  Erase(logit_rows_, logits_before, logits_gone);
  for (Item& item : items_) {
    if (item.row >= rows.end) item.row -= rows.size();
    if (item.logit_row >= logits_before + logits_gone) item.logit_row -= logits_gone;
  }
  SetBatch();
}

void Step::DropCancelled() {
  // In its final ops the pass reads no KV, and the logits of those who left are nobody's.
  const bool rows_leave = phase_ == Phase::kDraft || phase_ == Phase::kCopy ||
                          (phase_ == Phase::kPass && !InFinalOps());
  // From the last to the first: so removals do not move one another.
  for (size_t i = items_.size(); i > 0; --i) {
    const Item& item = items_[i - 1];
    StreamState& stream = *item.owner->stream;
    if (!stream.cancelled()) continue;
    whole_ = false;
    tables_[static_cast<size_t>(item.table)] = {};  // the session may change it from here on
    if (rows_leave) removals_.push_back({item.row, item.row + item.count});
    resources_.scheduler->Drop(i - 1);
    if (item.task >= 0) resources_.drafting->Leave(item.task);
    items_[i - 1].owner->in_step = false;
    if (i - 1 < next_draw_) --next_draw_;
    items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    stream.Finish(FinishReason::kCancelled, absl::OkStatus());
  }
  if (items_.empty()) Abandon();
}

void Step::TrimPrompts(int64_t rows) {
  if (phase_ != Phase::kPass || InFinalOps()) return;
  int64_t excess = prompt_rows() - rows;
  for (size_t i = items_.size(); i > 0 && excess > 0; --i) {
    Item& item = items_[i - 1];
    if (item.count == 1 || item.drafted > 0 || item.owner->logits_from != INT64_MAX) continue;
    // The oldest keeps what the scheduler's bound on waiting counts on.
    const int64_t kept = i == 1 ? std::min(item.count, scheduler::kOldestRowsMin) : 1;
    const int64_t gone = std::min(excess, item.count - kept);
    if (gone == 0) continue;
    whole_ = false;
    item.count -= gone;
    excess -= gone;
    removals_.push_back({item.row + item.count, item.row + item.count + gone});
    resources_.scheduler->Trim(i - 1, item.count);
    if (!item.draws) continue;
    item.draws = false;  // the last row goes, and its logits with it
    item.logit_row = -1;
    item.logit_count = 0;
  }
}

int64_t Step::decode_rows() const {
  int64_t rows = 0;
  for (const Item& item : items_) {
    if (item.draws && item.count == 1 + item.drafted) rows += item.count;
  }
  return rows;
}

double Step::draft_us() const {
  return resources_.drafting != nullptr ? resources_.drafting->draft_us() : 0;
}

double Step::Progress() const {
  if (phase_ < Phase::kPass) return 0;
  return phase_ == Phase::kPass ? resources_.pass->Progress() : 1;
}

void Step::ForgetDraws() {
  // The next step's begin empty, and those that nobody took may hold lists of the best tokens.
  for (int64_t i = 0; i < num_results_; ++i) results_[static_cast<size_t>(i)] = {};
}

void Step::Fail(const absl::Status& status) {
  for (Item& item : items_) item.owner->stream->Finish(FinishReason::kError, status);
  Abandon();
}

void Step::Abandon() {
  resources_.pass->Abandon();
  resources_.scheduler->Rollback();
  if (resources_.drafting != nullptr) resources_.drafting->Clear();
  for (Item& item : items_) item.owner->in_step = false;
  ForgetDraws();
  items_.clear();
  removals_.clear();
  phase_ = Phase::kIdle;
}

}  // namespace llmrt::engine
