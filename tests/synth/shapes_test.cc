#include "synth/shapes.h"

#include <gtest/gtest.h>

#include "synth/filler_vocabulary.h"

namespace llmrt::synth {
namespace {

TEST(ShapesTest, EveryShapeIsFoundByItsName) {
  for (const ModelShape& shape : Shapes()) EXPECT_EQ(FindShape(shape.name), &shape);
  EXPECT_EQ(FindShape("llama"), nullptr);
  EXPECT_EQ(FindShape(""), nullptr);
}

TEST(ShapesTest, HeadsDivideTheWidth) {
  for (const ModelShape& shape : Shapes()) {
    EXPECT_EQ(shape.width % shape.q_heads, 0) << shape.name;
    EXPECT_EQ(shape.q_heads % shape.kv_heads, 0) << shape.name;
    EXPECT_EQ(shape.head_dim() % 2, 0) << shape.name;
    EXPECT_GE(shape.vocab_size, kFillerVocabularyMin) << shape.name;
  }
}

TEST(ShapesTest, HeadSizesAreThoseOfTheRealModels) {
  EXPECT_EQ(FindShape("smollm2-135m")->head_dim(), 64);
  EXPECT_EQ(FindShape("qwen2.5-0.5b")->kv_width(), 128);
  EXPECT_EQ(FindShape("llama-3.2-1b")->head_dim(), 64);
  EXPECT_EQ(FindShape("llama-3.1-8b")->kv_width(), 1024);
}

}  // namespace
}  // namespace llmrt::synth
