// How fast an engine works through prompts and decodes, measured through the C interface on the
// engine's own thread, as a host would run it.
//
// Tokens are random and end tokens are ignored, so every run does the same work; tokens are drawn
// greedily. Times are the engine's own (llmrt_stream_info) on top of the host's clock at submit, so
// nobody has to wake up for a token: the host looks a few times a second whether all is done.
//
// Prefill. A session with `depth` tokens in its KV cache gets a prompt of `prompt` tokens; the rate
// is prompt / (time to first token).
//
// Decode at batch B. B sessions with `depth` tokens (at least one) each generate `generated` tokens
// at once. The clock runs from the moment at which the last of them has its first token, so all are
// decoding, to the moment at which the last of them ends. Streams that were submitted first may
// begin a step earlier; what they generated before the clock started is not counted.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "interrupt.h"
#include "library.h"

namespace llmrt::cli {

struct BenchmarkCase {
  bool prefill = false;
  int64_t batch = 1;
  int64_t depth = 0;
  int64_t prompt = 0;     // prefill only
  int64_t generated = 0;  // decode only, tokens of each session; at least 2
};

class Benchmark {
 public:
  // Both must outlive it. The engine needs `batch` sessions at a time of the cases' lengths.
  Benchmark(llmrt_engine* engine, const InterruptScope& interrupt)
      : engine_(engine), interrupt_(interrupt) {}

  // Once, before anything is measured: pages are touched and clocks go up.
  Outcome WarmUp();

  // One measurement.
  Outcome Measure(const BenchmarkCase& what, double* tokens_per_second);

 private:
  // A stream, and the host's time at which it was submitted, microseconds of a steady clock.
  struct Running {
    Stream stream;
    int64_t submitted_us = 0;
    llmrt_stream_info info = {};
  };

  Outcome FillSessions(int64_t count, int64_t depth, std::vector<Session>* sessions);
  Outcome SubmitTokens(llmrt_session* session, const std::vector<int32_t>& tokens, int64_t generate,
                       Running* running);
  Outcome WaitForAll(std::vector<Running>* streams);
  Outcome MeasurePrefill(const BenchmarkCase& what, double* tokens_per_second);
  Outcome MeasureDecode(const BenchmarkCase& what, double* tokens_per_second);
  Outcome Prepare();
  // A failure once Ctrl-C was pressed.
  Outcome LookForInterrupt() const;

  llmrt_engine* const engine_;
  const InterruptScope& interrupt_;
  int32_t vocab_size_ = 0;
  // Prompts that are measured are all different, so that no cache of prefixes knows them.
  std::mt19937_64 random_{1};
};

// Positions that a session of the case has at its end, and that its engine must have room for. Of
// either kind the last token is drawn; a decode has at least one token to begin with.
int64_t PositionsOf(const BenchmarkCase& what);

// Bytes that one step of a decode reads, on average, for all of its rows: the weights once, and for
// each sequence the keys and values of what stands before it. In step i of n a row at depth d reads
// d + i positions, its own included, so d + (n + 1) / 2 on average; d is at least 1, the token that
// a decode begins with:
//
//     weights + batch * kv_bytes_per_token * (max(depth, 1) + (generated + 1) / 2)
//
// Prefill reads the weights, and the keys and values up to the chunk's end, once a chunk of
// `step_tokens`; here those of all chunks together.
//
// What is not counted: activations, the rows of the embedding, and KV that is written.
struct BytesModel {
  double weights_bytes = 0;
  double kv_bytes_per_token = 0;
  int64_t step_tokens = 0;

  // Bytes read for each token of the case, all of its rows together divided by them.
  double PerToken(const BenchmarkCase& what) const;
};

// Operations for one token, a multiply and an add for each weight of the layers' matrices, and
// 4 x head_dim for each query head, layer and position before: its product with the key and that of
// its weight with the value. The output matrix counts for tokens that one is drawn after: for each
// one in a decode, once for a prompt.
//
//     2 x layers + 2 x output x (1, or 1 / prompt) + 4 x query x positions
struct OperationsModel {
  double layer_weights = 0;   // elements of all matrices in all layers
  double output_weights = 0;  // elements of the matrix that gives logits
  double query_values = 0;    // query heads x head_dim, of all layers together

  // Of a model's tensors, by the names that GGUF gives them. A model with other names has zeros.
  static Outcome Of(llmrt_model* model, OperationsModel* operations);

  double PerToken(const BenchmarkCase& what) const;
};

}  // namespace llmrt::cli
