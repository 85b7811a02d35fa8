// What must hold after each operation of the simulated engine.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/scheduler/simulator.h"

namespace llmrt::scheduler {
namespace {

// The chunk that the oldest request's prompt gets at least; scheduler.h has the reason.
int64_t LeastChunk(const SchedulerLimits& limits) {
  return std::min(kOldestRowsMin, limits.rows - limits.running_max + 1);
}

bool Scores(const Request& request) { return request.logits_from != INT64_MAX; }

int64_t LogitRows(const Assignment& assignment) {
  int64_t rows = 0;
  for (int64_t position = assignment.first; position < assignment.first + assignment.count;
       ++position) {
    const Request& request = *assignment.request;
    if (position >= request.logits_from || position + 1 == request.num_tokens) ++rows;
  }
  return rows;
}

}  // namespace

void Simulator::Check(bool holds, const char* what, int64_t value) {
  if (holds || !status_.ok()) return;
  status_ = absl::InternalError(absl::StrCat("step ", counts_.steps, ": ", what, " (", value, ")"));
}

void Simulator::Check(const absl::Status& status) {
  if (status.ok() || !status_.ok()) return;
  status_ = absl::InternalError(absl::StrCat("step ", counts_.steps, ": ", status.message()));
}

void Simulator::CheckPlan(int64_t prefill_rows) {
  const auto plan = scheduler_.planned();
  const auto line = scheduler_.line();
  Check(std::equal(line.begin(), line.end(), line_before_.begin(), line_before_.end()),
        "a plan changes the order of the line");
  if (line.empty()) return Check(plan.empty(), "a plan out of nothing");
  Check(!plan.empty() && plan[0].request == line[0], "a step does not move the oldest request");
  if (!status_.ok()) return;
  const int64_t least = Scores(*line[0]) ? 1 : LeastChunk(options_.limits);
  Check(plan[0].count >= std::min(line[0]->pending(), least), "the oldest gets too few rows",
        plan[0].count);

  int64_t rows = 0;
  int64_t logit_rows = 0;
  int64_t prompt_rows = 0;
  for (const Assignment& assignment : plan) {
    CheckAssignment(assignment);
    rows += assignment.count;
    logit_rows += LogitRows(assignment);
    if (assignment.request->pending() > 1) prompt_rows += assignment.count;
  }
  const bool decodes = std::any_of(plan.begin(), plan.end(), [](const Assignment& assignment) {
    return assignment.request->pending() == 1;
  });
  Check(rows <= options_.limits.rows, "too many rows", rows);
  Check(logit_rows <= options_.limits.logit_rows, "too many logit rows", logit_rows);
  Check(!decodes || prompt_rows <= std::max(prefill_rows, kPrefillRowsMin),
        "prompts take more rows than they may", prompt_rows);
  CheckWhoRuns();
  CheckSeizures();
}

void Simulator::CheckAssignment(const Assignment& assignment) {
  const Request& request = *assignment.request;
  const auto held = static_cast<int64_t>(request.sequence->blocks().size());
  Check(request.state == RequestState::kRunning, "a request in the plan does not run");
  Check(assignment.growth.reserved, "an assignment without its blocks");
  Check(assignment.first == request.sequence->num_tokens(), "a gap before an assignment",
        assignment.first);
  Check(assignment.count >= 1 && assignment.count <= request.pending(),
        "an assignment of tokens that are not pending", assignment.count);
  Check(held == cache_.BlocksFor(assignment.first + assignment.count),
        "a planned sequence has other blocks than it needs", held);
  Check(std::count_if(scheduler_.planned().begin(), scheduler_.planned().end(),
                      [&](const Assignment& other) { return other.request == &request; }) == 1,
        "a request is planned twice");
}

void Simulator::CheckWhoRuns() {
  const bool preempted = scheduler_.num_preemptions() != preemptions_seen_;
  preemptions_seen_ = scheduler_.num_preemptions();
  for (size_t i = 0; i < scheduler_.line().size(); ++i) {
    Session& session = SessionInLine(i);
    const bool runs = session.state == RequestState::kRunning;
    if (runs && session.waits) {
      const int64_t waited = useful_steps_ - session.waits_since;
      counts_.longest_wait = std::max(counts_.longest_wait, waited);
      Check(waited <= session.wait_bound, "a request waited longer than promised", waited);
      session.waits = false;
    }
    // Rows and logit rows suffice for all who decode, so only blocks may lack, and of those only
    // the youngest may be short.
    if (runs && session.pending() == 1 && PlannedIndex(session) < 0) {
      Check(static_cast<int64_t>(i) + 1 == scheduler_.num_running(),
            "a request that decodes is left out", static_cast<int64_t>(i));
    }
    if (!runs && !preempted) break;
    if (session.preemptions == session.preemptions_seen) continue;
    Check(session.preemptions == session.preemptions_seen + 1 && i > 0 && !runs,
          "the oldest is preempted, or one that runs", static_cast<int64_t>(i));
    session.preemptions_seen = session.preemptions;
    ExpectWait(session, i);
  }
}

void Simulator::CheckSeizures() {
  for (const Assignment& assignment : scheduler_.planned()) {
    if (assignment.growth.copy_from != kv::kNoBlock) continue;
    if (std::find(at_risk_.begin(), at_risk_.end(), assignment.request) == at_risk_.end()) continue;
    ++counts_.seizures;
  }
}

int64_t Simulator::StepsNeeded(const Session& session) const {
  const int64_t when_done = session.num_tokens + session.outputs_left;
  const int64_t chunk = Scores(session) ? 1 : LeastChunk(options_.limits);
  return (when_done + chunk - 1) / chunk + session.outputs_left;
}

void Simulator::ExpectWait(Session& session, size_t ahead) {
  session.waits = true;
  session.waits_since = useful_steps_;
  session.wait_bound = 0;
  for (size_t i = 0; i < ahead; ++i) session.wait_bound += StepsNeeded(SessionInLine(i));
}

void Simulator::Validate(bool inside_step) {
  const kv::BlockPool& pool = cache_.pool();
  Check(pool.num_pinned() >= 0 && pool.num_cached() >= 0 && pool.tokens_stored() >= 0,
        "a count below nothing");
  if (++operations_ % operations_per_validation_ == 0) ValidateAll(inside_step);
}

void Simulator::ValidateAll(bool inside_step) {
  ++counts_.validations;
  Check(scheduler_.Validate());
  if (inside_step) {
    Check(cache_.pool().Validate());
  } else {
    sequences_.clear();
    for (const auto& session : sessions_) sequences_.push_back(&session->cached);
    Check(cache_.Validate(sequences_));
  }
  if (status_.ok() && !inside_step) ValidateContents();
}

void Simulator::ValidateContents() {
  int64_t cached_tokens = 0;
  filled_.assign(static_cast<size_t>(options_.num_blocks), 0);
  for (const auto& session : sessions_) {
    const int64_t cached = cache_.NumCached(session->cached);
    cached_tokens += cached;
    Check(cached <= static_cast<int64_t>(session->tokens.size()), "more tokens than there are",
          cached);
    if (!status_.ok()) return;
    const auto tokens = absl::MakeConstSpan(session->tokens).first(static_cast<size_t>(cached));
    Check(memory_.Reads(session->cached.blocks(), tokens), "a sequence's tokens are overwritten",
          cached);
    for (int64_t first = 0; first < cached; first += options_.block_size) {
      const auto block = static_cast<size_t>(
          session->cached.blocks()[static_cast<size_t>(first / options_.block_size)]);
      const auto slots = std::min<int64_t>(options_.block_size, cached - first);
      filled_[block] = std::max(filled_[block], static_cast<int32_t>(slots));
    }
  }
  for (int32_t block = 0; block < options_.num_blocks; ++block) {
    const int32_t filled = cache_.pool().filled(block);
    Check(filled >= filled_[static_cast<size_t>(block)] && filled <= options_.block_size,
          "a block counts other tokens than it has", block);
  }
  // Where nothing is shared no block keeps what a holder left behind.
  if (options_.forks > 0 || options_.host_calls_inside > 0) return;
  Check(cache_.pool().tokens_stored() == cached_tokens, "tokens stored are miscounted",
        cache_.pool().tokens_stored() - cached_tokens);
}

}  // namespace llmrt::scheduler
