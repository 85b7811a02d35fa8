// What the hosts of the simulated engine do: sessions come, speak, fork and go.
#include <algorithm>

#include "tests/scheduler/simulator.h"

namespace llmrt::scheduler {

void Simulator::CallHosts() {
  if (random_.Chance(options_.arrivals)) Arrive();
  WakeSessions();
  CallAtRandom(options_.cancels, options_.destroys, options_.forks, options_.rewinds);
}

void Simulator::CallHostsInsideStep() {
  // Whoever has an assignment loses it when the call is about its session.
  CallAtRandom(500, 200, 200, 200);
  if (random_.Chance(300)) WakeSessions();
}

void Simulator::CallAtRandom(int64_t cancels, int64_t destroys, int64_t forks, int64_t rewinds) {
  const auto pick = [this] {
    return static_cast<size_t>(random_.Below(static_cast<int64_t>(sessions_.size())));
  };
  if (!sessions_.empty() && random_.Chance(cancels)) {
    Session& session = *sessions_[pick()];
    if (session.activity != Activity::kResting) {
      ++counts_.cancels;
      Leave(session, Activity::kResting, random_.Length(options_.think_max));
    }
  }
  if (!sessions_.empty() && random_.Chance(rewinds)) {
    Session& session = *sessions_[pick()];
    if (session.activity == Activity::kResting) Rewind(session);
  }
  if (!sessions_.empty() && random_.Chance(forks)) {
    const Session& parent = *sessions_[pick()];
    // The blocks of a planned sequence may hold nothing yet.
    if (PlannedIndex(parent) < 0) Fork(parent);
  }
  if (!sessions_.empty() && random_.Chance(destroys)) Destroy(pick());
}

Simulator::Session& Simulator::AddSession() {
  sessions_.push_back(std::make_unique<Session>());
  Session& session = *sessions_.back();
  session.sequence = &session.cached;
  session.turns_left = random_.Between(1, options_.turns_max);
  return session;
}

void Simulator::Arrive() {
  const int64_t burst = random_.Between(1, options_.burst_max);
  for (int64_t i = 0; i < burst; ++i) {
    if (static_cast<int64_t>(sessions_.size()) >= options_.sessions_max) return;
    StartTurn(AddSession());
  }
}

void Simulator::WakeSessions() {
  for (size_t i = sessions_.size(); i-- > 0;) {
    Session& session = *sessions_[i];
    if (session.activity == Activity::kInLine || session.wakes_at > counts_.steps) continue;
    if (session.activity == Activity::kPaused) {
      Join(session);
    } else if (draining_) {
      continue;
    } else if (session.turns_left > 0) {
      StartTurn(session);
    } else {
      Destroy(i);
    }
    if (!status_.ok()) return;
  }
}

void Simulator::StartTurn(Session& session) {
  --session.turns_left;
  const auto held = static_cast<int64_t>(session.tokens.size());
  if (held == options_.context) return Rewind(session);
  const int64_t room = options_.context - held;
  const auto prompt = std::min(room, random_.Length(options_.prompt_max));
  // None: the host wanted the logits of the prompt only.
  session.outputs_left = std::min(room - prompt, random_.Length(options_.output_max));
  for (int64_t i = 0; i < prompt; ++i) session.tokens.push_back(next_token_++);

  static_cast<Request&>(session) = Request{};
  session.sequence = &session.cached;
  session.num_tokens = held + prompt;
  session.preemptions_seen = 0;
  if (random_.Chance(options_.scores)) {
    session.logits_from = random_.Between(held, session.num_tokens - 1);
    session.scored_from = session.logits_from;
  }
  cache_.ReserveTable(session.cached, session.num_tokens + session.outputs_left);
  ++counts_.turns;
  Join(session);
}

void Simulator::Join(Session& session) {
  scheduler_.ReserveRoom(scheduler_.line().size() + 1);
  scheduler_.Enqueue(session);
  session.activity = Activity::kInLine;
  ExpectWait(session, scheduler_.line().size() - 1);
  Validate(!scheduler_.planned().empty());
}

void Simulator::Leave(Session& session, Activity activity, int64_t steps_away) {
  const int64_t planned = PlannedIndex(session);
  if (planned >= 0 && !Mistaken(Mistake::kForgetDrop)) {
    scheduler_.Drop(static_cast<size_t>(planned));
    ++counts_.drops;
  }
  scheduler_.Remove(session);
  session.activity = activity;
  session.wakes_at = counts_.steps + steps_away;
  session.waits = false;
  Validate(!scheduler_.planned().empty());
}

void Simulator::Destroy(size_t index) {
  std::swap(sessions_[index], sessions_.back());
  Session& session = *sessions_.back();
  const bool in_line = session.activity == Activity::kInLine;
  if (in_line && Mistaken(Mistake::kForgetRemove) && PlannedIndex(session) < 0) {
    forgotten_.push_back(std::move(sessions_.back()));
  } else if (in_line) {
    Leave(session, Activity::kResting, 0);
  }
  if (!Mistaken(Mistake::kForgetClear)) cache_.Clear(session.cached);
  if (Mistaken(Mistake::kForgetDrop)) forgotten_.push_back(std::move(sessions_.back()));
  sessions_.pop_back();
  ++counts_.destroys;
  Validate(!scheduler_.planned().empty());
}

void Simulator::Fork(const Session& parent) {
  if (static_cast<int64_t>(sessions_.size()) >= options_.sessions_max) return;
  Session& child = AddSession();
  const auto count = random_.Below(static_cast<int64_t>(parent.tokens.size()) + 1);
  child.tokens.assign(parent.tokens.begin(), parent.tokens.begin() + count);
  const int64_t cached = std::min(count, cache_.NumCached(parent.cached));
  cache_.Fork(parent.cached, count, child.cached);
  Check(child.cached.num_tokens() == cached, "a fork has other tokens than its parent", cached);
  child.wakes_at = counts_.steps + random_.Length(options_.think_max);
  ++counts_.forks;
  Validate(!scheduler_.planned().empty());
  // Many write into the blocks that they share while their parents still do.
  if (!draining_ && status_.ok() && random_.Chance(500)) StartTurn(child);
}

void Simulator::Rewind(Session& session) {
  const auto count = random_.Below(static_cast<int64_t>(session.tokens.size()) + 1);
  session.tokens.resize(static_cast<size_t>(count));
  cache_.Rewind(session.cached, count);
  ++counts_.rewinds;
  Validate(!scheduler_.planned().empty());
}

void Simulator::EndAll() {
  // An engine goes away in the middle of a step: the plan first, then the sessions, in any order.
  scheduler_.Rollback();
  while (status_.ok() && !sessions_.empty()) {
    Destroy(static_cast<size_t>(random_.Below(static_cast<int64_t>(sessions_.size()))));
  }
  ValidateAll(false);
  Check(scheduler_.line().empty(), "requests are left in line");
  Check(cache_.pool().num_free() == options_.num_blocks, "blocks are left behind",
        options_.num_blocks - cache_.pool().num_free());
  Check(cache_.pool().tokens_stored() == 0, "tokens are left behind",
        cache_.pool().tokens_stored());
}

}  // namespace llmrt::scheduler
