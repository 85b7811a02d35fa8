// llmrt chat: lines from stdin, answers on stdout. The turns are plain text; chat templates in
// model files are not evaluated.

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "conversation.h"
#include "engine_flags.h"
#include "line_reader.h"
#include "loading.h"
#include "sampling_flags.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

struct ChatFlags {
  std::string model;
  SamplingFlags sampling;
  std::optional<std::string> user;
  std::optional<std::string> assistant;
  std::optional<std::string> preamble;
  EngineFlags engine;
};

Outcome ParseChatFlags(const std::vector<std::string>& arguments, ChatFlags* flags, bool* helped) {
  Arguments parser("chat MODEL [flags]\nReads lines until their end or /quit.");
  parser.Positional("MODEL", &flags->model);
  parser.Text("--user", "name before your lines", &flags->user);
  parser.Text("--assistant", "name before the answers", &flags->assistant);
  parser.Text("--preamble", "text before the first line", &flags->preamble);
  flags->sampling.AddTo(&parser);
  flags->engine.AddTo(&parser);
  return ParseOrHelp(&parser, arguments, helped);
}

void Note(const std::string& message) { std::fprintf(stderr, "llmrt: %s\n", message.c_str()); }

// A model that was trained on a template and gets plain turns instead answers badly; its user
// should know why.
Outcome NoteUnusedTemplate(llmrt_model* model) {
  std::string value;
  bool has_template = false;
  LLMRT_CLI_TRY(GetMetadata(model, "tokenizer.chat_template", &value, &has_template));
  for (const char* key : {"llmrt.turn.user", "llmrt.turn.assistant", "llmrt.turn.preamble"}) {
    bool has_turns = false;
    LLMRT_CLI_TRY(GetMetadata(model, key, &value, &has_turns));
    if (has_turns) return Done();
  }
  if (has_template) {
    Note(
        "chat templates are not built yet, so the model's is not used and its turns are plain "
        "text; llmrt run --special takes a whole prompt");
  }
  return Done();
}

Outcome ChooseTurns(const ChatFlags& flags, llmrt_model* model, Turns* turns) {
  LLMRT_CLI_TRY(ReadTurns(model, turns));
  LLMRT_CLI_TRY(NoteUnusedTemplate(model));
  if (flags.user) turns->user = *flags.user;
  if (flags.assistant) turns->assistant = *flags.assistant;
  if (flags.preamble) turns->preamble = *flags.preamble;
  return Done();
}

// The next line, asked for with `label` where somebody types it.
std::optional<Line> AskForLine(LineReader& reader, const std::string& label,
                               const InterruptScope& interrupt) {
  const bool typed = StdinIsTerminal();
  if (typed) std::fprintf(stderr, "%s ", label.c_str());
  std::optional<Line> line = reader.Next(interrupt);
  if (typed && !line) std::fputc('\n', stderr);
  return line;
}

// Prints the answer as it comes, without the blanks that separate it from the name before it.
class AnswerPrinter {
 public:
  Outcome operator()(std::string_view text) {
    if (!begun_) {
      const size_t first = text.find_first_not_of(' ');
      if (first == std::string_view::npos) return Done();
      text.remove_prefix(first);
      begun_ = true;
    }
    return Print(text);
  }

 private:
  bool begun_ = false;
};

Outcome AnswerLine(Conversation& conversation, const std::string& line,
                   const InterruptScope& interrupt, int64_t context_length) {
  const std::string full =
      "the context of " + std::to_string(context_length) + " tokens is full; starting anew";
  Reply reply;
  AnswerPrinter printer;
  const auto sink = [&](std::string_view text) { return printer(text); };
  const Outcome outcome = conversation.Say(line, interrupt, sink, &reply);
  if (reply.started_anew) Note(full);
  if (reply.line_refused) {
    Note(outcome.message);
    return Done();
  }
  LLMRT_CLI_TRY(outcome);
  if (reply.answer.finish_reason == LLMRT_FINISH_CONTEXT_FULL) {
    Note(full);
    conversation.StartAnew();
  }
  return Print("\n");
}

Outcome Converse(Conversation& conversation, const std::string& label, InterruptScope& interrupt,
                 int64_t context_length) {
  LineReader reader;
  for (;;) {
    const std::optional<Line> line = AskForLine(reader, label, interrupt);
    if (!line || line->text == "/quit") return Done();
    if (line->size > kLineBytesMax) {
      Note("the line has " + std::to_string(line->size) + " bytes; a line holds at most " +
           std::to_string(kLineBytesMax) + "; shorten the line");
    } else if (!line->text.empty()) {
      LLMRT_CLI_TRY(AnswerLine(conversation, line->text, interrupt, context_length));
    }
    // Ctrl-C in an answer ended that answer alone.
    interrupt.Rearm();
  }
}

}  // namespace

Outcome ChatCommand(const std::vector<std::string>& arguments) {
  ChatFlags flags;
  bool helped = false;
  LLMRT_CLI_TRY(ParseChatFlags(arguments, &flags, &helped));
  if (helped) return Done();
  Options engine_options;
  Options stream_options;
  LLMRT_CLI_TRY(flags.engine.MakeOptions(&engine_options));
  LLMRT_CLI_TRY(flags.sampling.MakeOptions(&stream_options));
  LLMRT_CLI_TRY(SetStopStrings(stream_options.get(), {"\n"}));

  InterruptScope interrupt;
  Engine engine;
  Model model;
  Turns turns;
  LLMRT_CLI_TRY(LoadEngine(flags.model, engine_options.get(), interrupt, &engine));
  LLMRT_CLI_TRY(GetModel(engine.get(), &model));
  LLMRT_CLI_TRY(ChooseTurns(flags, model.get(), &turns));
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(Check(llmrt_engine_get_plan(engine.get(), &plan)));
  Conversation conversation({.engine = engine.get(),
                             .model = model.get(),
                             .stream_options = stream_options.get(),
                             .context_length = plan.context_length},
                            turns);
  return Converse(conversation, TurnLabel(turns.user), interrupt, plan.context_length);
}

}  // namespace llmrt::cli
