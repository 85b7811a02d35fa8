#include "model/llama_config.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "formats/byte_sink.h"
#include "formats/gguf_writer.h"
#include "tests/model/random_model.h"

namespace llmrt::model {
namespace {

// A header with an embedding of 16 x 10 and the keys that `add` gives; nothing else.
absl::StatusOr<LlamaConfig> Read(const std::function<void(formats::GgufWriter&)>& add,
                                 bool with_rope_divisors = false) {
  formats::GgufWriter writer;
  add(writer);
  EXPECT_TRUE(writer
                  .AddTensor("token_embd.weight", backend::WeightType::kF32, {16, 10},
                             std::vector<uint8_t>(640))
                  .ok());
  if (with_rope_divisors) {
    EXPECT_TRUE(writer
                    .AddTensor("rope_freqs.weight", backend::WeightType::kF32, {3},
                               std::vector<uint8_t>(12))
                    .ok());
  }
  formats::MemorySink sink;
  EXPECT_TRUE(writer.Write(sink).ok());
  auto file = formats::OpenModelFile(formats::CopyMemory(sink.bytes()), nullptr);
  if (!file.ok()) return file.status();
  return ReadLlamaConfig(**file);
}

void AddValid(formats::GgufWriter& writer, std::string_view left_out = "") {
  const auto add = [&](std::string_view key, uint32_t value) {
    if (key != left_out) writer.AddUint32(key, value);
  };
  writer.AddString("general.architecture", "llama");
  add("llama.block_count", 2);
  add("llama.embedding_length", 16);
  add("llama.feed_forward_length", 32);
  add("llama.attention.head_count", 4);
  add("llama.context_length", 128);
}

TEST(LlamaConfigTest, AbsentKeysHaveTheArchitecturesDefaults) {
  const auto config = Read([](auto& writer) { AddValid(writer); });
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_kv_heads, 4);
  EXPECT_EQ(config->head_dim, 4);
  EXPECT_EQ(config->rope.dims, 4);
  EXPECT_EQ(config->rope.base, 10000.0);
  EXPECT_EQ(config->vocab_size, 10);
  EXPECT_TRUE(config->tied_embeddings);
}

TEST(LlamaConfigTest, EveryNeededKeyIsNamedWhenAbsent) {
  for (const char* key : {"llama.block_count", "llama.embedding_length", "llama.context_length",
                          "llama.feed_forward_length", "llama.attention.head_count"}) {
    const auto config = Read([key](auto& writer) { AddValid(writer, key); });
    EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss) << key;
    EXPECT_NE(config.status().message().find(key), std::string_view::npos) << config.status();
  }
}

TEST(LlamaConfigTest, NumbersOutOfBoundsAreRefused) {
  for (const char* key : {"llama.attention.head_count_kv", "llama.attention.key_length",
                          "llama.rope.dimension_count"}) {
    for (const uint32_t value : {0u, 0x7fffffffu, 0xffffffffu}) {
      const auto config = Read([&](auto& writer) {
        AddValid(writer);
        writer.AddUint32(key, value);
      });
      EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss) << key << " " << value;
    }
  }
}

TEST(LlamaConfigTest, QueryHeadsMustBeAMultipleOfKvHeads) {
  const auto config = Read([](auto& writer) {
    AddValid(writer);
    writer.AddUint32("llama.attention.head_count_kv", 3);
  });
  EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss);
}

TEST(LlamaConfigTest, HeadDimThatDoesNotFollowMustBeGiven) {
  const auto without = Read([](auto& writer) {
    AddValid(writer, "llama.attention.head_count");
    writer.AddUint32("llama.attention.head_count", 3);
  });
  EXPECT_EQ(without.status().code(), absl::StatusCode::kDataLoss);
  const auto with = Read([](auto& writer) {
    AddValid(writer, "llama.attention.head_count");
    writer.AddUint32("llama.attention.head_count", 3);
    writer.AddUint32("llama.attention.key_length", 8);
  });
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_EQ(with->q_dim(), 24);
}

