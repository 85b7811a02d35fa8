#include "tests/engine/test_engine.h"

#include <stdexcept>
#include <utility>

#include "engine/engine_core.h"

namespace llmrt::testing {
namespace {

void Check(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

}  // namespace

absl::StatusOr<std::unique_ptr<formats::ModelFile>> MemorySource::Open(bool) {
  return formats::OpenModelFile(formats::BorrowMemory(bytes_), nullptr);
}

absl::StatusOr<std::unique_ptr<formats::ModelFile>> FileSource::Open(bool use_mmap) {
  formats::FileRange range;
  range.path = path_;
  range.use_mmap = use_mmap;
  absl::StatusOr<std::shared_ptr<formats::ByteSource>> bytes = formats::OpenFile(range);
  if (!bytes.ok()) return bytes.status();
  const auto resolver = formats::ResolveBeside(path_, use_mmap);
  return formats::OpenModelFile(*std::move(bytes), resolver.get());
}

std::shared_ptr<engine::ModelSource> RandomSource(const RandomModelSpec& spec) {
  return std::make_shared<MemorySource>(MakeRandomModel(spec));
}

std::shared_ptr<engine::Engine> OpenEngine(std::shared_ptr<engine::ModelSource> source,
                                           engine::EngineOptions options) {
  auto engine = engine::Engine::Create(std::move(source), std::move(options));
  Check(engine.status());
  Check((*engine)->WaitLoad(-1));
  return *std::move(engine);
}

Generation ReadAll(engine::Engine& engine, engine::Stream& stream, int64_t pump_us) {
  Generation all;
  std::vector<int32_t> tokens(64);
  std::vector<float> logprobs(64);
  std::vector<char> text(256);
  while (all.reason == engine::FinishReason::kNone) {
    if (pump_us >= 0) {
      Check(engine.Step(pump_us).status());
    } else {
      Check(stream.Wait(-1));
    }
    absl::StatusOr<engine::ReadResult> result =
        stream.Read({tokens.data(), logprobs.data(), 64, text.data(), 256});
    Check(result.status());
    all.tokens.insert(all.tokens.end(), tokens.begin(), tokens.begin() + result->num_tokens);
    all.logprobs.insert(all.logprobs.end(), logprobs.begin(),
                        logprobs.begin() + result->num_tokens);
    all.text.append(text.data(), static_cast<size_t>(result->text_bytes));
    all.reason = result->finish_reason;
    all.status = result->status;
  }
  return all;
}

Generation Generate(const std::shared_ptr<engine::Engine>& engine,
                    const std::vector<int32_t>& prompt, engine::StreamOptions options,
                    int64_t pump_us) {
  absl::StatusOr<std::shared_ptr<engine::Session>> session = engine->CreateSession({});
  Check(session.status());
  Check((*session)->AppendTokens(prompt));
  absl::StatusOr<std::shared_ptr<engine::Stream>> stream = (*session)->Submit(std::move(options));
  Check(stream.status());
  return ReadAll(*engine, **stream, pump_us);
}

std::vector<uint8_t> KvBlock(engine::Engine& engine, const engine::Session& session,
                             int64_t logical_block) {
  const engine::Plan plan = engine.GetPlan().value();
  std::vector<uint8_t> bytes(static_cast<size_t>(plan.kv_bytes_per_token * plan.block_size));
  Check(engine.core().ReadKvBlock(session.state(), logical_block, absl::MakeSpan(bytes)));
  return bytes;
}

}  // namespace llmrt::testing
