#include "scheduler/scheduler.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "memory/counted_heap.h"

namespace llmrt::scheduler {

Scheduler::Scheduler(kv::PagedCache& cache, const SchedulerLimits& limits)
    : cache_(cache), limits_(limits) {
  plan_.reserve(static_cast<size_t>(limits.running_max));
}

int64_t Scheduler::HeapBytes(int64_t running_max) {
  return memory::HeapBytesOf(sizeof(Scheduler)) +
         memory::HeapBytesOf(running_max * int64_t{sizeof(Assignment)});
}

void Scheduler::ReserveRoom(size_t requests) {
  if (requests > line_.capacity()) line_.reserve(std::max<size_t>(4, 2 * requests));
}

void Scheduler::Enqueue(Request& request) {
  request.state = RequestState::kWaiting;
  line_.push_back(&request);
}

void Scheduler::Remove(Request& request) {
  if (request.state == RequestState::kOutside) return;
  if (request.state == RequestState::kRunning) {
    cache_.Unpin(*request.sequence);
    --num_running_;
  }
  request.state = RequestState::kOutside;
  line_.erase(std::find(line_.begin(), line_.end(), &request));
}

bool Scheduler::HasRoomFor(const Request& request, int64_t blocks_promised) const {
  if (num_running_ == 0) return true;  // whatever may be submitted fits alone
  // One block a running request in reserve: else the newcomer would soon be preempted again.
  const int64_t reserve = static_cast<int64_t>(num_running_);
  return cache_.BlocksToPin(*request.sequence, request.num_tokens + 1) + blocks_promised +
             reserve <=
         cache_.pool().num_available();
}

void Scheduler::Admit() {
  if (num_running_ == line_.size()) return;
  // Prompts that are still being computed will take these.
  int64_t promised = 0;
  for (size_t i = 0; i < num_running_; ++i) {
    promised += cache_.BlocksToPin(*line_[i]->sequence, line_[i]->num_tokens + 1);
  }
  while (num_running_ < line_.size() && static_cast<int64_t>(num_running_) < limits_.running_max &&
         HasRoomFor(*line_[num_running_], promised)) {
    Request& request = *line_[num_running_++];
    cache_.Pin(*request.sequence);
    request.state = RequestState::kRunning;
    promised += cache_.BlocksToPin(*request.sequence, request.num_tokens + 1);
  }
}

int64_t Scheduler::LogitRowsOf(const Request& request, int64_t count) {
  const int64_t end = request.sequence->num_tokens() + count;
  const int64_t scored =
      std::max<int64_t>(0, end - std::max(request.sequence->num_tokens(), request.logits_from));
  return scored > 0 ? scored : (end == request.num_tokens ? 1 : 0);
}

int64_t Scheduler::RowsFor(const Request& request, const Room& room) const {
  const int64_t pending = request.pending();
  if (pending == 1) return room.rows > 0 && room.logit_rows > 0 ? 1 : 0;
  // A prompt leaves those who decode their logits, but gets one row at least.
  const int64_t logit_rows =
      std::min(room.logit_rows, std::max<int64_t>(1, room.logit_rows - room.decodes));
  int64_t count = std::min({pending, room.rows, room.prefill_rows});
  while (count > 0 && LogitRowsOf(request, count) > logit_rows) {
    count -= LogitRowsOf(request, count) - logit_rows;
  }
  return std::max<int64_t>(count, 0);
}

void Scheduler::GiveBack(const Assignment& assignment, Room& room) const {
  room.rows += assignment.count;
  room.logit_rows += LogitRowsOf(*assignment.request, assignment.count);
  if (assignment.request->pending() > 1) room.prefill_rows += assignment.count;
}

void Scheduler::PreemptYoungest(Room& room) {
  Request& youngest = *line_[num_running_ - 1];
  const auto planned = std::find_if(plan_.begin(), plan_.end(), [&](const Assignment& assignment) {
    return assignment.request == &youngest;
  });
  if (planned != plan_.end()) {
    GiveBack(*planned, room);
    Drop(static_cast<size_t>(planned - plan_.begin()));
  }
  cache_.Unpin(*youngest.sequence);
  youngest.state = RequestState::kWaiting;
  ++youngest.preemptions;
  ++num_preemptions_;
  --num_running_;
}

kv::Growth Scheduler::ReserveFor(size_t index, int64_t& count, Room& room) {
  Request& request = *line_[index];
  for (;;) {
    const kv::Growth growth = cache_.Reserve(*request.sequence, count);
    if (growth.reserved) return growth;
    // A prompt would rather have a shorter chunk than somebody else's blocks.
    const int64_t fits = std::min(count - 1, cache_.TokensThatFit(*request.sequence));
    const bool is_youngest = index + 1 == num_running_;
    if (fits >= (is_youngest ? 1 : kPrefillRowsMin)) {
      count = fits;
    } else if (is_youngest) {
      return growth;  // it waits for a later step
    } else {
      PreemptYoungest(room);
    }
  }
}

void Scheduler::PlanOne(size_t index, Room& room) {
  Request& request = *line_[index];
  int64_t count = RowsFor(request, room);
  if (count < 1) return;
  const kv::Growth growth = ReserveFor(index, count, room);
  if (!growth.reserved) return;
  plan_.push_back({&request, request.sequence->num_tokens(), count, growth});
  room.rows -= count;
  room.logit_rows -= LogitRowsOf(request, count);
  if (request.pending() > 1) room.prefill_rows -= count;
}

absl::Span<const Assignment> Scheduler::Plan(int64_t prefill_rows) {
  plan_.clear();
  spare_rows_ = spare_logit_rows_ = 0;
  Admit();
  if (num_running_ == 0) return plan_;
  Room room = {limits_.rows, limits_.logit_rows, limits_.rows, 0};
  for (size_t i = 0; i < num_running_; ++i) room.decodes += Decodes(i) ? 1 : 0;
  if (num_running_ > 1) {
    // Those who decode have their rows, and a prompt has one in any case.
    const int64_t left = std::max<int64_t>(1, limits_.rows - room.decodes);
    room.prefill_rows = std::min(std::max(prefill_rows, kPrefillRowsMin), left);
  }
  PlanOldest(room);
  // num_running_ shrinks where somebody is preempted.
  for (size_t i = 1; i < num_running_; ++i) {
    if (Decodes(i)) PlanOne(i, room);
  }
  room.decodes = 0;
  PlanPrompts(room);
  spare_rows_ = room.rows;
  spare_logit_rows_ = room.logit_rows;
  return plan_;
}

void Scheduler::PlanOldest(Room& room) {
  int64_t of_shorter = 0;
  for (size_t i = 1; i < num_running_; ++i) {
    if (!Decodes(i) && line_[i]->pending() < line_[0]->pending()) of_shorter += line_[i]->pending();
  }
  const int64_t all = room.prefill_rows;
  const int64_t share = std::min(all, std::max(kOldestRowsMin, all - of_shorter));
  room.prefill_rows = share;
  PlanOne(0, room);
  room.prefill_rows += all - share;
}

void Scheduler::PlanPrompts(Room& room) {
  // From the shortest to the longest, and among equals in order; found anew each time, because who
  // is preempted meanwhile drops out.
  int64_t done_pending = 1;
  size_t done_index = 0;
  for (;;) {
    size_t next = num_running_;
    for (size_t i = 1; i < num_running_; ++i) {
      const int64_t pending = line_[i]->pending();
      const bool is_done =
          pending < done_pending || (pending == done_pending && i <= done_index) || pending == 1;
      if (!is_done && (next == num_running_ || pending < line_[next]->pending())) next = i;
    }
    if (next == num_running_) return;
    done_pending = line_[next]->pending();
    done_index = next;
    PlanOne(next, room);
  }
}

int64_t Scheduler::Extend(size_t index, int64_t rows) {
  Assignment& assignment = plan_[index];
  const kv::BlockPool& pool = cache_.pool();
  const int64_t blocks_max = num_waiting() == 0 ? pool.num_available() : pool.num_free();
  const int64_t wanted = assignment.count + std::min(rows, spare_rows());
  const int64_t count = cache_.Extend(*assignment.request->sequence, wanted, blocks_max);
  const int64_t given = count - assignment.count;
  assignment.count = count;
  spare_rows_ -= given;
  spare_logit_rows_ -= given;
  return given;
}

void Scheduler::Drop(size_t index) {
  cache_.Rollback(*plan_[index].request->sequence, plan_[index].growth);
  plan_.erase(plan_.begin() + static_cast<std::ptrdiff_t>(index));
}

void Scheduler::Trim(size_t index, int64_t count) {
  cache_.Trim(*plan_[index].request->sequence, count);
  plan_[index].count = count;
}

void Scheduler::Rollback() {
  while (!plan_.empty()) Drop(plan_.size() - 1);
}

void Scheduler::Commit() {
  for (const Assignment& assignment : plan_) {
    Request& request = *assignment.request;
    cache_.Commit(*request.sequence, assignment.count, assignment.growth);
    const int64_t end = request.sequence->num_tokens();
    const int64_t again = std::min(end, request.tokens_written) - assignment.first;
    if (again > 0) {
      request.tokens_recomputed += again;
      tokens_recomputed_ += again;
    }
    request.tokens_written = std::max(request.tokens_written, end);
  }
  plan_.clear();
}

absl::Status Scheduler::Validate() const {
  for (size_t i = 0; i < line_.size(); ++i) {
    const Request& request = *line_[i];
    const bool runs = i < num_running_;
    if (request.state != (runs ? RequestState::kRunning : RequestState::kWaiting) ||
        request.sequence->pinned() != runs) {
      return absl::InternalError(absl::StrCat("request ", i, " of ", line_.size(),
                                              " in line is in the wrong state; ", num_running_,
                                              " run"));
    }
    if (request.pending() < 1) {
      return absl::InternalError(absl::StrCat("request ", i, " in line has nothing pending"));
    }
  }
  if (static_cast<int64_t>(num_running_) > limits_.running_max) {
    return absl::InternalError(
        absl::StrCat(num_running_, " requests run; the limit is ", limits_.running_max));
  }
  return absl::OkStatus();
}

}  // namespace llmrt::scheduler
