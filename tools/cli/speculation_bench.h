// What speculation gains: the same streams with and without drafts, in turns, in one engine.
//
// A model with random weights says random things, which no drafter could guess; but what it says is
// known once it was said. A replay drafter proposes the true continuation, each of its tokens wrong
// with a given probability: so it shows what a drafter with such an acceptance would gain, for any
// model that can be run. For prompt lookup the text is forced instead, to spans of the prompt, and
// the engine's own look-up finds them.
//
// A measurement is a pair: all streams of a batch without drafts, then with. Its result is the
// ratio of the two rates; the clock runs from the first submission, with the prompts in the KV
// cache, to the last end.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "interrupt.h"
#include "library.h"

namespace llmrt::cli {

struct SpeculationCase {
  bool lookup = false;     // else a replay drafter
  int64_t batch = 1;       // streams
  int64_t acceptance = 0;  // of the replay drafter: per cent of its tokens that are right
};

struct SpeculationResult {
  SpeculationCase what;
  std::vector<double> speedups;     // of the pairs, ascending
  std::vector<double> plain_rates;  // tokens a second of all streams without drafts, ascending
  // Of the runs with drafts.
  int64_t drafted = 0;
  int64_t accepted = 0;
  int64_t steps = 0;   // summed over the streams that they drew for
  int64_t tokens = 0;  // that these gave

  double tokens_per_step() const;
};

class SpeculationBench {
 public:
  // The engine needs DRAFT_MAX and room for the largest batch, of PositionsOf(generated) tokens
  // each; DRAFT_LOOKUP for the cases that look up, and not for the others.
  SpeculationBench(llmrt_engine* engine, const InterruptScope& interrupt, int64_t generated)
      : engine_(engine), interrupt_(interrupt), generated_(generated) {}
  // Closes the engine: after a failure streams may still run, and ask drafters that live here.
  ~SpeculationBench();
  SpeculationBench(const SpeculationBench&) = delete;
  SpeculationBench& operator=(const SpeculationBench&) = delete;

  static int64_t PositionsOf(int64_t generated) { return kPromptTokens + generated + 1; }

  // One pair, added to the result.
  Outcome Measure(SpeculationResult* result);

 private:
  static constexpr int64_t kPromptTokens = 128;

  // One stream and what its drafter knows.
  struct Speaker {
    Session session;
    Stream stream;
    std::vector<int32_t> said;    // after the prompt, by the model
    std::vector<int32_t> copied;  // after it, where spans of the prompt are forced
    int64_t right_percent = 0;
    std::mt19937_64 random;
    int32_t vocab_size = 0;
    llmrt_stream_info info = {};
  };

  static int64_t Replay(void* speaker, const int32_t* history, int64_t num_history, int32_t* tokens,
                        int64_t capacity);
  // Speakers for a case, with their prompts in the KV cache, and what the model says after them.
  Outcome Prepare(const SpeculationCase& what);
  Outcome AddSpeaker();
  // The first `batch` speakers once.
  Outcome Run(const SpeculationCase& what, bool drafts, double* seconds);
  Outcome MakeOptions(const SpeculationCase& what, bool drafts, Speaker* speaker,
                      Options* options) const;
  Outcome WaitFor(Speaker* speaker) const;

  llmrt_engine* const engine_;
  const InterruptScope& interrupt_;
  const int64_t generated_;
  int32_t vocab_size_ = 0;
  std::vector<std::unique_ptr<Speaker>> speakers_;  // drafters point to them
};

}  // namespace llmrt::cli
