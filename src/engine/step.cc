#include "engine/step.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "numerics/fp_mode.h"

namespace llmrt::engine {
namespace {

absl::Status OutOfMemory() {
  // An error without a message needs no memory itself.
  return absl::Status(absl::StatusCode::kResourceExhausted, "");
}

bool WantsToken(const StreamState& stream) {
  const int64_t limit = stream.options().max_tokens;
  return limit < 0 || stream.generated() < limit;
}

}  // namespace

Step::Step(Resources& resources) : resources_(resources) {
  const size_t rows = static_cast<size_t>(resources.plan.limits.rows);
  items_.reserve(rows);
  tokens_.reserve(rows);
  positions_.reserve(rows);
  sequences_.reserve(rows);
  tables_.reserve(rows);
  logit_rows_.reserve(static_cast<size_t>(resources.plan.limits.logit_rows));
}

absl::Status Step::ReserveBlocks(const ActiveStream& active, int64_t num_tokens) {
  try {
    return active.session->table.Reserve(num_tokens, *resources_.pool);
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
}

bool Step::AddItem(const ActiveStream& active, int64_t count) {
  SessionState& session = *active.session;
  absl::Status status = ReserveBlocks(active, session.cached + count);
  if (!status.ok()) {
    active.stream->Finish(FinishReason::kError, std::move(status));
    return false;
  }
  Item item;
  item.owner = active;
  item.first = session.cached;
  item.count = count;
  item.draws = session.cached + count == static_cast<int64_t>(session.tokens.size()) &&
               WantsToken(*active.stream);
  items_.push_back(std::move(item));
  return true;
}

void Step::AddRows(Item& item) {
  const SessionState& session = *item.owner.session;
  const PromptShape& prompt = item.owner.stream->prompt();
  const bool prompt_logprobs = item.owner.stream->options().prompt_logprobs;
  const int32_t sequence = static_cast<int32_t>(tables_.size());
  tables_.push_back(session.table.blocks());
  for (int64_t i = 0; i < item.count; ++i) {
    const int64_t position = item.first + i;
    // The row of position p tells the probabilities of token p + 1.
    const bool scores = prompt_logprobs && position + 1 < prompt.length;
    if (scores || (item.draws && i == item.count - 1)) {
      if (item.logit_count++ == 0) item.logit_row = static_cast<int64_t>(logit_rows_.size());
      logit_rows_.push_back(static_cast<int32_t>(tokens_.size()));
    }
    tokens_.push_back(session.tokens[static_cast<size_t>(position)]);
    positions_.push_back(static_cast<int32_t>(position));
    sequences_.push_back(sequence);
  }
}

absl::StatusOr<bool> Step::Plan(absl::Span<const ActiveStream> active) {
  candidates_.clear();
  candidate_streams_.clear();
  for (const ActiveStream& one : active) {
    if (one.stream->QueueIsFull()) {
      one.stream->SetPhase(Phase::kPaused);
      continue;
    }
    const SessionState& session = *one.session;
    const int64_t pending = static_cast<int64_t>(session.tokens.size()) - session.cached;
    const bool scoring =
        one.stream->options().prompt_logprobs && session.cached < one.stream->prompt().length;
    candidates_.push_back({.pending = pending, .all_logits = scoring});
    candidate_streams_.push_back(&one);
    one.stream->SetPhase(one.stream->generated() > 0 ? Phase::kDecode : Phase::kPrefill);
  }
  const model::StepLimits& limits = resources_.plan.limits;
  scheduler::PlanStep(candidates_, {.rows = limits.rows, .logit_rows = limits.logit_rows},
                      assignments_);
  tokens_.clear();
  positions_.clear();
  sequences_.clear();
  tables_.clear();
  logit_rows_.clear();
  for (const scheduler::Assignment& assignment : assignments_) {
    const ActiveStream& one = *candidate_streams_[static_cast<size_t>(assignment.candidate)];
    if (AddItem(one, assignment.num_tokens)) AddRows(items_.back());
  }
  if (items_.empty()) return false;
  batch_ = {
      .tokens = tokens_, .positions = positions_, .sequences = sequences_, .block_tables = tables_};
  computed_ = false;
  absl::Status status = resources_.pass->Begin(batch_, logit_rows_);
  if (!status.ok()) return status;
  return true;
}

absl::StatusOr<bool> Step::Run(int64_t slice_cost, absl::FunctionRef<bool()> stop) {
  if (!computed_) {
    absl::StatusOr<bool> done = resources_.pass->Advance(slice_cost, stop);
    if (!done.ok() || !*done) return done;
    computed_ = true;
  }
  const numerics::ScopedFpMode fp_mode;
  for (Item& item : items_) Draw(item);
  return true;
}

void Step::Draw(Item& item) {
  const std::vector<int32_t>& tokens = item.owner.session->tokens;
  StreamState& stream = *item.owner.stream;
  const int64_t scored = item.logit_count - (item.draws ? 1 : 0);
  for (int64_t i = 0; i < scored; ++i) {
    // Without a draw in this item, or with one, the scored rows are its first ones.
    const int64_t next = item.first + i + 1;
    if (next < stream.prompt().first_new) continue;
    stream.PushPromptLogprob(sampling::LogProbOf(resources_.pass->Logits(item.logit_row + i),
                                                 tokens[static_cast<size_t>(next)]));
  }
  if (!item.draws) return;
  item.status = resources_.sampler->Sample(stream.options().sampling,
                                           resources_.pass->Logits(item.logit_row + scored), tokens,
                                           static_cast<int64_t>(tokens.size()), &item.draw);
}

StepCounts Step::Commit() {
  StepCounts counts;
  for (Item& item : items_) CommitItem(item, counts);
  items_.clear();
  return counts;
}

void Step::CommitItem(Item& item, StepCounts& counts) {
  SessionState& session = *item.owner.session;
  StreamState& stream = *item.owner.stream;
  // The KV of these rows is written whatever becomes of the stream.
  session.cached = item.first + item.count;
  counts.prefilled += item.count - (stream.generated() > 0 ? 1 : 0);
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
  } else if (session.cached == static_cast<int64_t>(session.tokens.size())) {
    stream.Finish(FinishReason::kMaxTokens, absl::OkStatus());  // only the prompt was asked for
  }
}

void Step::CommitToken(Item& item) {
  SessionState& session = *item.owner.session;
  StreamState& stream = *item.owner.stream;
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
  } else if (!WantsToken(stream)) {
    stream.Finish(FinishReason::kMaxTokens, absl::OkStatus());
  } else if (static_cast<int64_t>(session.tokens.size()) >= session.context_length) {
    stream.Finish(FinishReason::kContextFull, absl::OkStatus());
  }
}

void Step::Fail(const absl::Status& status) {
  for (Item& item : items_) item.owner.stream->Finish(FinishReason::kError, status);
  Abandon();
}

void Step::Abandon() {
  resources_.pass->Abandon();
  items_.clear();
}

bool Step::Unwanted() const {
  return std::all_of(items_.begin(), items_.end(),
                     [](const Item& item) { return item.owner.stream->cancelled(); });
}

}  // namespace llmrt::engine
