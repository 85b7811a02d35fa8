// llmrt.hpp as a C++17 host uses it.
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "llmrt.hpp"
#include "tests/shared_files.h"

namespace {

std::string ModelPath() {
  for (const char* path :
       {LLMRT_TEST_DATA_DIR "/tiny-300.gguf", LLMRT_SHARED_DIR "/models/stories260K-f32.gguf"}) {
    if (std::ifstream(path).good()) return path;
  }
  return "";
}

#define MODEL_OR_SKIP(path)                                                    \
  const std::string path = ModelPath();                                        \
  if (path.empty()) {                                                          \
    ASSERT_FALSE(llmrt::testing::SharedFilesArePromised()) << "no model here"; \
    GTEST_SKIP() << "no model in tests/data or the shared folder";             \
  }

TEST(VeneerTest, CoversEveryFunctionOfTheHeader) {
  const auto read = [](const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  };
  const std::string header = read(LLMRT_HEADER), veneer = read(LLMRT_HEADER "pp");
  ASSERT_FALSE(header.empty());
  int functions = 0;
  for (size_t at = header.find("\nLLMRT_API "); at != std::string::npos;
       at = header.find("\nLLMRT_API ", at + 1)) {
    const size_t end = header.find('(', at);
    const std::string name =
        header.substr(header.rfind("llmrt_", end), end - header.rfind("llmrt_", end));
    const size_t use = veneer.find(name);
    EXPECT_NE(use, std::string::npos) << name;
    ++functions;
  }
  EXPECT_GT(functions, 50);
}

TEST(VeneerTest, ErrorsCarryStatusAndMessage) {
  llmrt::Options options = llmrt::Options::ForStream();
  try {
    options.Set(LLMRT_STREAM_TOP_P, 1.5);
    FAIL();
  } catch (const llmrt::Error& error) {
    EXPECT_EQ(error.status(), LLMRT_STATUS_OUT_OF_RANGE);
    EXPECT_NE(std::string(error.what()).find("LLMRT_STREAM_TOP_P"), std::string::npos);
  }
  EXPECT_THROW(llmrt::Source::FromPath(""), llmrt::Error);
  EXPECT_THROW(llmrt::Model(llmrt::Source::FromPath("no such file")), llmrt::Error);
}

TEST(VeneerTest, HandlesMoveAndReleaseThemselves) {
  llmrt::Options first = llmrt::Options::ForEngine();
  llmrt_options* const raw = first.get();
  llmrt::Options second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT: that is what is tested
  EXPECT_EQ(second.get(), raw);
  second = llmrt::Options();
  EXPECT_EQ(llmrt_options_set_i64(raw, LLMRT_ENGINE_THREADS, 1), LLMRT_STATUS_INVALID_HANDLE);
  llmrt::Options third = llmrt::Options::ForEngine();
  llmrt_options* const kept = third.release();
  third.reset();
  EXPECT_EQ(llmrt_options_set_i64(kept, LLMRT_ENGINE_THREADS, 1), LLMRT_STATUS_OK);
  llmrt_options_release(kept);
}

TEST(VeneerTest, OptionsTakeEveryType) {
  llmrt::Options stream = llmrt::Options::ForStream();
  stream.Set(LLMRT_STREAM_TOP_K, 5)
      .Set(LLMRT_STREAM_TEMPERATURE, 0.5f)
      .Set(LLMRT_STREAM_LOGPROBS, true)
      .SetStopStrings({"END", "\n\n"})
      .SetStopTokens({1, 2})
      .SetLogitBias({{7, -1.0f}})
      .SetDrafter(nullptr, nullptr);
  EXPECT_EQ(stream.GetI64(LLMRT_STREAM_TOP_K), 5);
  EXPECT_EQ(stream.GetF64(LLMRT_STREAM_TEMPERATURE), 0.5);
  EXPECT_EQ(stream.GetBytes(LLMRT_STREAM_STOP_STRINGS), std::string("END\0\n\n\0", 7));
  EXPECT_EQ(stream.GetBytes(LLMRT_STREAM_STOP_TOKENS).size(), 8u);
  EXPECT_EQ(stream.GetBytes(LLMRT_STREAM_LOGIT_BIAS).size(), 8u);
  llmrt::Options engine = llmrt::Options::ForEngine();
  engine.Set(LLMRT_ENGINE_DEVICE, "cpu")
      .SetMemoryHook(nullptr, nullptr, nullptr)
      .SetJobHook(nullptr, nullptr);
  EXPECT_EQ(engine.GetBytes(LLMRT_ENGINE_DEVICE), "cpu");
  EXPECT_EQ(llmrt::Options::BoundsI64(LLMRT_STREAM_TOP_LOGPROBS).second, 20);
  EXPECT_EQ(llmrt::Options::BoundsF64(LLMRT_STREAM_TOP_P).second, 1.0);
}

TEST(VeneerTest, VersionsAreThere) {
  EXPECT_EQ(llmrt::AbiVersion(), LLMRT_ABI_VERSION);
  EXPECT_FALSE(llmrt::Version().empty());
  EXPECT_NE(llmrt::Api(), nullptr);
  EXPECT_EQ(llmrt::Api(99), nullptr);
}

TEST(VeneerTest, LongTextsAndArraysComeWhole) {
  MODEL_OR_SKIP(path);
  const llmrt::Model model{llmrt::Source::FromPath(path)};
  std::string text;
  while (text.size() < 2000) text += "Once upon a time";
  const std::vector<int32_t> tokens = model.Tokenize(text, LLMRT_TEXT_PLAIN);
  EXPECT_GT(tokens.size(), 64u);
  EXPECT_EQ(model.Detokenize(tokens), text);
  EXPECT_EQ(model.MetadataValue("general.architecture"), "llama");
  EXPECT_EQ(static_cast<int64_t>(model.MetadataKey(0).size() > 0), 1);
  EXPECT_FALSE(model.TensorName(0).empty());
  EXPECT_GT(model.TensorInfo(0).bytes, 0);
  EXPECT_GT(model.Plan().total_bytes, 0);
}

std::vector<int32_t> TokensOn(const std::string& path, llmrt::Options options) {
  options.Set(LLMRT_ENGINE_THREADS, 3);
  llmrt::Engine engine(llmrt::Source::FromPath(path), options);
  EXPECT_TRUE(engine.WaitLoad());
  llmrt::Session session = engine.CreateSession();
  session.AppendText("Once upon a time");
  llmrt::Options stream_options = llmrt::Options::ForStream();
  stream_options.Set(LLMRT_STREAM_MAX_TOKENS, 200);  // many steps: a job joins or misses each
  llmrt::Stream stream = session.Submit(stream_options);
  while (stream.Info().state != LLMRT_STREAM_FINISHED) stream.Wait(1000);
  std::vector<int32_t> tokens = session.Tokens();
  engine.Close();
  return tokens;
}

TEST(VeneerTest, AHostsJobsGiveTheSameTokens) {
  MODEL_OR_SKIP(path);
  struct Host {
    std::mutex mutex;
    std::vector<std::thread> threads;
  } host;
  llmrt::Options options = llmrt::Options::ForEngine();
  const auto submit = [](void* user, llmrt_job job, void* context) {
    auto* self = static_cast<Host*>(user);
    const std::lock_guard<std::mutex> lock(self->mutex);
    self->threads.emplace_back(job, context);
    return int32_t{0};
  };
  options.SetJobHook(submit, &host);
  const std::vector<int32_t> tokens = TokensOn(path, std::move(options));
  for (std::thread& thread : host.threads) thread.join();
  EXPECT_GT(host.threads.size(), 1u);
  EXPECT_GT(tokens.size(), 20u);
  EXPECT_EQ(tokens, TokensOn(path, llmrt::Options::ForEngine()));
}

TEST(VeneerTest, TextIsGeneratedPieceByPiece) {
  MODEL_OR_SKIP(path);
  llmrt::Engine engine(llmrt::Source::FromPath(path));
  EXPECT_TRUE(engine.WaitLoad());
  EXPECT_EQ(engine.Load().phase, LLMRT_LOAD_READY);
  llmrt::Session session = engine.CreateSession();
  session.AppendText("Once upon a time");
  const int64_t prompt = session.Info().num_pending;
  llmrt::Options options = llmrt::Options::ForStream();
  options.Set(LLMRT_STREAM_MAX_TOKENS, 12)
      .Set(LLMRT_STREAM_IGNORE_EOS, true)
      .Set(LLMRT_STREAM_TOP_LOGPROBS, 2)
      .Set(LLMRT_STREAM_PROMPT_LOGPROBS, 1);
  llmrt::Stream stream = session.Submit(options);
  std::string whole;
  for (std::string text; stream.Next(&text);) whole += text;
  EXPECT_EQ(stream.Info().finish_reason, LLMRT_FINISH_MAX_TOKENS);
  EXPECT_EQ(stream.Message(), "");
  EXPECT_EQ(stream.TopLogprobs(0).size(), 2u);
  EXPECT_EQ(stream.PromptLogprobs(0, 64).size(), static_cast<size_t>(prompt));
  const std::vector<int32_t> tokens = session.Tokens();
  EXPECT_EQ(tokens.size(), static_cast<size_t>(prompt + 12));
  EXPECT_FALSE(engine.Fingerprint().empty());
  EXPECT_GE(engine.Plan().total_bytes, engine.Info().memory_used_bytes);
  EXPECT_EQ(engine.GetModel().Info().num_tensors,
            llmrt::Model(llmrt::Source::FromPath(path)).Info().num_tensors);
  while (engine.PollLog().has_value()) continue;
  engine.CancelLoad();
  engine.Close();
  EXPECT_THROW(session.Info(), llmrt::Error);
}

TEST(VeneerTest, PumpedEngineServesSeveralStreams) {
  MODEL_OR_SKIP(path);
  llmrt::Options pumped = llmrt::Options::ForEngine();
  pumped.Set(LLMRT_ENGINE_PUMPED, true).Set(LLMRT_ENGINE_SESSIONS, 2);
  llmrt::Engine engine(llmrt::Source::FromPath(path), pumped);
  engine.WaitLoad();
  llmrt::Session first = engine.CreateSession(), second = engine.CreateSession();
  first.AppendTokens({1, 5, 9});
  second.AppendTokens({1, 6});
  llmrt::Options options = llmrt::Options::ForStream();
  options.Set(LLMRT_STREAM_MAX_TOKENS, 3);
  llmrt::Stream a = first.Submit(options), b = second.Submit(options);
  while (engine.Step(1000).work_remains != 0) continue;
  EXPECT_EQ(engine.Wait(0).size(), 2u);
  int32_t tokens[8];
  EXPECT_LE(a.Read(tokens, nullptr, 8, nullptr, 0).num_tokens, 3);
  b.Cancel();
}

TEST(VeneerTest, SessionsForkAndRewind) {
  MODEL_OR_SKIP(path);
  llmrt::Engine engine(llmrt::Source::FromPath(path));
  engine.WaitLoad();
  llmrt::Session session = engine.CreateSession();
  session.AppendTokens({1, 5, 9});
  llmrt::Options options = llmrt::Options::ForStream();
  options.Set(LLMRT_STREAM_MAX_TOKENS, 4).Set(LLMRT_STREAM_IGNORE_EOS, true);
  const auto finish = [](llmrt::Stream stream) {
    for (std::string text; stream.Next(&text);) continue;
  };
  finish(session.Submit(options));
  llmrt::Session whole = session.Fork(), part = session.Fork(3);
  EXPECT_EQ(whole.Tokens(), session.Tokens());
  EXPECT_EQ(part.Tokens(), (std::vector<int32_t>{1, 5, 9}));
  finish(part.Submit(options));
  EXPECT_EQ(part.Tokens(), whole.Tokens());
  whole.Rewind(5);
  EXPECT_EQ(whole.Info().num_tokens, 5);
  EXPECT_EQ(session.Info().num_tokens, 7);
  EXPECT_THROW(whole.Rewind(6), llmrt::Error);
  EXPECT_THROW(whole.Fork(6), llmrt::Error);
}

// A drafter in C++: what was said before, for a host that says it again.
int64_t Repeat(void* user, const int32_t* /*history*/, int64_t num_history, int32_t* tokens,
               int64_t capacity) {
  const auto& known = *static_cast<const std::vector<int32_t>*>(user);
  int64_t count = 0;
  while (count < capacity && num_history + count < static_cast<int64_t>(known.size())) {
    tokens[count] = known[static_cast<size_t>(num_history + count)];
    ++count;
  }
  return count;
}

TEST(VeneerTest, ADrafterAndForcedTokensSayTheSame) {
  MODEL_OR_SKIP(path);
  llmrt::Options drafting = llmrt::Options::ForEngine();
  drafting.Set(LLMRT_ENGINE_DRAFT_MAX, 4).Set(LLMRT_ENGINE_SESSIONS, 3);
  llmrt::Engine engine(llmrt::Source::FromPath(path), drafting);
  engine.WaitLoad();
  const auto say = [&](const llmrt::Options& options, llmrt::Stream* stream) {
    llmrt::Session session = engine.CreateSession();
    session.AppendTokens({1, 5, 9});
    *stream = session.Submit(options);
    for (std::string text; stream->Next(&text);) continue;
    return session.Tokens();
  };
  llmrt::Options options = llmrt::Options::ForStream();
  options.Set(LLMRT_STREAM_MAX_TOKENS, 30).Set(LLMRT_STREAM_IGNORE_EOS, true);
  llmrt::Stream stream;
  std::vector<int32_t> tokens = say(options, &stream);
  EXPECT_EQ(tokens.size(), 33u);
  EXPECT_EQ(stream.DraftLengths(0, 64), std::vector<int32_t>(30, 0));
  options.SetDrafter(Repeat, &tokens);
  EXPECT_EQ(say(options, &stream), tokens);
  const std::vector<int32_t> lengths = stream.DraftLengths(0, 64);
  EXPECT_EQ(static_cast<int64_t>(lengths.size()), stream.Info().steps);
  EXPECT_EQ(stream.Info().steps + stream.Info().accepted, 30);
  EXPECT_THROW(stream.DraftLengths(64, 1), llmrt::Error);
  options.Set(LLMRT_STREAM_FORCED_TOKENS,
              std::string_view(reinterpret_cast<const char*>(&tokens[3]), 30 * sizeof tokens[3]));
  EXPECT_EQ(say(options, &stream), tokens);
  EXPECT_THROW(llmrt::Options::ForEngine().SetDrafter(Repeat, &tokens), llmrt::Error);
}

// What the library reads of a model through a host's function.
int32_t ReadString(void* user, int64_t offset, void* buffer, int64_t length) {
  std::memcpy(buffer, static_cast<std::string*>(user)->data() + offset,
              static_cast<size_t>(length));
  return 0;
}

TEST(VeneerTest, SourcesOfEveryKindOpenTheSameModel) {
  MODEL_OR_SKIP(path);
  std::stringstream stream;
  stream << std::ifstream(path, std::ios::binary).rdbuf();
  std::string bytes = stream.str();
  const int64_t size = static_cast<int64_t>(bytes.size());
  const auto tensors = [](const llmrt::Source& source) {
    return llmrt::Model(source).Info().num_tensors;
  };
  const int64_t expected = tensors(llmrt::Source::FromPath(path));
  EXPECT_EQ(tensors(llmrt::Source::FromPath(path, 0, size)), expected);
  EXPECT_EQ(tensors(llmrt::Source::FromMemory(bytes.data(), size)), expected);
  EXPECT_EQ(tensors(llmrt::Source::FromMemory(bytes.data(), size, LLMRT_MEMORY_COPY)), expected);
  llmrt::Source callback = llmrt::Source::FromCallback(ReadString, &bytes, size);
  callback.AddPart("another.gguf", callback);
  EXPECT_EQ(tensors(callback), expected);
}

}  // namespace
