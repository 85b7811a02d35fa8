// How soon a stream that is cancelled inside a long prompt ends, and its blocks are free again.
//
//   cancel_bench MODEL.gguf [--rounds 100] [--prompt 4096] [--latest-ms 800] [--threads 0]
//
// Each round submits a prompt, lets it run for a random time and cancels it. In every other round
// another stream generates beside it, so that the cancelled rows leave a step that goes on.

#include <chrono>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "latencies.h"
#include "llmrt.hpp"

namespace {

using llmrt::bench::Flag;
using llmrt::bench::Latencies;
using llmrt::bench::NowUs;

struct Round {
  double end_us = 0;     // cancel to the terminal event
  double blocks_us = 0;  // cancel to its blocks being free
};

Round CancelOnce(llmrt::Engine& engine, const std::vector<int32_t>& tokens, int64_t wait_us) {
  const int64_t free_before = engine.Info().blocks_free + engine.Info().blocks_cached;
  llmrt::Session session = engine.CreateSession();
  session.AppendTokens(tokens);
  llmrt::Stream stream = session.Submit();
  std::this_thread::sleep_for(std::chrono::microseconds(wait_us));
  Round round;
  const double start = NowUs();
  stream.Cancel();
  stream.Wait();
  round.end_us = NowUs() - start;
  // The other stream, where there is one, takes a block now and then.
  while (engine.Info().blocks_free + engine.Info().blocks_cached + 2 < free_before) {
    std::this_thread::yield();
  }
  round.blocks_us = NowUs() - start;
  return round;
}

int Main(int argc, char** argv) {
  const int64_t rounds = Flag(argc, argv, "--rounds", 100);
  const int64_t prompt = Flag(argc, argv, "--prompt", 4096);
  const int64_t latest_us = Flag(argc, argv, "--latest-ms", 800) * 1000;
  llmrt::Options options(LLMRT_OPTIONS_ENGINE);
  options.Set(LLMRT_ENGINE_CONTEXT_LENGTH, prompt + 64);
  options.Set(LLMRT_ENGINE_SESSIONS, 2);
  options.Set(LLMRT_ENGINE_THREADS, Flag(argc, argv, "--threads", 0));
  llmrt::Engine engine(llmrt::Source::FromPath(argv[1]), options);
  engine.WaitLoad();
  std::mt19937 rng(1);
  const auto vocab_size = static_cast<uint32_t>(engine.GetModel().Info().vocab_size);
  std::vector<int32_t> tokens(static_cast<size_t>(prompt));
  for (int32_t& token : tokens) token = static_cast<int32_t>(rng() % vocab_size);
  llmrt::Options endless(LLMRT_OPTIONS_STREAM);
  endless.Set(LLMRT_STREAM_IGNORE_EOS, 1);

  Latencies end_alone, blocks_alone, end_beside, blocks_beside;
  for (int64_t i = 0; i < rounds; ++i) {
    const int64_t wait_us = static_cast<int64_t>(rng() % static_cast<uint64_t>(latest_us));
    if (i % 2 == 0) {
      const Round round = CancelOnce(engine, tokens, wait_us);
      end_alone.Add(round.end_us);
      blocks_alone.Add(round.blocks_us);
      continue;
    }
    llmrt::Session other = engine.CreateSession();
    other.AppendTokens({tokens[0], tokens[1]});
    llmrt::Stream stream = other.Submit(endless);
    stream.Wait();
    const Round round = CancelOnce(engine, tokens, wait_us);
    end_beside.Add(round.end_us);
    blocks_beside.Add(round.blocks_us);
  }
  end_alone.Print("end, alone");
  blocks_alone.Print("blocks back, alone");
  end_beside.Print("end, beside a stream");
  blocks_beside.Print("blocks back, beside a stream");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return llmrt::bench::RunBenchmark(
      argc, argv, "[--rounds N] [--prompt TOKENS] [--latest-ms MS] [--threads T]", Main);
}
