// One step of the simulated engine: plan, run, commit or roll back.
#include <algorithm>

#include "tests/scheduler/simulator.h"

namespace llmrt::scheduler {
namespace {

constexpr uint32_t kGarbage = UINT32_MAX;

}  // namespace

void Simulator::Step() {
  line_before_.assign(scheduler_.line().begin(), scheduler_.line().end());
  at_risk_.clear();
  for (int64_t i = 0; i < scheduler_.num_running(); ++i) {
    const kv::Sequence& sequence = *scheduler_.line()[static_cast<size_t>(i)]->sequence;
    if (sequence.num_tokens() % options_.block_size == 0) continue;
    if (cache_.pool().holders(sequence.blocks().back()) > 1) at_risk_.push_back(line_before_[i]);
  }
  const int64_t prefill_rows = random_.Below(options_.limits.rows + 1);
  scheduler_.Plan(prefill_rows);
  CheckPlan(prefill_rows);
  counts_.steps_with_work += scheduler_.planned().empty() ? 0 : 1;
  Validate(true);
  if (scheduler_.planned().empty() || !status_.ok()) return;

  const Assignment oldest = scheduler_.planned()[0];
  TrimAtRandom();
  if (random_.Chance(options_.host_calls_inside)) {
    RunOnDevice(true);
    CallHostsInsideStep();
  }
  if (!status_.ok()) return;
  if (random_.Chance(options_.failures)) {
    RunOnDevice(true);
    ++counts_.rollbacks;
    if (!Mistaken(Mistake::kCommitFailure)) return scheduler_.Rollback(), Validate(false);
  } else {
    RunOnDevice(false);
  }
  const auto plan = scheduler_.planned();
  const bool useful =
      !plan.empty() && plan[0].request == oldest.request && plan[0].count == oldest.count;
  if (status_.ok()) CommitStep();
  useful_steps_ += useful ? 1 : 0;
}

void Simulator::TrimAtRandom() {
  if (!random_.Chance(options_.trims)) return;
  const auto plan = scheduler_.planned();
  const int64_t index = random_.Below(static_cast<int64_t>(plan.size()));
  const int64_t count = plan[static_cast<size_t>(index)].count;
  if (count == 1) return;
  scheduler_.Trim(static_cast<size_t>(index), random_.Between(1, count - 1));
  CheckAssignment(scheduler_.planned()[static_cast<size_t>(index)]);
  ++counts_.trims;
  Validate(true);
}

void Simulator::RunOnDevice(bool garbage) {
  const auto plan = scheduler_.planned();
  memory_.BeginStep();
  if (!Mistaken(Mistake::kSkipCopy) && !Mistaken(Mistake::kCopyLate)) CopyBlocks(plan);
  for (const Assignment& assignment : plan) {
    const auto tokens = absl::MakeConstSpan(SessionOf(assignment).tokens);
    Check(memory_.Reads(assignment.request->sequence->blocks(),
                        tokens.subspan(0, static_cast<size_t>(assignment.first))),
          "a sequence reads what is not its own", assignment.first);
  }
  for (const Assignment& assignment : plan) WriteRows(assignment, garbage);
  if (Mistaken(Mistake::kCopyLate)) CopyBlocks(plan);
}

void Simulator::CopyBlocks(absl::Span<const Assignment> plan) {
  for (const Assignment& assignment : plan) {
    const kv::Growth& growth = assignment.growth;
    if (growth.copy_from == kv::kNoBlock) continue;
    const int64_t slots = assignment.first % options_.block_size;
    Check(memory_.Copy(growth.copy_from, growth.copy_to, slots),
          "a copied block is written in the same step", growth.copy_from);
    ++counts_.copies;
  }
}

void Simulator::WriteRows(const Assignment& assignment, bool garbage) {
  Session& session = SessionOf(assignment);
  const auto blocks = session.cached.blocks();
  const int64_t end = assignment.first + assignment.count;
  Check(static_cast<int64_t>(blocks.size()) == cache_.BlocksFor(end),
        "a sequence lost its blocks in the middle of a step", end);
  if (!status_.ok()) return;
  for (int64_t position = assignment.first; position < end; ++position) {
    const int32_t block = blocks[static_cast<size_t>(position / options_.block_size)];
    const int64_t slot = position % options_.block_size;
    if (slot == 0 || position == assignment.first) {
      Check(cache_.pool().holders(block) == 1 && cache_.pool().pins(block) == 1,
            "a row is written to a block that others hold", block);
    }
    if (Mistaken(Mistake::kSkipRow) && position + 1 == end && assignment.count > 1) continue;
    if (Mistaken(Mistake::kSkipRecompute) && position < session.tokens_written) continue;
    const bool beside = Mistaken(Mistake::kWriteRowBeside) && slot > 0;
    Check(memory_.Write(block, beside ? slot - 1 : slot,
                        garbage ? kGarbage : session.tokens[static_cast<size_t>(position)]),
          "two rows are written to one slot", block);
  }
}

void Simulator::CommitStep() {
  const std::vector<Assignment> done(scheduler_.planned().begin(), scheduler_.planned().end());
  scheduler_.Commit();
  for (const Assignment& assignment : done) {
    Check(assignment.request->sequence->num_tokens() == assignment.first + assignment.count,
          "a commit counts other tokens than were planned", assignment.count);
    counts_.rows += assignment.count;
  }
  for (const Assignment& assignment : done) Deliver(assignment);
  Validate(false);
}

void Simulator::Deliver(const Assignment& assignment) {
  Session& session = SessionOf(assignment);
  const int64_t end = assignment.first + assignment.count;
  const int64_t scored = std::max(assignment.first, session.logits_from);
  if (scored < end) {
    Check(scored == session.scored_from, "a row gives its logits twice or never", scored);
    session.scored_from = end;
    if (!Mistaken(Mistake::kKeepLogitsFrom)) session.logits_from = end;
    counts_.scored_rows += end - scored;
  }
  if (end == session.num_tokens) Draw(session);
  // Readers keep up in the end: whoever pauses again and again, while others take the blocks, never
  // comes to compute a long prompt anew.
  if (session.activity == Activity::kInLine && !draining_ && random_.Chance(options_.pauses)) {
    ++counts_.pauses;
    scheduler_.Remove(session);
    session.activity = Activity::kPaused;
    session.wakes_at = counts_.steps + random_.Length(50);
  }
}

void Simulator::Draw(Session& session) {
  if (session.outputs_left > 0) {
    --session.outputs_left;
    session.tokens.push_back(next_token_++);
    if (!Mistaken(Mistake::kForgetToken)) ++session.num_tokens;
  }
  if (session.outputs_left > 0) return;
  ++counts_.finished;
  // Others are still in line with a token that they have to be told of: only the end of the commit
  // is a state to check.
  scheduler_.Remove(session);
  session.activity = Activity::kResting;
  session.wakes_at = counts_.steps + random_.Length(options_.think_max);
}

}  // namespace llmrt::scheduler
