#include "synth/synth.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace llmrt::synth {
namespace {

namespace fs = std::filesystem;

// A folder of its own for each test, gone with it.
class SynthTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = fs::path(testing::TempDir()) / ("llmrt_synth_" + name);
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  SynthRequest Request() const {
    return {.shape = "tiny", .file_type = "q4_0", .path = (folder_ / "model.gguf").string()};
  }
  bool FolderIsEmpty() const { return fs::is_empty(folder_); }

  fs::path folder_;
};

TEST_F(SynthTest, WritesTheFileAndSaysHowLongItIs) {
  const SynthRequest request = Request();
  const SynthResult result = WriteModel(request);
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(static_cast<uintmax_t>(result.file_bytes), fs::file_size(request.path));
  EXPECT_FALSE(fs::exists(request.path + ".part"));
}

TEST_F(SynthTest, AWriteThatIsStoppedLeavesNothing) {
  SynthRequest request = Request();
  request.go_on = [](double fraction) { return fraction < 0.5; };
  const SynthResult result = WriteModel(request);
  EXPECT_TRUE(result.stopped);
  EXPECT_NE(result.error, "");
  EXPECT_TRUE(FolderIsEmpty());
}

TEST_F(SynthTest, AFolderThatIsMissingIsAnErrorWithItsName) {
  SynthRequest request = Request();
  request.path = (folder_ / "missing" / "model.gguf").string();
  EXPECT_NE(WriteModel(request).error.find("missing"), std::string::npos);
}

TEST_F(SynthTest, UnknownNamesWriteNothing) {
  SynthRequest request = Request();
  request.shape = "huge";
  EXPECT_NE(WriteModel(request).error.find("'huge'"), std::string::npos);
  request = Request();
  request.file_type = "q1";
  EXPECT_NE(WriteModel(request).error.find("'q1'"), std::string::npos);
  EXPECT_TRUE(FolderIsEmpty());
}

TEST_F(SynthTest, NamesAreListed) {
  const std::vector<std::string> types = FileTypeNames();
  EXPECT_NE(std::find(types.begin(), types.end(), "q4_k_m"), types.end());
  EXPECT_EQ(ShapeNames().size(), 5u);
}

}  // namespace
}  // namespace llmrt::synth
