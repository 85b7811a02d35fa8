// Plays a list of requests on an engine, open loop: requests come when they come, whether or not
// those before are done. Every request has a session of its own, released with its last token.
//
// Modes:
// - Continuous: a request is submitted when it arrives; the engine batches as it likes.
// - Static: classical static batching. Requests form groups of `group_size` in the order of
//   arrival. A group starts when it is complete and the one before has wholly ended; its sequences
//   all keep their rows until the longest answer of the group is done, so each runs to that length
//   (or to its context's end); tokens beyond what was asked for count for nothing. Prompts are not
//   padded to equal length, which is in favour of static batching.
// - Static, early: the same groups, but a sequence that is done gives its row up.
//
// Times are those of a host that waits in llmrt_engine_wait and reads each stream as soon as it has
// something. TTFT counts from the scheduled arrival, so waiting for a group counts. Tokens that are
// read together share the time since the read before evenly.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "interrupt.h"
#include "library.h"
#include "load_requests.h"
#include "terminal.h"

namespace llmrt::cli {

enum class LoadMode { kContinuous, kStatic, kStaticEarly };

struct LoadOutcome {
  int64_t finished = 0;
  int64_t rejected = 0;       // for want of memory
  int64_t prompt_tokens = 0;  // of those that finished, as the next two
  int64_t output_tokens = 0;  // that were asked for
  int64_t cached_tokens = 0;  // of the prompts, found in the KV cache
  int64_t duration_us = 0;    // from the first arrival to the end of the last stream
  std::vector<double> ttft_ms;
  std::vector<double> tpot_ms;  // a request's mean after its first token; answers of two and more
  std::vector<double> itl_ms;   // every gap between two tokens
};

class LoadRun {
 public:
  // All must outlive it. `seed` draws the prompts' tokens.
  LoadRun(llmrt_engine* engine, const std::vector<LoadRequest>& requests, uint64_t seed,
          const InterruptScope& interrupt);

  Outcome Play(LoadMode mode, int64_t group_size, LoadOutcome* outcome);

 private:
  struct InFlight {
    size_t request = 0;
    Session session;
    Stream stream;
    int64_t tokens = 0;  // that were asked for and came
    int64_t first_us = 0;
    int64_t last_us = 0;
  };

  int64_t NowUs() const;  // since the start
  Outcome Prepare();
  // The requests from next_ on that are to start now.
  size_t CountDue(int64_t now_us) const;
  // When to look again: the next arrival that starts something, -1 for none.
  int64_t NextStartUs() const;
  size_t GroupEnd() const;
  Outcome StartDue();
  Outcome Start(size_t request, int64_t max_tokens);
  // Gives `flight` its session and its stream. Any of the steps may find no memory.
  llmrt_status Submit(llmrt_options* options, InFlight* flight);
  Outcome WaitForTokens();
  Outcome Read(llmrt_stream* stream);
  void CountTokens(InFlight& flight, int64_t count, int64_t now_us);
  Outcome End(llmrt_stream* stream, int32_t finish_reason);

  llmrt_engine* const engine_;
  const std::vector<LoadRequest>& requests_;
  const uint64_t seed_;
  const InterruptScope& interrupt_;
  LoadMode mode_ = LoadMode::kContinuous;
  size_t group_size_ = 1;
  int64_t context_length_ = 0;
  std::vector<std::vector<int32_t>> prompts_;
  int64_t epoch_us_ = 0;
  size_t next_ = 0;  // the first request that has not started
  std::unordered_map<llmrt_stream*, InFlight> running_;
  LoadOutcome* outcome_ = nullptr;
};

}  // namespace llmrt::cli
