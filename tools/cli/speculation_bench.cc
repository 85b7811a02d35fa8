#include "speculation_bench.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "generation.h"
#include "loading.h"
#include "random_tokens.h"

namespace llmrt::cli {
namespace {

// Spans of the prompt that a forced text is made of: some words to a sentence.
constexpr int64_t kSpanMin = 8;
constexpr int64_t kSpanMax = 32;

std::vector<int32_t> SpansOf(const std::vector<int32_t>& prompt, int64_t count,
                             std::mt19937_64& random) {
  std::vector<int32_t> text;
  while (static_cast<int64_t>(text.size()) < count) {
    const auto length =
        static_cast<size_t>(kSpanMin) + random() % static_cast<size_t>(kSpanMax - kSpanMin + 1);
    const size_t first = random() % (prompt.size() - length + 1);
    text.insert(text.end(), prompt.begin() + static_cast<std::ptrdiff_t>(first),
                prompt.begin() + static_cast<std::ptrdiff_t>(first + length));
  }
  text.resize(static_cast<size_t>(count));
  return text;
}

}  // namespace

SpeculationBench::~SpeculationBench() { llmrt_engine_close(engine_); }

double SpeculationResult::tokens_per_step() const {
  return static_cast<double>(tokens) / static_cast<double>(std::max<int64_t>(steps, 1));
}

int64_t SpeculationBench::Replay(void* speaker, const int32_t* /*history*/, int64_t num_history,
                                 int32_t* tokens, int64_t capacity) {
  Speaker& self = *static_cast<Speaker*>(speaker);
  int64_t count = 0;
  for (; count < capacity; ++count) {
    const auto place = static_cast<size_t>(num_history - kPromptTokens + count);
    if (place >= self.said.size()) break;
    const int32_t right = self.said[place];
    const bool knows = static_cast<int64_t>(self.random() % 100) < self.right_percent;
    tokens[count] = knows ? right : (right + 1) % self.vocab_size;
  }
  return count;
}

Outcome SpeculationBench::MakeOptions(const SpeculationCase& what, bool drafts, Speaker* speaker,
                                      Options* options) const {
  LLMRT_CLI_TRY(CreateOptions(LLMRT_OPTIONS_STREAM, options));
  llmrt_options* const set = options->get();
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_STREAM_MAX_TOKENS, generated_)));
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_STREAM_IGNORE_EOS, 1)));
  LLMRT_CLI_TRY(Check(llmrt_options_set_i64(set, LLMRT_STREAM_QUEUE_TOKENS, generated_ + 1)));
  if (what.lookup) {
    LLMRT_CLI_TRY(Check(
        llmrt_options_set_bytes(set, LLMRT_STREAM_FORCED_TOKENS, speaker->copied.data(),
                                static_cast<int64_t>(speaker->copied.size() * sizeof(int32_t)))));
  }
  if (!drafts) return Check(llmrt_options_set_i64(set, LLMRT_STREAM_DRAFT_MAX, 0));
  return what.lookup ? Done() : Check(llmrt_options_set_drafter(set, Replay, speaker));
}

Outcome SpeculationBench::WaitFor(Speaker* speaker) const {
  speaker->info = Sized<llmrt_stream_info>();
  for (;;) {
    LLMRT_CLI_TRY(Check(llmrt_stream_get_info(speaker->stream.get(), &speaker->info)));
    if (speaker->info.state == LLMRT_STREAM_FINISHED) break;
    if (interrupt_.interrupted()) return Failed("interrupted");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (speaker->info.finish_reason == LLMRT_FINISH_MAX_TOKENS) return Done();
  return Failed(std::string("a stream ended early (") +
                FinishReasonName(speaker->info.finish_reason) + ")");
}

Outcome SpeculationBench::Run(const SpeculationCase& what, bool drafts, double* seconds) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const auto streams = static_cast<size_t>(what.batch);
  std::vector<double> submitted_us;
  for (size_t i = 0; i < streams; ++i) {
    Speaker& speaker = *speakers_[i];
    speaker.right_percent = what.acceptance;
    Options options;
    LLMRT_CLI_TRY(MakeOptions(what, drafts, &speaker, &options));
    submitted_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    LLMRT_CLI_TRY(Submit(speaker.session.get(), options.get(), &speaker.stream));
  }
  double last_us = 1;
  for (size_t i = 0; i < streams; ++i) {
    LLMRT_CLI_TRY(WaitFor(speakers_[i].get()));
    last_us = std::max(last_us, submitted_us[i] + static_cast<double>(speakers_[i]->info.total_us));
  }
  *seconds = last_us / 1e6;
  return Done();
}

