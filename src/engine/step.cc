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
  logit_rows_.reserve(static_cast<size_t>(limits.logit_rows));
  draws_.reserve(running);
  drawn_.reserve(running);
}

int64_t Step::HeapBytes(const model::StepLimits& limits) {
  using memory::HeapBytesOf;
  constexpr int64_t kId = sizeof(int32_t);
  const int64_t running = limits.logit_rows;
  return HeapBytesOf(sizeof(Step)) + HeapBytesOf(running * int64_t{sizeof(Item)}) +
         HeapBytesOf(running * int64_t{sizeof(absl::Span<const int32_t>)}) +
         HeapBytesOf(running * int64_t{sizeof(backend::BlockCopy)}) +
         HeapBytesOf(running * int64_t{sizeof(backend::Range)}) +
         HeapBytesOf(running * int64_t{sizeof(backend::DrawRequest)}) + HeapBytesOf(running * kId) +
         3 * HeapBytesOf(limits.rows * kId) + HeapBytesOf(limits.logit_rows * kId);
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
    draws_.push_back({.logit_row = static_cast<int32_t>(item.logit_row + item.logit_count - 1),
                      .temperature = params.temperature,
                      .seed = params.seed,
                      .position = item.owner->num_tokens,
                      .sample_index = params.sample_index});
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
  item.draws = item.first + item.count == owner.num_tokens && owner.WantsToken();
  item.table = static_cast<int32_t>(tables_.size());
  tables_.push_back(session.sequence.blocks());
  for (int64_t i = 0; i < item.count; ++i) {
    const int64_t position = item.first + i;
    const bool scores = position >= owner.logits_from && position + 1 < prompt_length;
    if (scores || (item.draws && i == item.count - 1)) {
      if (item.logit_count++ == 0) item.logit_row = static_cast<int64_t>(logit_rows_.size());
      logit_rows_.push_back(static_cast<int32_t>(tokens_.size()));
    }
    tokens_.push_back(session.tokens[static_cast<size_t>(position)]);
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
  ClearBatch();
  for (const scheduler::Assignment& assignment : planned) AddItem(assignment);
  SetBatch();
  phase_ = Phase::kBegin;
  next_copy_ = 0;
  next_draw_ = 0;
  whole_ = true;
  pass_us_ = draw_us_ = 0;
  return true;
}

// Not part of Plan: a device may be waited for until it has read the step before, and that without
// the lock.
absl::Status Step::BeginPass() {
  if (phase_ != Phase::kBegin) return absl::OkStatus();
  // Rows that have left since the plan were never there.
  for (const backend::Range& rows : removals_) CloseUp(rows);
  removals_.clear();
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
  const Clock::time_point start = Clock::now();
  absl::Status status = BeginPass();
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
  const int64_t scored = item.logit_count - (item.draws ? 1 : 0);
  if (item.logit_done < scored) {
    ScoreOne(item, scored);
  } else if (item.draws) {
    const bool drawn = item.request >= 0 && drawn_[static_cast<size_t>(item.request)] >= 0;
    if (drawn) {
      item.draw.token = drawn_[static_cast<size_t>(item.request)];
    } else if (item.status.ok()) {
      item.status = DrawOnHost(item);
    }
    return true;
  }
  return item.logit_done == item.logit_count;
}

void Step::ScoreOne(Item& item, int64_t scored) {
  const std::vector<int32_t>& tokens = item.owner->session->tokens;
  StreamState& stream = *item.owner->stream;
  // The scored rows are the last ones but for the one that draws, and tell about the tokens behind
  // them.
  const int64_t end = std::min(item.first + item.count + 1, stream.prompt().length);
  const int64_t next = end - scored + item.logit_done;
  const absl::StatusOr<absl::Span<const float>> logits =
      resources_.pass->Logits(item.logit_row + item.logit_done);
  if (logits.ok()) {
    stream.SetPromptLogprob(next, sampling::LogProbOf(*logits, tokens[static_cast<size_t>(next)]));
  } else if (item.status.ok()) {
    item.status = logits.status();
  }
  ++item.logit_done;
}

absl::Status Step::DrawOnHost(Item& item) {
  const std::vector<int32_t>& tokens = item.owner->session->tokens;
  const absl::StatusOr<absl::Span<const float>> logits =
      resources_.pass->Logits(item.logit_row + item.logit_count - 1);
  if (!logits.ok()) return logits.status();
  try {
    return resources_.sampler->Sample(item.owner->stream->options().sampling, *logits, tokens,
                                      static_cast<int64_t>(tokens.size()), &item.draw);
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
}

StepCounts Step::Commit() {
  StepCounts counts;
  resources_.scheduler->Commit();
  for (Item& item : items_) CommitItem(item, counts);
  items_.clear();
  phase_ = Phase::kIdle;
  return counts;
}

void Step::CommitItem(Item& item, StepCounts& counts) {
  ActiveStream& owner = *item.owner;
  StreamState& stream = *owner.stream;
  owner.in_step = false;
  const int64_t end = item.first + item.count;
  const int64_t prompt_length = stream.prompt().length;
  counts.prefilled += std::max<int64_t>(0, std::min(end, prompt_length) - item.first);
  if (owner.logits_from != INT64_MAX) {
    // Scored once is scored: what is computed again needs no logits.
    owner.logits_from = end >= prompt_length ? INT64_MAX : std::max(owner.logits_from, end);
  }
  if (stream.cancelled()) {
    stream.Finish(FinishReason::kCancelled, absl::OkStatus());
  } else if (!item.status.ok()) {
    stream.Finish(FinishReason::kError, item.status);
  } else if (item.draws) {
    const int64_t before = stream.generated();
    try {
      CommitToken(item);
    } catch (const std::bad_alloc&) {
      stream.Finish(FinishReason::kError, OutOfMemory());
    }
    counts.generated += stream.generated() - before;
    owner.UpdateTokens();
  } else if (end == owner.num_tokens) {
    stream.Finish(FinishReason::kMaxTokens, absl::OkStatus());  // only the prompt was asked for
  }
}

void Step::CommitToken(Item& item) {
  SessionState& session = *item.owner->session;
  StreamState& stream = *item.owner->stream;
  const StreamOptions& options = stream.options();
  const int32_t token = item.draw.token;
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
    stopped = stream.Push(std::move(item.draw),
                          tokenizer.ok() ? (*tokenizer)->TokenBytes(token) : std::string_view());
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
  const bool rows_leave = phase_ == Phase::kBegin || phase_ == Phase::kCopy ||
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
    if (item.count == 1 || item.owner->logits_from != INT64_MAX) continue;
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
  return std::count_if(items_.begin(), items_.end(),
                       [](const Item& item) { return item.count == 1 && item.draws; });
}

double Step::Progress() const {
  if (phase_ == Phase::kBegin || phase_ == Phase::kCopy) return 0;
  return phase_ == Phase::kPass ? resources_.pass->Progress() : 1;
}

void Step::Fail(const absl::Status& status) {
  for (Item& item : items_) item.owner->stream->Finish(FinishReason::kError, status);
  Abandon();
}

void Step::Abandon() {
  resources_.pass->Abandon();
  resources_.scheduler->Rollback();
  for (Item& item : items_) item.owner->in_step = false;
  items_.clear();
  removals_.clear();
  phase_ = Phase::kIdle;
}

}  // namespace llmrt::engine
