#include "tests/exactness/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "tests/engine/test_engine.h"

namespace llmrt::testing {
namespace {

using engine::Session;
using engine::Stream;

int64_t Between(std::mt19937_64& rng, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(rng);
}

template <typename T>
T OneOf(std::mt19937_64& rng, std::initializer_list<T> values) {
  return values.begin()[Between(rng, 0, static_cast<int64_t>(values.size()) - 1)];
}

engine::EngineOptions RandomOptions(const engine::EngineOptions& on, const ScenarioStyle& style,
                                    std::mt19937_64& rng) {
  engine::EngineOptions options = on;
  options.threads = static_cast<int32_t>(Between(rng, 1, 2));
  options.pumped = Between(rng, 0, 3) > 0;
  options.block_size = OneOf(rng, {16, 32});
  options.step_tokens = OneOf(rng, {1, 5, 16, 17, 64, 300, 512});
  options.tpot_target_us = OneOf<int64_t>(rng, {0, 200, 100000});
  // Blocks for so many whole conversations: with few, those side by side take them from each other.
  options.context_length = OneOf<int64_t>(rng, {128, 160, 224});
  options.sessions = static_cast<int32_t>(OneOf(rng, {1, 1, 2, 4, 16, 64}));
  if (style.speculates) {
    options.draft_max = static_cast<int32_t>(OneOf(rng, {1, 2, 5, 8, 16}));
    options.draft_lookup = Between(rng, 0, 2) > 0;
    options.free_drafts = Between(rng, 0, 9) > 0;
  }
  return options;
}

// The host's drafter of one turn. It knows the answer, but draws a wrong token now and then; some
// run out of ideas, some fail.
struct Drafter {
  std::mt19937_64 rng;
  std::vector<int32_t> answer;
  int64_t begin = 0;  // tokens of the session before the answer
  int32_t vocab_size = 0;
  int64_t right_percent = 0;
  bool fails = false;

  static int64_t Propose(void* user, const int32_t* /*history*/, int64_t num_history,
                         int32_t* tokens, int64_t capacity) {
    Drafter& self = *static_cast<Drafter*>(user);
    if (self.fails && Between(self.rng, 0, 9) == 0) {
      tokens[0] = self.vocab_size;
      return Between(self.rng, 0, 1) == 0 ? -1 : capacity;
    }
    int64_t count = 0;
    for (; count < capacity && Between(self.rng, 0, 15) > 0; ++count) {
      const auto place = static_cast<size_t>(num_history - self.begin + count);
      const bool knows =
          place < self.answer.size() && Between(self.rng, 1, 100) <= self.right_percent;
      tokens[count] = knows ? self.answer[place]
                            : static_cast<int32_t>(Between(self.rng, 0, self.vocab_size - 1));
    }
    return count;
  }
};

// One conversation on its way, or one that only disturbs and is cancelled.
struct Actor {
  const Conversation* script = nullptr;
  size_t turn = 0;
  bool disturbs = false;
  bool lags = false;
  std::shared_ptr<Session> session;
  std::shared_ptr<Drafter> drafter;  // outlives the stream
  std::shared_ptr<Stream> stream;
  Answer got;
  engine::FinishReason reason = engine::FinishReason::kNone;

  bool over() const { return stream == nullptr && turn == script->turns.size(); }
};

class Scenario {
 public:
  Scenario(std::shared_ptr<engine::Engine> engine, const engine::EngineOptions& options,
           std::mt19937_64& rng)
      : engine_(std::move(engine)),
        pumped_(options.pumped),
        speculates_(options.draft_max > 0),
        rng_(rng) {}

  void Add(const Conversation& conversation) {
    Actor& actor = actors_.emplace_back();
    actor.script = &conversation;
    actor.disturbs = Between(rng_, 0, 5) == 0;
    actor.lags = Between(rng_, 0, 5) == 0;
    actor.session = engine_->CreateSession({}).value();
    ++counts_.conversations;
  }

