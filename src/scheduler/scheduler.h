// Who runs in the next step: admission, the mix of decode rows and prefill chunks, preemption. Pure
// logic over the paged cache: no clocks, no threads, no tensors, so that a simulator can run it by
// the million steps.
//
// Requests stand in one line, in the order of their arrival. A leading part of the line runs (its
// sequences are pinned), the rest waits. A step takes, in this order:
//   1. the oldest running request, so that it always moves: its next token, or a chunk of its
//      prompt that leaves shorter prompts their rows, but is at least kOldestRowsMin long;
//   2. one row for each request that waits for its next token (decode);
//   3. the other prompts, in chunks, the shortest first, as far as rows are left: so a short
//      question is answered while a long one is being read.
// When a request needs a block and all blocks are pinned, the youngest running request is
// preempted: its sequence rests, it goes to the head of those that wait, and what is evicted of it
// meanwhile is computed again. The oldest is never preempted.
//
// The bound on waiting: in each step the oldest request commits a token, or a chunk of its prompt
// of at least C = min(kOldestRowsMin, rows - running_max + 1) tokens (of a prompt whose rows all
// give logits, at least one). So a request starts after at most
//     sum over the requests ahead of it of  ceil(tokens when done / C) + tokens to generate
// steps, whatever comes after it. A request whose reader lags is paused: it leaves the line, keeps
// its blocks only as long as nobody needs them, and stands at the end of the line when it resumes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kv/paged_cache.h"

namespace llmrt::scheduler {

// Prompts together get at least so many rows of a step, and the oldest one of these.
inline constexpr int64_t kPrefillRowsMin = 16;
inline constexpr int64_t kOldestRowsMin = 8;

enum class RequestState : uint8_t { kOutside, kWaiting, kRunning };

// One stream, as the scheduler sees it. Owned by the caller, at one address while it is in line.
struct Request {
  kv::Sequence* sequence = nullptr;
  // Tokens known so far. Those whose KV is not there are pending; with the last one's row the next
  // token can be drawn.
  int64_t num_tokens = 0;
  // Rows from this position on give logits, not only the last one.
  int64_t logits_from = INT64_MAX;

  RequestState state = RequestState::kOutside;
  int64_t preemptions = 0;
  int64_t tokens_recomputed = 0;  // written once more, after an eviction
  int64_t tokens_written = 0;     // the most tokens that its sequence ever had while it ran

  int64_t pending() const { return num_tokens - sequence->num_tokens(); }
};

struct SchedulerLimits {
  int64_t rows = 0;         // of one step; at least running_max
  int64_t logit_rows = 0;   // of these, how many can give logits
  int64_t running_max = 0;  // requests that run at a time; at most logit_rows
};

// One request's part of a step: `count` tokens from position `first`.
struct Assignment {
  Request* request = nullptr;
  int64_t first = 0;
  int64_t count = 0;
  kv::Growth growth;
};

class Scheduler {
 public:
  Scheduler(kv::PagedCache& cache, const SchedulerLimits& limits);
  // Of a scheduler without requests, for plans.
  static int64_t HeapBytes(int64_t running_max);

  // Room for `requests` requests in line: what may throw, so that Enqueue cannot.
  void ReserveRoom(size_t requests);
  // At the end of the line.
  void Enqueue(Request& request);
  // Out of the line: finished, cancelled or paused. Its sequence rests. Its assignment of a step
  // that is planned must have been dropped or committed.
  void Remove(Request& request);

  // Plans a step and reserves all its blocks. `prefill_rows` bounds the rows of prompts where more
  // than one request runs. Empty: nothing can run. One step at a time: it ends with
  // Commit or Rollback.
  absl::Span<const Assignment> Plan(int64_t prefill_rows);
  absl::Span<const Assignment> planned() const { return plan_; }
  // Up to `rows` rows more for an assignment of one row that gives logits: tokens that are only
  // guessed so far. They take blocks that nobody has or, unless somebody waits for blocks, that
  // only resting sequences have. Returns how many it got.
  int64_t Extend(size_t index, int64_t rows);
  // Rows that Extend may still give in the planned step.
  int64_t spare_rows() const { return std::min(spare_rows_, spare_logit_rows_); }
  // One assignment leaves the planned step, undone; the others stay as they are, in order.
  void Drop(size_t index);
  // An assignment of several rows gives up its last ones; it keeps `count`.
  void Trim(size_t index, int64_t count);
  void Rollback();
  // The planned step was run.
  void Commit();

  int64_t num_running() const { return static_cast<int64_t>(num_running_); }
  int64_t num_waiting() const { return static_cast<int64_t>(line_.size() - num_running_); }
  int64_t num_preemptions() const { return num_preemptions_; }
  int64_t tokens_recomputed() const { return tokens_recomputed_; }
  absl::Span<Request* const> line() const { return line_; }
  const SchedulerLimits& limits() const { return limits_; }

  // Checks every invariant of the line. INTERNAL with the first violation.
  absl::Status Validate() const;

 private:
  struct Room {
    int64_t rows = 0;
    int64_t logit_rows = 0;
    int64_t prefill_rows = 0;
    int64_t decodes = 0;  // requests that still get their one row, with logits
  };

  void Admit();
  bool Decodes(size_t index) const { return line_[index]->pending() == 1; }
  bool HasRoomFor(const Request& request, int64_t blocks_promised) const;
  void PlanOne(size_t index, Room& room);
  void PlanOldest(Room& room);
  void PlanPrompts(Room& room);
  int64_t RowsFor(const Request& request, const Room& room) const;
  kv::Growth ReserveFor(size_t index, int64_t& count, Room& room);
  void PreemptYoungest(Room& room);
  void GiveBack(const Assignment& assignment, Room& room) const;
  static int64_t LogitRowsOf(const Request& request, int64_t count);

  kv::PagedCache& cache_;
  const SchedulerLimits limits_;
  std::vector<Request*> line_;  // by arrival; the first num_running_ run
  size_t num_running_ = 0;
  std::vector<Assignment> plan_;
  int64_t spare_rows_ = 0;        // that the planned step has left
  int64_t spare_logit_rows_ = 0;  // of these, how many can give logits
  int64_t num_preemptions_ = 0;
  int64_t tokens_recomputed_ = 0;
};

}  // namespace llmrt::scheduler
