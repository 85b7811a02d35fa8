// A PluginBackend on the fake device, with a small model's cache and step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "plugin/plugin_backend.h"
#include "tests/plugin/fake_plugin.h"

namespace llmrt::plugin {

class PluginFixture : public ::testing::Test {
 protected:
  ~PluginFixture() override {
    cache_.reset();
    backend_.reset();
    fake_.Reset();
  }

  absl::StatusOr<std::unique_ptr<backend::Backend>> Create(
      backend::PluginBackendOptions options = {}) {
    options.memory = &memory_;
    return PluginBackend::Create(*fake_.Table("x"), nullptr, options);
  }
  void Open() { backend_ = Create().value(); }
  // Two layers, two KV heads of 8, blocks of 16 tokens; 6 blocks.
  void OpenWithSteps() {
    Open();
    cache_ = backend_->CreateKvCache(kShape, 6).value();
    ASSERT_TRUE(backend_->ReserveSteps(kNeeds, *cache_).ok());
  }
  // Begins a step of two sequences: rows at positions 20 and 21 of the first, 3 of the second.
  void Begin() { ASSERT_TRUE(backend_->BeginStep(batch_, logit_rows_).ok()); }

  void Fail(const std::string& call, int32_t code = 13, const std::string& text = "told to") {
    fake_.fail_call = call;
    fake_.fail_code = code;
    fake_.fail_text = text;
  }
  uint64_t BlockAddress(int32_t block) const {
    return static_cast<const PluginKvCache&>(*cache_).AddressOf(block);
  }

  static constexpr backend::KvShape kShape = {.num_layers = 2,
                                              .num_kv_heads = 2,
                                              .head_dim = 8,
                                              .block_size = 16,
                                              .type = backend::KvType::kF16};
  static constexpr backend::StepNeeds kNeeds = {
      .rows = 4, .logit_rows = 2, .context_length = 40, .vocab_size = 100, .num_q_heads = 4};

  ::llmrt::testing::FakePlugin& fake_ = ::llmrt::testing::FakePlugin::Get();
  memory::LargeMemory memory_{0};
  std::unique_ptr<backend::Backend> backend_;
  std::unique_ptr<backend::KvCache> cache_;

  std::vector<int32_t> tokens_ = {7, 8, 9};
  std::vector<int32_t> positions_ = {20, 21, 3};
  std::vector<int32_t> sequences_ = {0, 0, 1};
  std::vector<int32_t> first_table_ = {4, 1, 5};  // its third block is not needed yet
  std::vector<int32_t> second_table_ = {2};
  std::vector<absl::Span<const int32_t>> tables_ = {first_table_, second_table_};
  std::vector<int32_t> logit_rows_ = {1, 2};
  backend::Batch batch_ = {
      .tokens = tokens_, .positions = positions_, .sequences = sequences_, .block_tables = tables_};
};

}  // namespace llmrt::plugin
