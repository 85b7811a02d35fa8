#include "tests/text/shared_tokenizers.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "formats/byte_source.h"
#include "formats/model_file.h"

namespace llmrt::text {
namespace {

std::string Path(std::string_view name, std::string_view ending) {
  return std::string(LLMRT_SHARED_DIR) + "/tokenizers/" + std::string(name) + std::string(ending);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

bool SkipWithoutSharedTokenizer(std::string_view name) {
  const std::string path = Path(name, ".gguf");
  if (std::filesystem::exists(path)) return false;
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string_view(ci) == "true") {
    ADD_FAILURE() << path << " is missing";
  } else {
    [&] { GTEST_SKIP() << path << " is missing"; }();
  }
  return true;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadSharedTokenizer(std::string_view name) {
  auto source = formats::OpenFile({.path = Path(name, ".gguf")});
  if (!source.ok()) return source.status();
  auto file = formats::OpenModelFile(*source, nullptr);
  if (!file.ok()) return file.status();
  return Tokenizer::Create((*file)->tokenizer());
}

std::vector<EncodingCase> ReadVectors(std::string_view name) {
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  const std::string texts = ReadFile(Path(name, ".inp"));
  std::istringstream lines(ReadFile(Path(name, ".out")));
  std::vector<EncodingCase> cases;
  size_t pos = 0;
  for (std::string line; std::getline(lines, line);) {
    // The last separator has no text behind it.
    const size_t end = texts.find(kSeparator, pos);
    EncodingCase next;
    next.text = texts.substr(pos, end == texts.npos ? texts.npos : end - pos);
    std::istringstream ids(line);
    next.tokens.assign(std::istream_iterator<int32_t>(ids), std::istream_iterator<int32_t>());
    cases.push_back(std::move(next));
    pos = end == texts.npos ? texts.size() : end + kSeparator.size();
  }
  return cases;
}

std::vector<EncodingCase> ReadRandomTexts(std::string_view name) {
  std::istringstream lines(ReadFile(Path(name, ".random.jsonl")));
  std::vector<EncodingCase> cases;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json entry = nlohmann::json::parse(line);
    cases.push_back({entry.at("text"), entry.at("tokens")});
  }
  return cases;
}

}  // namespace llmrt::text
