// The library's handles with owners, and its conventions (status and message, text into buffers)
// turned into the command line's. Nothing here knows a command.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "llmrt.h"
#include "outcome.h"

namespace llmrt::cli {

template <typename T, void (*kRelease)(T*)>
struct Releaser {
  void operator()(T* handle) const { kRelease(handle); }
};

using Options = std::unique_ptr<llmrt_options, Releaser<llmrt_options, llmrt_options_release>>;
using Source = std::unique_ptr<llmrt_source, Releaser<llmrt_source, llmrt_source_release>>;
using Model = std::unique_ptr<llmrt_model, Releaser<llmrt_model, llmrt_model_release>>;
using Engine = std::unique_ptr<llmrt_engine, Releaser<llmrt_engine, llmrt_engine_release>>;
using Session = std::unique_ptr<llmrt_session, Releaser<llmrt_session, llmrt_session_release>>;
using Stream = std::unique_ptr<llmrt_stream, Releaser<llmrt_stream, llmrt_stream_release>>;

// The message of this thread's last failed call; call it before any other function of the library.
std::string LastMessage();

// Done for LLMRT_STATUS_OK, else Failed with the library's message.
Outcome Check(llmrt_status status);

// A text output of any length: `get` is called with (buffer, capacity, length) as the header's
// conventions say.
using TextGetter = std::function<llmrt_status(char*, int64_t, int64_t*)>;
Outcome GetText(const TextGetter& get, std::string* text);

// An output struct with its struct_size set.
template <typename Struct>
Struct Sized() {
  Struct value = {};
  value.struct_size = sizeof(Struct);
  return value;
}

Outcome CreateOptions(llmrt_options_kind kind, Options* options);
Outcome CreateSource(const std::string& path, Source* source);
Outcome OpenModel(const std::string& path, Model* model);

// The value of a metadata key; `found` is false where the file lacks it.
Outcome GetMetadata(llmrt_model* model, const std::string& key, std::string* value, bool* found);

// Token ids of a text; `flags` are LLMRT_TEXT_ bits.
Outcome Tokenize(llmrt_model* model, const std::string& text, int32_t flags,
                 std::vector<int32_t>* tokens);

// Token ids of a text that generation goes on from: BOS in front where the model wants it and the
// text does not begin with it, and never an EOS behind. `flags` as for Tokenize.
Outcome TokenizeOpenEnded(llmrt_model* model, const std::string& text, int32_t flags,
                          std::vector<int32_t>* tokens);

}  // namespace llmrt::cli
