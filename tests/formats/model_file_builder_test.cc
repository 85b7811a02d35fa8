#include "formats/model_file_builder.h"

#include "gtest/gtest.h"

namespace llmrt::formats {
namespace {

TEST(ModelFileBuilderTest, KeysAndNamesAreTakenOnce) {
  ModelFileBuilder builder;
  EXPECT_TRUE(builder.AddMetadata("a", uint64_t{1}));
  EXPECT_FALSE(builder.AddMetadata("a", uint64_t{2}));
  EXPECT_TRUE(builder.AddTensor({.name = "t", .bytes = 1}));
  EXPECT_FALSE(builder.AddTensor({.name = "t", .bytes = 2}));
  const auto file = builder.Finish();
  EXPECT_EQ(file->metadata().size(), 1u);
  EXPECT_EQ(*file->GetInt("a", 0), 1);
  EXPECT_EQ(file->FindTensor("t")->bytes, 1);
}

TEST(ModelFileBuilderTest, PartsAreNumberedInOrder) {
  ModelFileBuilder builder;
  EXPECT_EQ(builder.AddPart(CopyMemory({{1, 2}})), 0);
  EXPECT_EQ(builder.AddPart(CopyMemory({{3, 4, 5}})), 1);
  builder.AddTensor({.name = "t", .part = 1, .offset = 1, .bytes = 2});
  builder.SetFormat("test");
  builder.SetHeaderHash("00ff");
  builder.tokenizer().bos_id = 7;
  const auto file = builder.Finish();
  EXPECT_EQ(file->file_bytes(), 5);
  EXPECT_EQ(file->format(), "test");
  EXPECT_EQ(file->header_hash(), "00ff");
  EXPECT_EQ(file->tokenizer().bos_id, 7);
  uint8_t out[2];
  ASSERT_TRUE(file->ReadTensor(*file->FindTensor("t"), 0, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out[1], 5);
}

}  // namespace
}  // namespace llmrt::formats
