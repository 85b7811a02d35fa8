// What a session does over several turns, and what it must answer: computed alone, each turn on a
// new session of an engine with one thread, large steps and no other stream.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "engine/engine.h"

namespace llmrt::testing {

struct Turn {
  enum class Kind { kContinue, kRewind, kFork };
  Kind kind = Kind::kContinue;
  int64_t kept = 0;  // tokens that the session keeps for this turn
  std::vector<int32_t> append;
  engine::StreamOptions options;
};

struct Answer {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::vector<float> prompt_logprobs;  // of the turn's own tokens

  bool operator==(const Answer&) const = default;
};

struct Conversation {
  std::vector<Turn> turns;
  std::vector<Answer> answers;
  // The KV of each token of the session after the last turn, as TokenKv gives it.
  std::vector<std::vector<uint8_t>> kv;
};

// Tokens that no conversation passes, prompts and answers together.
inline constexpr int64_t kConversationTokensMax = 120;

// What a device can afford.
struct ConversationStyle {
  int64_t prompt_max = 45;
  int64_t long_answer_min = 30;
  int64_t long_answer_max = 60;
  // Half of the turns ask for no more than a draw, which a device may do itself.
  bool plain_draws = false;
};

// Random turns with their answers. `engine` runs nothing else.
Conversation MakeConversation(const std::shared_ptr<engine::Engine>& engine, std::mt19937_64& rng,
                              const ConversationStyle& style = {});

// `options`, which say on what device, for conversations that run alone.
engine::EngineOptions AloneOptions(engine::EngineOptions options);

// The KV bytes of the session's cached tokens, one entry a token, whatever the block size.
std::vector<std::vector<uint8_t>> TokenKv(engine::Engine& engine, const engine::Session& session);

}  // namespace llmrt::testing
