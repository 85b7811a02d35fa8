// Filling an engine with all that its plan was made for, for tests of the memory contract.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "llmrt.hpp"

namespace llmrt::testing {

struct Shape {
  int64_t sessions = 1;
  int64_t context = 0;  // 0: the model's
  const char* kv_type = "f16";
  int64_t budget = 0;
  int64_t step_tokens = 512;
  int64_t draft_max = -1;
  bool draft_lookup = false;
};

inline std::string Bundled(const std::string& name) { return LLMRT_SAMPLES_DIR "/models/" + name; }

// The models that are here; those of the shared folder may be missing.
inline std::vector<std::string> Models() {
  std::vector<std::string> paths = {Bundled("village-draft-q8_0.gguf"),
                                    Bundled("village-target-q8_0.gguf")};
  for (const char* name : {"stories260K-f32", "tinystories-1.4M-f16", "tinystories-1.4M-q8_0",
                           "tinystories-3.8M-q4_0", "tinystories-3.8M-q4_k_m"}) {
    const std::string path = std::string(LLMRT_SHARED_DIR "/models/") + name + ".gguf";
    if (std::ifstream(path).good()) paths.push_back(path);
  }
  return paths;
}

inline Options OptionsFor(const Shape& shape) {
  Options options = Options::ForEngine();
  options.Set(LLMRT_ENGINE_THREADS, 2)
      .Set(LLMRT_ENGINE_SESSIONS, shape.sessions)
      .Set(LLMRT_ENGINE_CONTEXT_LENGTH, shape.context)
      .Set(LLMRT_ENGINE_KV_TYPE, shape.kv_type)
      .Set(LLMRT_ENGINE_STEP_TOKENS, shape.step_tokens)
      .Set(LLMRT_ENGINE_DRAFT_MAX, shape.draft_max)
      .Set(LLMRT_ENGINE_DRAFT_LOOKUP, shape.draft_lookup)
      .Set(LLMRT_ENGINE_MEMORY_BUDGET_BYTES, shape.budget);
  return options;
}

inline Options StreamOptions(int64_t max_tokens) {
  Options options = Options::ForStream();
  options.Set(LLMRT_STREAM_IGNORE_EOS, 1).Set(LLMRT_STREAM_MAX_TOKENS, max_tokens);
  return options;
}

// What a stream still has to say, and its end.
inline std::pair<std::vector<int32_t>, int32_t> ReadToTheEnd(Stream& stream) {
  std::vector<int32_t> all;
  int32_t tokens[16];
  char text[256];
  while (true) {
    stream.Wait();
    const llmrt_read_result result = stream.Read(tokens, nullptr, 16, text, sizeof text);
    all.insert(all.end(), tokens, tokens + result.num_tokens);
    if (result.finish_reason != LLMRT_FINISH_NONE) return {all, result.finish_reason};
  }
}

// Every planned session filled to its context, a prompt and a stream for the last tokens; then
// taken back to where a stream may fill all of it, and nobody reads.
inline void UseFully(Engine& engine, int64_t sessions) {
  const int64_t context = engine.Plan().context_length;
  const std::vector<int32_t> prompt(static_cast<size_t>(context > 8 ? context - 8 : 1), 5);
  std::vector<Session> open;
  std::vector<Stream> streams;
  for (int64_t i = 0; i < sessions; ++i) {
    open.push_back(engine.CreateSession());
    open.back().AppendTokens(prompt);
    streams.push_back(open.back().Submit(StreamOptions(-1)));
  }
  for (Stream& stream : streams) {
    ASSERT_EQ(ReadToTheEnd(stream).second, LLMRT_FINISH_CONTEXT_FULL) << stream.Message();
  }
  streams.clear();
  for (Session& session : open) {
    session.Rewind(0);
    session.AppendTokens({5});
    streams.push_back(session.Submit(StreamOptions(-1)));
  }
  for (Stream& stream : streams) stream.Cancel();
  for (Stream& stream : streams) {
    ASSERT_NE(ReadToTheEnd(stream).second, LLMRT_FINISH_ERROR) << stream.Message();
  }
}

}  // namespace llmrt::testing
