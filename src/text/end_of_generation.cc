#include "text/end_of_generation.h"

#include <set>
#include <string_view>

namespace llmrt::text {
namespace {

constexpr std::string_view kEndTokens[] = {
    // End of a text or document.
    "</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>", "[EOS]",
    "<\xEF\xBD\x9C"
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",
    // End of a turn or message.
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|eom_id|>", "<EOT>", "_<EOT>",
    "[EOT]", "<end_of_utterance>", "<turn|>",
    // End of a turn that wants a tool's answer.
    "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<|tool_response>",
    // Fill-in-the-middle: what follows is another file.
    "<|fim_pad|>", "<|fim_repo|>", "<|repo_name|>", "<|file_sep|>"};

}  // namespace

std::vector<int32_t> EndTokensByName(absl::Span<const std::string> tokens) {
  const std::set<std::string_view> names(std::begin(kEndTokens), std::end(kEndTokens));
  std::vector<int32_t> found;
  std::set<std::string_view> present;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!names.contains(tokens[id])) continue;
    found.push_back(static_cast<int32_t>(id));
    present.insert(tokens[id]);
  }
  // With these companions "<|end|>" only closes a message inside a turn, and "</s>" is a markup
  // tag.
  const bool end_closes_message =
      (present.contains("<|return|>") && present.contains("<|call|>")) ||
      (present.contains("<|flush|>") &&
       (present.contains("<|call|>") || present.contains("<|calls|>")));
  const bool s_is_markup = present.contains("<|tool_response>");
  std::erase_if(found, [&](int32_t id) {
    return (end_closes_message && tokens[id] == "<|end|>") || (s_is_markup && tokens[id] == "</s>");
  });
  return found;
}

}  // namespace llmrt::text
