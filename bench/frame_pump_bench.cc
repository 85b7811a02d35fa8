// How far llmrt_engine_step overruns its time in a 60 Hz host: a prompt is computed and a stream
// generates, in slices of --budget-us a frame, with the rest of each frame slept away (so that
// caches and worker threads are as cold as in a real host).
//
//   frame_pump_bench MODEL.gguf [--frames 1000] [--budget-us 2000] [--frame-us 16667] [--threads 0]
//
// The first half of the frames works on a prompt, the second half decodes; both are reported.

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

struct Settings {
  int64_t frames = 0;
  int64_t budget_us = 0;
  int64_t frame_us = 0;
};

std::vector<int32_t> RandomTokens(int64_t count, int32_t vocab_size) {
  std::mt19937 rng(1);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens)
    token = static_cast<int32_t>(rng() % static_cast<uint32_t>(vocab_size));
  return tokens;
}

// One frame: the time that the call took beyond its budget.
double Frame(llmrt::Engine& engine, const Settings& settings) {
  const double start = NowUs();
  engine.Step(settings.budget_us);
  const double took = NowUs() - start;
  const double rest = static_cast<double>(settings.frame_us) - took;
  if (rest > 0) std::this_thread::sleep_for(std::chrono::duration<double, std::micro>(rest));
  return std::max(0.0, took - static_cast<double>(settings.budget_us));
}

// Frames until `frames` of them had work; a stream that ends early is a benchmark too small.
Latencies Run(llmrt::Engine& engine, llmrt::Stream& stream, const Settings& settings,
              int64_t frames) {
  Latencies overruns;
  for (int64_t i = 0; i < frames; ++i) {
    if (stream.Info().state == LLMRT_STREAM_FINISHED) {
      std::printf("the stream ended after %lld frames\n", static_cast<long long>(i));
      break;
    }
    overruns.Add(Frame(engine, settings));
  }
  return overruns;
}

int Main(int argc, char** argv) {
  Settings settings;
  settings.frames = Flag(argc, argv, "--frames", 1000);
  settings.budget_us = Flag(argc, argv, "--budget-us", 2000);
  settings.frame_us = Flag(argc, argv, "--frame-us", 16667);
  llmrt::Options options(LLMRT_OPTIONS_ENGINE);
  options.Set(LLMRT_ENGINE_PUMPED, 1);
  options.Set(LLMRT_ENGINE_CONTEXT_LENGTH, 4096);
  options.Set(LLMRT_ENGINE_THREADS, Flag(argc, argv, "--threads", 0));
  llmrt::Engine engine(llmrt::Source::FromPath(argv[1]), options);
  engine.WaitLoad();
  const int32_t vocab_size = engine.GetModel().Info().vocab_size;
  llmrt::Options generation(LLMRT_OPTIONS_STREAM);
  generation.Set(LLMRT_STREAM_IGNORE_EOS, 1);

  llmrt::Session decoding = engine.CreateSession();
  decoding.AppendTokens(RandomTokens(16, vocab_size));
  llmrt::Stream decoder = decoding.Submit(generation);
  while (decoder.Info().generated_tokens < 1) engine.Step(settings.budget_us);
  const Latencies of_decode = Run(engine, decoder, settings, settings.frames / 2);
  const int64_t generated = decoder.Info().generated_tokens;
  decoder.Cancel();
  engine.Step(0);

  llmrt::Session prompting = engine.CreateSession();
  prompting.AppendTokens(RandomTokens(4000, vocab_size));
  llmrt::Stream prompt = prompting.Submit(generation);
  const Latencies of_prompt = Run(engine, prompt, settings, settings.frames - settings.frames / 2);

  std::printf("budget %lld us of %lld us frames; %lld tokens generated\n",
              static_cast<long long>(settings.budget_us), static_cast<long long>(settings.frame_us),
              static_cast<long long>(generated));
  of_decode.Print("overrun, decoding");
  of_decode.PrintHistogram();
  of_prompt.Print("overrun, in a prompt");
  of_prompt.PrintHistogram();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return llmrt::bench::RunBenchmark(
      argc, argv, "[--frames N] [--budget-us US] [--frame-us US] [--threads T]", Main);
}
