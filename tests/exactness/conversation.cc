#include "tests/exactness/conversation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/engine_core.h"
#include "tests/engine/test_engine.h"

namespace llmrt::testing {
namespace {

using engine::StreamOptions;

int64_t Between(std::mt19937_64& rng, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(rng);
}

StreamOptions RandomOptions(std::mt19937_64& rng, const ConversationStyle& style) {
  StreamOptions options;
  options.max_tokens = Between(rng, 0, 4) == 0
                           ? Between(rng, style.long_answer_min, style.long_answer_max)
                           : Between(rng, 1, 12);
  options.ignore_eos = Between(rng, 0, 3) > 0;
  options.prompt_logprobs = Between(rng, 0, 4) == 0;
  options.seed_given = true;
  options.sampling.seed = rng() >> 1;
  const bool plain = style.plain_draws && Between(rng, 0, 1) == 0;
  options.sampling.logprobs = !plain;
  if (Between(rng, 0, 1) == 0) return options;
  options.sampling.temperature = 0.5f + 0.1f * static_cast<float>(Between(rng, 0, 10));
  if (plain) return options;
  if (Between(rng, 0, 1) == 0) options.sampling.top_k = static_cast<int32_t>(Between(rng, 2, 50));
  if (Between(rng, 0, 1) == 0) options.sampling.top_p = 0.9;
  if (Between(rng, 0, 3) == 0) options.sampling.min_p = 0.05f;
  if (Between(rng, 0, 3) == 0) options.sampling.repetition_penalty = 1.2f;
  return options;
}

std::vector<int32_t> RandomTokens(std::mt19937_64& rng, int64_t count, int32_t vocab_size) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) token = static_cast<int32_t>(Between(rng, 3, vocab_size - 1));
  return tokens;
}

Turn RandomTurn(std::mt19937_64& rng, int64_t tokens_before, int32_t vocab_size,
                const ConversationStyle& style) {
  Turn turn;
  turn.kept = tokens_before;
  if (tokens_before > 0 && Between(rng, 0, 2) > 0) {
    turn.kind = Between(rng, 0, 1) == 0 ? Turn::Kind::kRewind : Turn::Kind::kFork;
    turn.kept = Between(rng, 1, tokens_before);
  }
  // Lengths around block boundaries count as much as long ones.
  const int64_t prompt =
      Between(rng, 0, 2) == 0 ? Between(rng, 14, 34) : Between(rng, 1, style.prompt_max);
  turn.append = RandomTokens(rng, std::min(prompt, style.prompt_max), vocab_size);
  turn.options = RandomOptions(rng, style);
  return turn;
}

}  // namespace

engine::EngineOptions AloneOptions(engine::EngineOptions options) {
  options.threads = 1;
  options.context_length = kConversationTokensMax;
  return options;
}

std::vector<std::vector<uint8_t>> TokenKv(engine::Engine& engine, const engine::Session& session) {
  const backend::KvShape shape = engine.core().GetKvShape().value();
  const int64_t cached = session.Info().value().num_cached;
  // A block is [tiles][block_size][slot_bytes]: a tile for each layer, K or V, and head.
  const int64_t slot_bytes = shape.TileBytes() / shape.block_size;
  const int64_t tiles = shape.BlockBytes() / shape.TileBytes();
  std::vector<std::vector<uint8_t>> tokens;
  std::vector<uint8_t> block;
  for (int64_t i = 0; i < cached; ++i) {
    const int64_t slot = i % shape.block_size;
    if (slot == 0) {
      block.resize(static_cast<size_t>(shape.BlockBytes()));
      const absl::Status status =
          engine.core().ReadKvBlock(session.state(), i / shape.block_size, absl::MakeSpan(block));
      if (!status.ok()) break;  // evicted meanwhile, for others who run
    }
    std::vector<uint8_t>& token = tokens.emplace_back();
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const auto begin = block.begin() + (tile * shape.block_size + slot) * slot_bytes;
      token.insert(token.end(), begin, begin + slot_bytes);
    }
  }
  return tokens;
}

Conversation MakeConversation(const std::shared_ptr<engine::Engine>& engine, std::mt19937_64& rng,
                              const ConversationStyle& style) {
  const int32_t vocab_size = engine->GetModel().value()->vocab_size();
  Conversation conversation;
  std::vector<int32_t> tokens;
  const int64_t num_turns = Between(rng, 1, 3);
  for (int64_t i = 0; i < num_turns; ++i) {
    Turn turn = RandomTurn(rng, static_cast<int64_t>(tokens.size()), vocab_size, style);
    const int64_t total = turn.kept + static_cast<int64_t>(turn.append.size());
    if (total + turn.options.max_tokens > kConversationTokensMax) break;
    tokens.resize(static_cast<size_t>(turn.kept));
    tokens.insert(tokens.end(), turn.append.begin(), turn.append.end());

    const auto session = engine->CreateSession({}).value();
    EXPECT_TRUE(session->AppendTokens(tokens).ok());
    const auto stream = session->Submit(turn.options).value();
    const Generation generation = ReadAll(*engine, *stream);
    Answer answer{generation.tokens, generation.logprobs, {}};
    if (turn.options.prompt_logprobs) {
      answer.prompt_logprobs.resize(turn.append.size());
      EXPECT_TRUE(stream->PromptLogprobs(turn.kept, absl::MakeSpan(answer.prompt_logprobs)).ok());
    }
    tokens.insert(tokens.end(), generation.tokens.begin(), generation.tokens.end());
    conversation.kv = TokenKv(*engine, *session);
    conversation.turns.push_back(std::move(turn));
    conversation.answers.push_back(std::move(answer));
  }
  return conversation;
}

}  // namespace llmrt::testing
