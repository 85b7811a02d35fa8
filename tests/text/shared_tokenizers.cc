#include "tests/text/shared_tokenizers.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "formats/byte_source.h"
#include "formats/model_file.h"
#include "tests/shared_files.h"

namespace llmrt::text {
namespace {

std::string TokenizerPath(std::string_view name, std::string_view ending) {
  return testing::SharedFile("tokenizers/" + std::string(name) + std::string(ending));
}

std::string ModelPath(std::string_view name) {
  return testing::SharedFile("models/" + std::string(name) + ".gguf");
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& path) {
  auto source = formats::OpenFile({.path = path});
  if (!source.ok()) return source.status();
  auto file = formats::OpenModelFile(*source, nullptr);
  if (!file.ok()) return file.status();
  return Tokenizer::Create((*file)->tokenizer());
}

}  // namespace

bool SkipWithoutSharedTokenizer(std::string_view name) {
  return testing::SkipWithoutFile(TokenizerPath(name, ".gguf"));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadSharedTokenizer(std::string_view name) {
  return Load(TokenizerPath(name, ".gguf"));
}

bool SkipWithoutSharedModel(std::string_view name) {
  return testing::SkipWithoutFile(ModelPath(name));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadModelTokenizer(std::string_view name) {
  return Load(ModelPath(name));
}

std::vector<EncodingCase> ReadVectors(std::string_view name) {
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  const std::string texts = ReadFile(TokenizerPath(name, ".inp"));
  std::istringstream lines(ReadFile(TokenizerPath(name, ".out")));
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
  std::istringstream lines(ReadFile(TokenizerPath(name, ".random.jsonl")));
  std::vector<EncodingCase> cases;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json entry = nlohmann::json::parse(line);
    cases.push_back({entry.at("text"), entry.at("tokens")});
  }
  return cases;
}

std::vector<EncodingCase> ReadGoldenPrompts(std::string_view name) {
  const std::string path = testing::SharedFile("models/golden/" + std::string(name) + ".json");
  const nlohmann::json golden = nlohmann::json::parse(ReadFile(path));
  std::vector<EncodingCase> cases;
  for (const nlohmann::json& result : golden.at("results")) {
    cases.push_back({result.at("prompt"), result.at("prompt_tokens")});
  }
  return cases;
}

}  // namespace llmrt::text
