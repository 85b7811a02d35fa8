#include "engine/drafting.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "memory/counted_heap.h"

namespace llmrt::engine {

using speculation::DraftCandidate;
using speculation::Drafter;
using speculation::DraftTask;
using speculation::Offer;
using speculation::PlainStep;

namespace {

using Clock = std::chrono::steady_clock;

double MicrosSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

}  // namespace

Drafting::Drafting(int64_t streams_max, int32_t vocab_size, speculation::StepCost cost,
                   LogRing& log)
    : cost_(std::move(cost)), policy_(cost_), host_(vocab_size), log_(log) {
  const auto streams = static_cast<size_t>(streams_max);
  tasks_.reserve(streams);
  candidates_.reserve(streams);
  round_.reserve(streams);
  task_of_.reserve(streams);
}

int64_t Drafting::HeapBytes(int64_t streams_max) {
  using memory::HeapBytesOf;
  return HeapBytesOf(sizeof(Drafting)) + speculation::StepCost::HeapBytes() +
         HeapBytesOf(streams_max * int64_t{sizeof(Task)}) +
         HeapBytesOf(streams_max * int64_t{sizeof(DraftCandidate)}) +
         HeapBytesOf(streams_max * int64_t{sizeof(DraftTask*)}) +
         HeapBytesOf(streams_max * int64_t{sizeof(int64_t)});
}

void Drafting::Welcome(ActiveStream& stream) {
  if (stream.drafts == nullptr) return;
  lookup_.Welcome(*stream.drafts);
  host_.Welcome(*stream.drafts);
}

Drafting::Offers Drafting::OffersFor(ActiveStream& stream, const PlainStep& step,
                                     int64_t length_max) {
  Offers offers;
  std::array<double, kDrafters> value = {};
  for (Drafter* const drafter : {static_cast<Drafter*>(&host_), static_cast<Drafter*>(&lookup_)}) {
    const Offer offer = drafter->MakeOffer(*stream.drafts, stream.session->tokens);
    if (offer.acceptance == nullptr) continue;
    const double worth = policy_.Value(step, *offer.acceptance, offer.us_a_token, length_max);
    size_t place = offers.count++;
    for (; place > 0 && value[place - 1] < worth; --place) {
      offers.offer[place] = offers.offer[place - 1];
      offers.drafter[place] = offers.drafter[place - 1];
      value[place] = value[place - 1];
    }
    offers.offer[place] = offer;
    offers.drafter[place] = drafter;
    value[place] = worth;
  }
  return offers;
}

void Drafting::Plan(scheduler::Scheduler& scheduler) {
  const absl::Span<const scheduler::Assignment> planned = scheduler.planned();
  tasks_.clear();
  candidates_.clear();
  draft_us_ = 0;
  task_of_.assign(planned.size(), -1);
  PlainStep step = {.draft_rows_max = scheduler.spare_rows()};
  if (step.draft_rows_max == 0) return;
  for (const scheduler::Assignment& assignment : planned) step.rows += assignment.count;
  step.tokens = step.rows;
  for (size_t i = 0; i < planned.size(); ++i) {
    ActiveStream& stream = *static_cast<ActiveStream*>(planned[i].request);
    if (stream.drafts == nullptr || stream.pending() != 1) continue;
    const int64_t length_max = stream.DraftsMax();
    if (length_max < 1) continue;
    const Offers offers = OffersFor(stream, step, length_max);
    if (offers.count == 0) continue;
    task_of_[i] = static_cast<int64_t>(tasks_.size());
    tasks_.push_back({.owner = &stream, .offers = offers});
    candidates_.push_back({.acceptance = offers.offer[0].acceptance,
                           .us_a_token = offers.offer[0].us_a_token,
                           .length_max = length_max});
  }
  if (tasks_.empty() || policy_.Plan(step, absl::MakeSpan(candidates_)) == 0) {
    task_of_.assign(planned.size(), -1);
    tasks_.clear();
    return;
  }
  for (size_t i = 0; i < planned.size(); ++i) {
    if (task_of_[i] < 0) continue;
    const auto index = static_cast<size_t>(task_of_[i]);
    const int64_t granted = scheduler.Extend(i, candidates_[index].length);
    Task& task = tasks_[index];
    if (granted == 0) {
      task_of_[i] = -1;
      task.owner = nullptr;
      continue;
    }
    task.draft.stream = task.owner->drafts.get();
    task.draft.history = task.owner->session->tokens;
    task.draft.granted = granted;
  }
}

absl::Span<const int32_t> Drafting::TokensOf(int64_t task) const {
  const DraftTask& draft = tasks_[static_cast<size_t>(task)].draft;
  return absl::MakeConstSpan(draft.tokens).first(static_cast<size_t>(draft.drafted));
}

void Drafting::EndTurn(Task& task) {
  if (task.draft.failure != speculation::DraftFailure::kNone) {
    log_.Add(LogLevel::kWarning, [&] {
      return absl::StrCat("a stream's drafter was dropped: ", host_.Describe(task.draft));
    });
    task.draft.failure = speculation::DraftFailure::kNone;
  }
  if (task.draft.drafted == 0) ++task.turn;
}

bool Drafting::RunDrafter(Drafter& drafter, absl::FunctionRef<bool()> stop) {
  round_.clear();
  for (Task& task : tasks_) {
    if (!task.settled() && task.offers.drafter[task.turn] == &drafter) {
      round_.push_back(&task.draft);
    }
  }
  if (round_.empty()) return true;
  const absl::StatusOr<bool> done = drafter.Draft(round_, stop);
  if (done.ok() && !*done) return false;
  for (Task& task : tasks_) {
    if (!task.settled() && task.offers.drafter[task.turn] == &drafter) EndTurn(task);
  }
  return true;
}

void Drafting::Prepare(ActiveStream& stream) {
  const Clock::time_point start = Clock::now();
  lookup_.Prepare(*stream.drafts, stream.session->tokens);
  draft_us_ += MicrosSince(start);
}

bool Drafting::Run(absl::FunctionRef<bool()> stop) {
  const Clock::time_point start = Clock::now();
  bool done = true;
  // Who had nothing leaves the turn to the next one.
  for (size_t turn = 0; done && turn < kDrafters; ++turn) {
    done = RunDrafter(host_, stop) && RunDrafter(lookup_, stop);
  }
  draft_us_ += MicrosSince(start);
  return done;
}

void Drafting::Learn(int64_t task, int64_t kept) {
  Task& done = tasks_[static_cast<size_t>(task)];
  speculation::StreamDrafts& stream = *done.draft.stream;
  // To have no idea is to be wrong, as far as a grant's worth goes.
  for (size_t i = 0; i < done.turn; ++i) done.offers.drafter[i]->Learn(stream, 1, 0);
  if (done.draft.drafted > 0) {
    done.offers.drafter[done.turn]->Learn(stream, done.draft.drafted, kept);
  }
}

}  // namespace llmrt::engine