TEST(LlamaConfigTest, OtherArchitecturesAndScalingsAreUnimplemented) {
  EXPECT_EQ(
      Read([](auto& writer) { writer.AddString("general.architecture", "mamba"); }).status().code(),
      absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Read([](auto& writer) {
              AddValid(writer);
              writer.AddString("llama.rope.scaling.type", "yarn");
            })
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
}

TEST(LlamaConfigTest, RopeScalingsAreRead) {
  const auto linear = Read([](auto& writer) {
    AddValid(writer);
    writer.AddString("llama.rope.scaling.type", "linear");
    writer.AddFloat32("llama.rope.scaling.factor", 4);
  });
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_EQ(linear->rope.scaling, numerics::RopeScaling::kLinear);
  EXPECT_EQ(linear->rope.factor, 4);
  const auto llama3 = Read([](auto& writer) {
    AddValid(writer);
    writer.AddString("llama.rope.scaling.type", "llama3");
    writer.AddFloat32("llama.rope.scaling.factor", 8);
    writer.AddUint32("llama.rope.scaling.original_context_length", 64);
  });
  ASSERT_TRUE(llama3.ok()) << llama3.status();
  EXPECT_EQ(llama3->rope.scaling, numerics::RopeScaling::kLlama3);
  EXPECT_EQ(llama3->rope.original_context, 64);
}

TEST(LlamaConfigTest, RopeDivisorsOfAnotherLengthAreRefused) {
  const auto config = Read([](auto& writer) { AddValid(writer); }, /*with_rope_divisors=*/true);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(config.status().message().find("rope_freqs.weight has 3"), std::string_view::npos);
}

TEST(LlamaConfigTest, AVocabularyOnlyFileSaysThatItHasNoWeights) {
  formats::GgufWriter writer;
  AddValid(writer);
  formats::MemorySink sink;
  ASSERT_TRUE(writer.Write(sink).ok());
  auto file = formats::OpenModelFile(formats::CopyMemory(sink.bytes()), nullptr);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(ReadLlamaConfig(**file).status().code(), absl::StatusCode::kDataLoss);
}

// Sine and cosine reduce arguments up to 2^24; beyond they give NaN.
TEST(LlamaConfigTest, AnglesBeyondTheRangeOfSineAndCosineAreRefused) {
  const auto slow = Read([](auto& writer) {
    AddValid(writer);
    writer.AddString("llama.rope.scaling.type", "linear");
    writer.AddFloat32("llama.rope.scaling.factor", 0.001f);
  });
  ASSERT_TRUE(slow.ok()) << slow.status();  // the frequency is 1000
  EXPECT_TRUE(CheckRope(*slow, 16700).ok());
  const absl::Status status = CheckRope(*slow, 16800);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  for (const char* part : {"16800", "16777216", "scaling factor", "context_length"}) {
    EXPECT_NE(status.message().find(part), std::string_view::npos) << status;
  }
}

TEST(LlamaConfigTest, RopeIsCheckedWithItsDivisors) {
  LlamaConfig config = Read([](auto& writer) { AddValid(writer); }).value();
  config.rope.freq_divisors = {1e-9f, 1};
  const absl::Status status = CheckRope(config, 128);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("rope_freqs.weight"), std::string_view::npos) << status;
  config.rope.freq_divisors = {1};  // one for two pairs
  EXPECT_EQ(CheckRope(config, 128).code(), absl::StatusCode::kDataLoss);
  config.rope.freq_divisors = {1e-40f, 1};  // a denormal counts as zero
  EXPECT_EQ(CheckRope(config, 128).code(), absl::StatusCode::kDataLoss);
  config.rope.freq_divisors = {0.5f, 3};
  EXPECT_TRUE(CheckRope(config, 1 << 23).ok());
}

// With an epsilon that counts as zero an all-zero row is 0 / 0.
TEST(LlamaConfigTest, EpsilonMustBeANormalNumber) {
  const auto with = [](float epsilon) {
    return Read([&](auto& writer) {
      AddValid(writer);
      writer.AddFloat32("llama.attention.layer_norm_rms_epsilon", epsilon);
    });
  };
  for (const float bad : {0.0f, -1e-5f, 1e-39f, 2.0f, NAN}) {
    const auto config = with(bad);
    EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss) << bad;
    EXPECT_NE(config.status().message().find("layer_norm_rms_epsilon"), std::string_view::npos);
  }
  EXPECT_TRUE(with(0x1p-126f).ok());
}

TEST(LlamaConfigTest, HeadsAreAtMost512Wide) {
  const auto with = [](uint32_t head_dim) {
    return Read([&](auto& writer) {
      AddValid(writer);
      writer.AddUint32("llama.attention.key_length", head_dim);
      writer.AddUint32("llama.attention.value_length", head_dim);
    });
  };
  EXPECT_TRUE(with(512).ok());
  EXPECT_EQ(with(514).status().code(), absl::StatusCode::kDataLoss);
}

// A host may round as it likes: 1e-5, the default, is no float32 and has to be rounded.
TEST(LlamaConfigTest, TheHostsRoundingChangesNothing) {
  const float expected = Read([](auto& writer) { AddValid(writer); })->norm_epsilon;
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    ASSERT_EQ(std::fesetround(mode), 0);
    const auto config = Read([](auto& writer) { AddValid(writer); });
    EXPECT_EQ(std::fegetround(), mode);
    std::fesetround(FE_TONEAREST);
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config->norm_epsilon, expected);
  }
}

TEST(LlamaConfigTest, LayerTensorNamesFollowTheFormat) {
  EXPECT_EQ(LayerTensorName(3, "attn_q"), "blk.3.attn_q.weight");
}

}  // namespace
}  // namespace llmrt::model