  ScenarioCounts Run() {
    // Whoever is idle begins its next turn with a chance that differs from scenario to scenario.
    const int64_t eagerness = Between(rng_, 1, 10);
    while (!std::all_of(actors_.begin(), actors_.end(), [](const Actor& a) { return a.over(); })) {
      // Forks add actors behind those that are there.
      for (size_t i = 0; i < actors_.size(); ++i) {
        if (actors_[i].stream != nullptr) {
          Read(actors_[i]);
        } else if (!actors_[i].over() && Between(rng_, 1, 10) <= eagerness) {
          Begin(i);
        }
      }
      Work();
      const engine::EngineInfo info = engine_->GetInfo().value();
      counts_.largest_batch = std::max(counts_.largest_batch, info.streams_running);
      if (::testing::Test::HasFailure()) return counts_;
    }
    const engine::EngineInfo info = engine_->GetInfo().value();
    counts_.preemptions = info.preemptions;
    counts_.tokens_recomputed = info.tokens_recomputed;
    counts_.drafted = info.totals.drafted;
    counts_.accepted = info.totals.accepted;
    for (absl::StatusOr<engine::LogRecord> record = engine_->PollLog(1 << 10); record.ok();
         record = engine_->PollLog(1 << 10)) {
      counts_.drafters_dropped += record->level == engine::LogLevel::kWarning ? 1 : 0;
    }
    EXPECT_EQ(info.blocks_used, 0);
    actors_.clear();
    parked_.clear();
    const engine::EngineInfo empty = engine_->GetInfo().value();
    EXPECT_EQ(empty.blocks_free, empty.blocks_total);
    EXPECT_EQ(empty.tokens_stored, 0);
    return counts_;
  }

 private:
  // By index: a fork may move the actors.
  void Begin(size_t index) {
    const Turn& turn = actors_[index].script->turns[actors_[index].turn];
    if (turn.kind == Turn::Kind::kRewind) {
      EXPECT_TRUE(actors_[index].session->Rewind(turn.kept).ok());
      ++counts_.rewinds;
    } else if (turn.kind == Turn::Kind::kFork) {
      Fork(index, turn);
    }
    Actor& actor = actors_[index];
    EXPECT_TRUE(actor.session->AppendTokens(turn.append).ok());
    engine::StreamOptions options = turn.options;
    if (actor.lags) options.queue_tokens = 2;
    actor.drafter = AddDrafter(actor, options);
    actor.stream = actor.session->Submit(options).value();
    actor.got = {};
    actor.reason = engine::FinishReason::kNone;
    ++counts_.turns;
    const engine::StreamInfo info = actor.stream->Info();
    if (info.cached_tokens + 1 < turn.kept) ++counts_.evicted_turns;
  }

  // For what is not submitted yet; null: none.
  std::shared_ptr<Drafter> AddDrafter(const Actor& actor, engine::StreamOptions& options) {
    if (!speculates_ || Between(rng_, 0, 3) == 0) return nullptr;
    const engine::SessionInfo info = actor.session->Info().value();
    auto drafter = std::make_shared<Drafter>();
    drafter->rng.seed(rng_());
    drafter->answer = actor.script->answers[actor.turn].tokens;
    drafter->begin = info.num_tokens + info.num_pending;
    drafter->vocab_size = static_cast<int32_t>(engine_->GetModel().value()->vocab_size());
    drafter->right_percent = OneOf<int64_t>(rng_, {0, 30, 80, 100});
    drafter->fails = Between(rng_, 0, 7) == 0;
    options.drafter = {.propose = Drafter::Propose, .user = drafter.get()};
    if (Between(rng_, 0, 3) == 0) options.draft_max = Between(rng_, 0, 8);
    return drafter;
  }

