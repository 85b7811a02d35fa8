#include "plugin/plugin_library.h"

#include <dirent.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory/counted_heap.h"
#include "plugin/build_id.h"
#include "tests/temp_folder.h"

namespace llmrt::plugin {
namespace {

using ::testing::HasSubstr;

std::string Folder(const std::string& variant) {
  return absl::StrCat(LLMRT_FAKE_PLUGINS, "/", variant);
}

// What Open says of a library that it refuses: one line with its path.
absl::Status Refusal(const std::string& folder) {
  const absl::Status status = PluginLibrary::Open(folder).status();
  EXPECT_FALSE(status.ok()) << folder;
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr(folder + "/" + std::string(PluginFileName())));
  EXPECT_EQ(message.find('\n'), message.npos) << message;
  return status;
}

int CountFiles() {
  int count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

int CountMappings() {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  int count = 0;
  while (std::getline(maps, line)) {
    if (line.find("libllmrt_cuda") != line.npos) ++count;
  }
  return count;
}

TEST(PluginLibraryTest, TheFilesNameHasTheFullVersion) {
  EXPECT_EQ(PluginFileName(), "libllmrt_cuda.so." LLMRT_PLUGIN_VERSION);
}

TEST(PluginLibraryTest, TheSameBuildOpensAndIsClosedWithItsLastHold) {
  auto library = PluginLibrary::Open(Folder("right"));
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_EQ((*library)->table().version, backend::kPluginTableVersion);
  EXPECT_EQ((*library)->table().build_id, BuildId());
  auto second = PluginLibrary::Open(Folder("right") + "/");  // another way to write it
  ASSERT_TRUE(second.ok()) << second.status();
  library->reset();
  EXPECT_GT(CountMappings(), 0);
  second->reset();
#if !defined(__SANITIZE_ADDRESS__)  // which keeps libraries for its reports
  EXPECT_EQ(CountMappings(), 0);
#endif
}

TEST(PluginLibraryTest, AFileThatIsNotThereIsNotFound) {
  const absl::Status status = Refusal(Folder("nowhere"));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("install the CUDA plugin"));
}

TEST(PluginLibraryTest, WithoutAFolderItIsLookedForBesideThisProgram) {
  const absl::Status status = PluginLibrary::Open("").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/libllmrt_cuda.so"));
}

TEST(PluginLibraryTest, AnotherBuildIsRefusedWithBothIds) {
  const absl::Status status = Refusal(Folder("other_build"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("0123;"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(BuildId())));
}

TEST(PluginLibraryTest, AnotherVersionOfTheTableIsRefusedWithBoth) {
  const absl::Status status = Refusal(Folder("other_version"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("table version 99 of "));
}

TEST(PluginLibraryTest, LibrariesWithoutTableOrEntryAreRefused) {
  EXPECT_EQ(Refusal(Folder("no_table")).code(), absl::StatusCode::kFailedPrecondition);
  const absl::Status status = Refusal(Folder("no_entry"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no plugin of llmrt"));
}

TEST(PluginLibraryTest, AFileThatIsNoLibraryIsRefusedWithTheLoadersWords) {
  const llmrt::testing::TempFolder folder;
  std::ofstream(folder / PluginFileName()) << "text\n";
  const absl::Status status = Refusal(folder.path());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be loaded: "));
}

TEST(PluginLibraryTest, AHundredOpensAndRefusalsLeaveNothingBehind) {
  const auto round = [] {
    EXPECT_TRUE(PluginLibrary::Open(Folder("right")).ok());
    EXPECT_FALSE(PluginLibrary::Open(Folder("other_build")).ok());
    EXPECT_FALSE(PluginLibrary::Open(Folder("no_entry")).ok());
    EXPECT_FALSE(PluginLibrary::Open(Folder("nowhere")).ok());
  };
  round();
  const int files = CountFiles(), mappings = CountMappings();
  const int64_t heap = memory::HeapBytes();
  for (int i = 0; i < 100; ++i) round();
  EXPECT_EQ(CountFiles(), files);
  EXPECT_EQ(CountMappings(), mappings);
  EXPECT_EQ(memory::HeapBytes(), heap);
}

TEST(PluginLibraryTest, WithoutMemoryForItsObjectTheLibraryIsClosedAgain) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  const int mappings = CountMappings();
  bool opened = false;
  for (int64_t skip = 0; !opened; ++skip) {
    memory::FailHeapAllocation(skip);
    try {
      opened = PluginLibrary::Open(Folder("right")).ok();
    } catch (const std::bad_alloc&) {
    }
    memory::FailHeapAllocation(-1);
    EXPECT_EQ(CountMappings(), mappings);
  }
}

}  // namespace
}  // namespace llmrt::plugin
