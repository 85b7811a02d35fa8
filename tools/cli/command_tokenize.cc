// llmrt tokenize: text to token ids, with the pieces beside them for people. Needs no tensors, so a
// vocabulary-only file will do.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "json_output.h"
#include "library.h"
#include "terminal.h"
#include "text_file.h"

namespace llmrt::cli {
namespace {

Outcome Detokenize(llmrt_model* model, const std::vector<int32_t>& tokens, std::string* bytes) {
  return GetText(
      [&](char* buffer, int64_t capacity, int64_t* length) {
        return llmrt_model_detokenize(model, tokens.data(), static_cast<int64_t>(tokens.size()),
                                      buffer, capacity, length);
      },
      bytes);
}

// A line a token. A token's bytes are what it adds to the one before it, because the first token of
// a text may lose the blank that its vocabulary implies.
Outcome PrintPieces(llmrt_model* model, const std::vector<int32_t>& tokens) {
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::vector<int32_t> pair;
    if (i > 0) pair.push_back(tokens[i - 1]);
    std::string before;
    std::string both;
    LLMRT_CLI_TRY(Detokenize(model, pair, &before));
    pair.push_back(tokens[i]);
    LLMRT_CLI_TRY(Detokenize(model, pair, &both));
    constexpr size_t kPieceBytesMax = 80;
    const std::string_view piece = std::string_view(both).substr(before.size());
    rows.push_back({std::to_string(tokens[i]), Quoted(piece, kPieceBytesMax)});
  }
  return Print(FormatTable(rows, {true, false}));
}

}  // namespace

Outcome TokenizeCommand(const std::vector<std::string>& arguments) {
  std::string path;
  std::optional<std::string> text;
  std::optional<std::string> file;
  bool plain = false;
  bool json = false;
  Arguments parser("tokenize MODEL (--text T | --file F) [--plain] [--json]");
  parser.Positional("MODEL", &path);
  parser.Text("--text", "the text", &text);
  parser.Text("--file", "a file with the text", &file);
  parser.Switch("--plain", "no BOS or EOS; special tokens in the text are text", &plain);
  parser.Switch("--json", "one JSON object on stdout", &json);
  bool helped = false;
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, &helped));
  if (helped) return Done();
  if (text.has_value() == file.has_value()) return WrongUsage("give one of --text and --file");
  if (file) LLMRT_CLI_TRY(ReadTextFile(*file, &text.emplace()));

  Model model;
  LLMRT_CLI_TRY(OpenModel(path, &model));
  std::vector<int32_t> tokens;
  const int32_t how = plain ? LLMRT_TEXT_PLAIN : LLMRT_TEXT_PARSE_SPECIAL;
  LLMRT_CLI_TRY(Tokenize(model.get(), *text, how, &tokens));
  if (!json) return PrintPieces(model.get(), tokens);
  nlohmann::ordered_json object;
  object["tokens"] = tokens;
  return PrintJsonLine(object);
}

}  // namespace llmrt::cli