  // The child goes on; the parent rests, or says the same beside it.
  void Fork(size_t index, const Turn& turn) {
    ++counts_.forks;
    const std::shared_ptr<Session> parent = actors_[index].session;
    actors_[index].session = parent->Fork(turn.kept).value();
    if (Between(rng_, 0, 1) == 0) {
      parked_.push_back(parent);
      return;
    }
    EXPECT_TRUE(parent->Rewind(turn.kept).ok());
    Actor twin = actors_[index];
    twin.session = parent->Fork(-1).value();
    parked_.push_back(parent);
    twin.disturbs = Between(rng_, 0, 3) == 0;
    twin.got = {};
    EXPECT_TRUE(twin.session->AppendTokens(turn.append).ok());
    engine::StreamOptions options = turn.options;
    twin.drafter = AddDrafter(twin, options);
    twin.stream = twin.session->Submit(options).value();
    actors_.push_back(std::move(twin));
  }

  void Work() {
    if (pumped_) {
      EXPECT_TRUE(engine_->Step(OneOf<int64_t>(rng_, {0, 0, 50, 400, 3000})).ok());
      return;
    }
    for (Actor& actor : actors_) {
      if (actor.stream == nullptr) continue;
      const absl::Status waited = actor.stream->Wait(1);
      (void)waited;  // ready or not: others may be
      return;
    }
  }

  void Read(Actor& actor) {
    if (actor.lags && Between(rng_, 0, 3) > 0) return;
    if (actor.disturbs && Between(rng_, 0, 3) == 0) actor.stream->Cancel();
    int32_t tokens[8];
    float logprobs[8];
    char text[512];
    const auto result =
        actor.stream->Read({tokens, logprobs, Between(rng_, 1, 8), text, sizeof text});
    ASSERT_TRUE(result.ok()) << result.status();
    actor.got.tokens.insert(actor.got.tokens.end(), tokens, tokens + result->num_tokens);
    actor.got.logprobs.insert(actor.got.logprobs.end(), logprobs, logprobs + result->num_tokens);
    actor.reason = result->finish_reason;
    if (actor.reason != engine::FinishReason::kNone) Finish(actor);
  }

  void Finish(Actor& actor) {
    const Turn& turn = actor.script->turns[actor.turn];
    const Answer& expected = actor.script->answers[actor.turn];
    ++actor.turn;
    if (actor.reason == engine::FinishReason::kCancelled) {
      ++counts_.cancelled;
      ASSERT_LE(actor.got.tokens.size(), expected.tokens.size());
      ASSERT_TRUE(
          std::equal(actor.got.tokens.begin(), actor.got.tokens.end(), expected.tokens.begin()));
      actor.turn = actor.script->turns.size();  // it has said something else now
      actor.stream.reset();
      return;
    }
    if (turn.options.prompt_logprobs) {
      actor.got.prompt_logprobs.resize(turn.append.size());
      ASSERT_EQ(actor.stream->PromptLogprobs(turn.kept, absl::MakeSpan(actor.got.prompt_logprobs))
                    .value(),
                static_cast<int64_t>(turn.append.size()));
    }
    ASSERT_EQ(actor.got.tokens, expected.tokens);
    ASSERT_EQ(actor.got.logprobs, expected.logprobs);
    ASSERT_EQ(actor.got.prompt_logprobs, expected.prompt_logprobs);
    actor.stream.reset();
    if (actor.turn == actor.script->turns.size()) CompareKv(actor);
  }

  void CompareKv(const Actor& actor) {  // of what was not evicted
    const auto kv = TokenKv(*engine_, *actor.session);
    ASSERT_LE(kv.size(), actor.script->kv.size());
    for (size_t i = 0; i < kv.size(); ++i) {
      ASSERT_EQ(kv[i], actor.script->kv[i]) << "KV of token " << i;
    }
    counts_.kv_compared += static_cast<int64_t>(kv.size());
  }

