// Memory is a contract: what the plan says is what full use takes, a budget is a hard limit, and
// the count agrees with what the system sees. Through the shared library, as a host has it.
#include <malloc.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "llmrt.hpp"
#include "tests/shared_files.h"

namespace {

struct Shape {
  int64_t sessions = 1;
  int64_t context = 0;  // 0: the model's
  const char* kv_type = "f16";
  int64_t budget = 0;
  int64_t step_tokens = 512;
};

std::string Bundled(const std::string& name) { return LLMRT_SAMPLES_DIR "/models/" + name; }

// The models that are here; those of the shared folder may be missing.
std::vector<std::string> Models() {
  std::vector<std::string> paths = {Bundled("village-draft-q8_0.gguf"),
                                    Bundled("village-target-q8_0.gguf")};
  for (const char* name : {"stories260K-f32", "tinystories-1.4M-f16", "tinystories-1.4M-q8_0",
                           "tinystories-3.8M-q4_0", "tinystories-3.8M-q4_k_m"}) {
    const std::string path = std::string(LLMRT_SHARED_DIR "/models/") + name + ".gguf";
    if (std::ifstream(path).good()) paths.push_back(path);
  }
  return paths;
}

llmrt::Options OptionsFor(const Shape& shape) {
  llmrt::Options options = llmrt::Options::ForEngine();
  options.Set(LLMRT_ENGINE_THREADS, 2)
      .Set(LLMRT_ENGINE_SESSIONS, shape.sessions)
      .Set(LLMRT_ENGINE_CONTEXT_LENGTH, shape.context)
      .Set(LLMRT_ENGINE_KV_TYPE, shape.kv_type)
      .Set(LLMRT_ENGINE_STEP_TOKENS, shape.step_tokens)
      .Set(LLMRT_ENGINE_MEMORY_BUDGET_BYTES, shape.budget);
  return options;
}

llmrt::Options StreamOptions(int64_t max_tokens) {
  llmrt::Options options = llmrt::Options::ForStream();
  options.Set(LLMRT_STREAM_IGNORE_EOS, 1).Set(LLMRT_STREAM_MAX_TOKENS, max_tokens);
  return options;
}

// What a stream still has to say, and its end.
std::pair<std::vector<int32_t>, int32_t> ReadToTheEnd(llmrt::Stream& stream) {
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

// Every planned session filled to its context: a prompt, and a stream for the last tokens.
void UseFully(llmrt::Engine& engine, int64_t sessions) {
  const int64_t context = engine.Plan().context_length;
  const std::vector<int32_t> prompt(static_cast<size_t>(context > 8 ? context - 8 : 1), 5);
  std::vector<llmrt::Session> open;
  std::vector<llmrt::Stream> streams;
  for (int64_t i = 0; i < sessions; ++i) {
    open.push_back(engine.CreateSession());
    open.back().AppendTokens(prompt);
    streams.push_back(open.back().Submit(StreamOptions(-1)));
  }
  for (llmrt::Stream& stream : streams) {
    ASSERT_EQ(ReadToTheEnd(stream).second, LLMRT_FINISH_CONTEXT_FULL) << stream.Message();
  }
}

void ExpectTheContractHolds(const std::string& path, const Shape& shape) {
  SCOPED_TRACE(path + ": " + std::to_string(shape.sessions) + " sessions of " +
               std::to_string(shape.context) + ", budget " + std::to_string(shape.budget));
  const llmrt::Source source = llmrt::Source::FromPath(path);
  const llmrt::Options options = OptionsFor(shape);
  const llmrt_plan before = llmrt::Model(source).Plan(options);
  llmrt::Engine engine(source, options);
  engine.WaitLoad();
  const llmrt_plan plan = engine.Plan();
  EXPECT_EQ(plan.total_bytes, before.total_bytes);
  EXPECT_EQ(plan.heap_bytes, before.heap_bytes);
  EXPECT_EQ(plan.kv_blocks, before.kv_blocks);
  UseFully(engine, shape.sessions);
  const llmrt_engine_info info = engine.Info();
  if (info.heap_bytes == 0) return;  // a sanitizer keeps its own operator new
  EXPECT_GE(plan.total_bytes, info.memory_peak_bytes);
  EXPECT_GE(static_cast<double>(info.memory_peak_bytes),
            static_cast<double>(plan.total_bytes) / 1.02)
      << "total " << plan.total_bytes << ", peak " << info.memory_peak_bytes;
  EXPECT_TRUE(shape.budget == 0 || plan.total_bytes <= shape.budget) << plan.total_bytes;
}

TEST(MemoryContractTest, FullUseComesWithinTwoPercentOfThePlanForEveryModel) {
  for (const std::string& path : Models()) {
    ExpectTheContractHolds(path, {.sessions = 1});
    ExpectTheContractHolds(path, {.sessions = 1, .context = 64});
    ExpectTheContractHolds(path, {.sessions = 8, .context = 64, .kv_type = "f32"});
  }
}

TEST(MemoryContractTest, FullUseComesWithinTwoPercentOfThePlanForEveryOption) {
  const std::string path = Bundled("village-draft-q8_0.gguf");
  for (const int64_t sessions : {1, 8, 64}) {
    for (const int64_t context : {64, 200, 0}) {
      for (const char* type : {"f16", "f32"}) {
        ExpectTheContractHolds(path, {.sessions = sessions, .context = context, .kv_type = type});
      }
    }
  }
  ExpectTheContractHolds(path, {.context = 0, .step_tokens = 32});
}

TEST(MemoryContractTest, FullUseComesWithinTwoPercentOfThePlanUnderABudget) {
  for (const std::string& path : Models()) {
    const llmrt_plan whole = llmrt::Model(llmrt::Source::FromPath(path)).Plan(OptionsFor({}));
    // To the byte, and with room for about half of the KV.
    ExpectTheContractHolds(path, {.budget = whole.total_bytes});
    ExpectTheContractHolds(path, {.budget = whole.total_bytes - whole.kv_bytes / 2});
  }
}

TEST(MemoryContractTest, ABudgetOneByteTooSmallIsRefusedWithItsNumbers) {
  const llmrt::Source source = llmrt::Source::FromPath(Bundled("village-draft-q8_0.gguf"));
  const int64_t least =
      llmrt::Model(source).Plan(OptionsFor({.context = 16})).total_bytes;  // one block
  ExpectTheContractHolds(Bundled("village-draft-q8_0.gguf"), {.context = 16, .budget = least});
  try {
    llmrt::Engine engine(source, OptionsFor({.context = 16, .budget = least - 1}));
    engine.WaitLoad();
    FAIL() << "the load went through";
  } catch (const llmrt::Error& error) {
    EXPECT_EQ(error.status(), LLMRT_STATUS_RESOURCE_EXHAUSTED);
    for (const int64_t number : {least, least - 1}) {
      EXPECT_NE(std::string(error.what()).find(std::to_string(number)), std::string::npos)
          << error.what();
    }
  }
}

TEST(MemoryContractTest, SessionsWithoutEndAreRefusedAndTheOthersGoOn) {
  const llmrt::Source source = llmrt::Source::FromPath(Bundled("village-draft-q8_0.gguf"));
  const std::vector<int32_t> prompt = {1, 40, 41, 42};
  llmrt::Engine free_engine(source, OptionsFor({.context = 256}));
  free_engine.WaitLoad();
  llmrt::Session free_session = free_engine.CreateSession();
  free_session.AppendTokens(prompt);
  llmrt::Stream free_stream = free_session.Submit(StreamOptions(200));
  const std::vector<int32_t> expected = ReadToTheEnd(free_stream).first;
  ASSERT_EQ(expected.size(), 200u);

  const int64_t budget = free_engine.Plan().total_bytes + 50000;
  llmrt::Engine engine(source, OptionsFor({.context = 256, .budget = budget}));
  engine.WaitLoad();
  if (engine.Info().heap_bytes == 0) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  llmrt::Session session = engine.CreateSession();
  session.AppendTokens(prompt);
  llmrt::Stream stream = session.Submit(StreamOptions(200));
  std::vector<llmrt::Session> more;
  llmrt_status status = LLMRT_STATUS_OK;
  std::string message;
  while (status == LLMRT_STATUS_OK && more.size() < 1000000) {
    try {
      more.push_back(engine.CreateSession());
    } catch (const llmrt::Error& error) {
      status = error.status();
      message = error.what();
    }
  }
  EXPECT_EQ(status, LLMRT_STATUS_RESOURCE_EXHAUSTED);
  EXPECT_NE(message.find("budget of " + std::to_string(budget)), std::string::npos) << message;
  EXPECT_GT(more.size(), 50u);
  EXPECT_THROW(session.AppendTokens(prompt), llmrt::Error);  // in flight, or no room: no crash
  EXPECT_EQ(ReadToTheEnd(stream), std::make_pair(expected, int32_t{LLMRT_FINISH_MAX_TOKENS}));
  EXPECT_LE(engine.Info().memory_peak_bytes, budget);
  more.clear();
  EXPECT_NO_THROW(engine.CreateSession());
}

TEST(MemoryContractTest, WhatIsReleasedIsRefunded) {
  const llmrt::Source source = llmrt::Source::FromPath(Bundled("village-draft-q8_0.gguf"));
  llmrt::Engine engine(source, OptionsFor({.sessions = 4, .context = 64}));
  engine.WaitLoad();
  UseFully(engine, 4);
  const int64_t used = engine.Info().memory_used_bytes;
  for (int i = 0; i < 5; ++i) UseFully(engine, 4);
  EXPECT_EQ(engine.Info().memory_used_bytes, used);
}

// Kilobytes of a line of /proc/self/status.
int64_t StatusBytes(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::atoll(line.c_str() + name.size() + 1) * 1024;
  }
  return -1;
}

// A host that touches every page of large memory at once, so that all of it is resident.
void* AllocateTouched(void*, int64_t bytes, int64_t, int32_t) {
  void* memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}
void ReleaseTouched(void*, void* memory, int64_t bytes, int32_t) {
  munmap(memory, static_cast<size_t>(bytes));
}

struct Resident {
  int64_t growth_bytes = 0;
  int64_t used_bytes = 0;
  int64_t peak_bytes = 0;
  int64_t heap_bytes = 0;
};

Resident UseAndMeasure(const std::string& path) {
  llmrt::Options options = OptionsFor({.sessions = 8});
  options.SetMemoryHook(AllocateTouched, ReleaseTouched, nullptr);
  const int64_t before = StatusBytes("RssAnon");
  llmrt::Engine engine(llmrt::Source::FromPath(path), options);
  engine.WaitLoad();
  UseFully(engine, 8);
  const llmrt_engine_info info = engine.Info();
  return {StatusBytes("RssAnon") - before, info.memory_used_bytes, info.memory_peak_bytes,
          info.heap_bytes};
}

// In a process of its own, whose heap holds nothing that was freed before.
Resident MeasureApart(const std::string& path) {
  int ends[2];
  Resident measured;
  if (pipe(ends) != 0) return measured;
  const pid_t child = fork();
  if (child == 0) {
    malloc_trim(0);
    measured = UseAndMeasure(path);
    _exit(write(ends[1], &measured, sizeof measured) == sizeof measured ? 0 : 1);
  }
  close(ends[1]);
  if (read(ends[0], &measured, sizeof measured) != sizeof measured) measured = Resident();
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return measured;
}

// More than the count: a piece of the file, which malloc may keep after the load (256 KB), and 128
// KB for the touched parts of the two threads' stacks (some 16 KB each), the tails of pages and of
// malloc's arenas, and holes that the tokenizer's construction leaves between what stays. Less than
// it: arrays that are reserved to their full length and not written to the end (of steps, 140 bytes
// a row, 72 KB), again with tails.
TEST(MemoryContractTest, ResidentMemoryAgreesWithTheCount) {
  constexpr int64_t kMoreBytes = (256 + 128) << 10, kLessBytes = 128 << 10;
  for (const std::string& path : Models()) {
    SCOPED_TRACE(path);
    const Resident resident = MeasureApart(path);
    if (resident.heap_bytes == 0) GTEST_SKIP() << "a sanitizer keeps its own operator new";
    EXPECT_LE(resident.growth_bytes, resident.peak_bytes + kMoreBytes);
    EXPECT_GE(resident.growth_bytes, resident.used_bytes - kLessBytes);
  }
}

}  // namespace
