// Engines for tests: opened from memory or a file, driven to the end of a generation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model.h"
#include "tests/model/random_model.h"

namespace llmrt::testing {

// A model in memory that can be opened any number of times.
class MemorySource : public engine::ModelSource {
 public:
  explicit MemorySource(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}
  absl::StatusOr<std::unique_ptr<formats::ModelFile>> Open(bool use_mmap) override;

 private:
  const std::vector<uint8_t> bytes_;
};

class FileSource : public engine::ModelSource {
 public:
  explicit FileSource(std::string path) : path_(std::move(path)) {}
  absl::StatusOr<std::unique_ptr<formats::ModelFile>> Open(bool use_mmap) override;

 private:
  const std::string path_;
};

std::shared_ptr<engine::ModelSource> RandomSource(const RandomModelSpec& spec = {});

// Loads and waits; a failed load throws.
std::shared_ptr<engine::Engine> OpenEngine(std::shared_ptr<engine::ModelSource> source,
                                           engine::EngineOptions options = {});

struct Generation {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::string text;
  engine::FinishReason reason = engine::FinishReason::kNone;
  absl::Status status;
};

// Reads a stream to its end; pumps the engine with `pump_us` a call where it is not negative.
Generation ReadAll(engine::Engine& engine, engine::Stream& stream, int64_t pump_us = -1);

// One generation on a new session.
Generation Generate(const std::shared_ptr<engine::Engine>& engine,
                    const std::vector<int32_t>& prompt, engine::StreamOptions options,
                    int64_t pump_us = -1);

// The bytes of one block of a session.
std::vector<uint8_t> KvBlock(engine::Engine& engine, const engine::Session& session,
                             int64_t logical_block);

}  // namespace llmrt::testing