  const std::shared_ptr<engine::Engine> engine_;
  const bool pumped_;
  const bool speculates_;
  std::mt19937_64& rng_;
  std::vector<Actor> actors_;
  std::vector<std::shared_ptr<Session>> parked_;
  ScenarioCounts counts_;
};

}  // namespace

void ScenarioCounts::Add(const ScenarioCounts& other) {
  conversations += other.conversations;
  turns += other.turns;
  forks += other.forks;
  rewinds += other.rewinds;
  cancelled += other.cancelled;
  preemptions += other.preemptions;
  tokens_recomputed += other.tokens_recomputed;
  evicted_turns += other.evicted_turns;
  kv_compared += other.kv_compared;
  largest_batch = std::max(largest_batch, other.largest_batch);
  drafted += other.drafted;
  accepted += other.accepted;
  drafters_dropped += other.drafters_dropped;
}

ScenarioCounts RunFullBatch(const std::shared_ptr<engine::ModelSource>& source,
                            const engine::EngineOptions& on, std::mt19937_64& rng) {
  constexpr size_t kStreams = 64, kAlone = 8;
  // Prompts of 64 streams, at most 1024 rows in steps of 256, take a few steps, so all of them
  // decode together afterwards.
  constexpr int64_t kPromptMax = 16, kTokens = 32;
  const auto alone = OpenEngine(source, AloneOptions(on));
  const int32_t vocab_size = alone->GetModel().value()->vocab_size();
  std::vector<std::vector<int32_t>> prompts(kAlone);
  std::vector<engine::StreamOptions> options(kAlone);
  std::vector<Generation> expected;
  for (size_t i = 0; i < kAlone; ++i) {
    prompts[i].resize(static_cast<size_t>(Between(rng, 1, kPromptMax)));
    for (int32_t& token : prompts[i]) token = static_cast<int32_t>(Between(rng, 3, vocab_size - 1));
    options[i].max_tokens = kTokens;
    options[i].ignore_eos = true;
    options[i].seed_given = true;
    options[i].sampling.seed = rng() >> 1;
    options[i].sampling.logprobs = true;
    options[i].sampling.temperature = i % 2 == 0 ? 0.0f : 0.9f;
    expected.push_back(Generate(alone, prompts[i], options[i]));
  }
  engine::EngineOptions together = on;
  together.pumped = true;
  together.sessions = kStreams;
  together.context_length = 256;  // a step has at most so many rows
  together.tpot_target_us = 0;
  const auto engine = OpenEngine(source, together);
  std::vector<std::shared_ptr<Session>> sessions;
  std::vector<std::shared_ptr<Stream>> streams;
  for (size_t i = 0; i < kStreams; ++i) {
    sessions.push_back(engine->CreateSession({}).value());
    EXPECT_TRUE(sessions.back()->AppendTokens(prompts[i % kAlone]).ok());
    streams.push_back(sessions.back()->Submit(options[i % kAlone]).value());
  }
  ScenarioCounts counts;
  counts.turns = counts.conversations = kStreams;
  for (bool left = true; left;) {
    const engine::StepTotals before = engine->GetInfo()->totals;
    left = engine->Step(100)->work_remains;
    const engine::StepTotals now = engine->GetInfo()->totals;
    if (now.steps != before.steps + 1) continue;  // none ended in this call, or several
    counts.largest_batch = std::max(counts.largest_batch, now.generated - before.generated);
  }
  for (size_t i = 0; i < kStreams; ++i) {
    const Generation got = ReadAll(*engine, *streams[i], 100);
    EXPECT_EQ(got.tokens, expected[i % kAlone].tokens);
    EXPECT_EQ(got.logprobs, expected[i % kAlone].logprobs);
  }
  return counts;
}

ScenarioCounts RunScenario(const std::shared_ptr<engine::ModelSource>& source,
                           const engine::EngineOptions& on,
                           absl::Span<const Conversation> conversations, std::mt19937_64& rng,
                           const ScenarioStyle& style) {
  const engine::EngineOptions options = RandomOptions(on, style, rng);
  Scenario scenario(OpenEngine(source, options), options, rng);
  const int64_t count =
      Between(rng, 0, 11) == 0 ? Between(rng, style.most * 3 / 4, style.most) : Between(rng, 2, 10);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t last = static_cast<int64_t>(conversations.size()) - 1;
    scenario.Add(conversations[static_cast<size_t>(Between(rng, 0, last))]);
  }
  return scenario.Run();
}

}  // namespace llmrt::testing