Outcome SpeculationBench::AddSpeaker() {
  auto speaker = std::make_unique<Speaker>();
  std::mt19937_64& random = speaker->random;
  random.seed(1000 + speakers_.size());
  const std::vector<int32_t> prompt = RandomTokens(random, vocab_size_, kPromptTokens);
  speaker->copied = SpansOf(prompt, generated_, random);
  speaker->vocab_size = vocab_size_;
  LLMRT_CLI_TRY(CreateSession(engine_, &speaker->session));
  llmrt_session* const session = speaker->session.get();
  LLMRT_CLI_TRY(Check(llmrt_session_append_tokens(session, prompt.data(), kPromptTokens)));
  Options options;
  LLMRT_CLI_TRY(MakeOptions({}, /*drafts=*/false, speaker.get(), &options));
  LLMRT_CLI_TRY(Submit(session, options.get(), &speaker->stream));
  LLMRT_CLI_TRY(WaitFor(speaker.get()));
  speaker->said.resize(static_cast<size_t>(generated_));
  int64_t count = 0;
  LLMRT_CLI_TRY(Check(
      llmrt_session_get_tokens(session, kPromptTokens, speaker->said.data(), generated_, &count)));
  speakers_.push_back(std::move(speaker));
  return Done();
}

Outcome SpeculationBench::Prepare(const SpeculationCase& what) {
  if (vocab_size_ == 0) {
    Model model;
    LLMRT_CLI_TRY(GetModel(engine_, &model));
    auto info = Sized<llmrt_model_info>();
    LLMRT_CLI_TRY(Check(llmrt_model_get_info(model.get(), &info)));
    if (info.vocab_size < 2) return Failed("the model has no vocabulary to draw tokens from");
    vocab_size_ = info.vocab_size;
  }
  while (static_cast<int64_t>(speakers_.size()) < what.batch) LLMRT_CLI_TRY(AddSpeaker());
  for (const std::unique_ptr<Speaker>& speaker : speakers_) {
    LLMRT_CLI_TRY(Check(llmrt_session_rewind(speaker->session.get(), kPromptTokens)));
  }
  return Done();
}

Outcome SpeculationBench::Measure(SpeculationResult* result) {
  const SpeculationCase& what = result->what;
  double plain = 0, drafting = 0;
  LLMRT_CLI_TRY(Prepare(what));
  LLMRT_CLI_TRY(Run(what, /*drafts=*/false, &plain));
  LLMRT_CLI_TRY(Prepare(what));
  LLMRT_CLI_TRY(Run(what, /*drafts=*/true, &drafting));
  for (size_t i = 0; i < static_cast<size_t>(what.batch); ++i) {
    const Speaker& speaker = *speakers_[i];
    result->drafted += speaker.info.drafted;
    result->accepted += speaker.info.accepted;
    result->steps += speaker.info.steps;
    result->tokens += speaker.info.generated_tokens;
  }
  const auto add = [](std::vector<double>& sorted, double value) {
    sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), value), value);
  };
  add(result->speedups, plain / drafting);
  add(result->plain_rates, static_cast<double>(what.batch * generated_) / plain);
  return Done();
}

}  // namespace llmrt::cli
