// llmrt.hpp: llmrt.h with owners. Handles are move-only objects that release themselves, text and
// arrays are std::string and std::vector, and a status that is not OK is thrown as llmrt::Error.
//
//     llmrt::Engine engine(llmrt::Source::FromPath("model.gguf"));
//     engine.WaitLoad();
//     llmrt::Session session = engine.CreateSession();
//     session.AppendText("Once upon a time");
//     llmrt::Stream stream = session.Submit();
//     for (std::string text; stream.Next(&text);) std::cout << text << std::flush;
//
// All of it is inline and compiled into the host (C++17), so no C++ type and no exception crosses
// the library's boundary. What a function means, who may call it when and what can go wrong is said
// in llmrt.h; a program built without exceptions uses that directly.
//
// Thread safety: the calls are as safe as those of llmrt.h; moving, resetting or destroying an
// object needs the same care as any other C++ object. `get()` of each object is its handle.
#ifndef LLMRT_HPP_
#define LLMRT_HPP_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "llmrt.h"

namespace llmrt {

// A call that failed: its status, and the library's line of text as what().
class Error : public std::runtime_error {
 public:
  Error(llmrt_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  llmrt_status status() const { return status_; }

 private:
  llmrt_status status_;
};

// Calls `get(arguments..., buffer, capacity, length)`, the shape of every function that returns
// text or an array, until the buffer is large enough.
template <typename Container, typename Get, typename... Arguments>
llmrt_status Fetch(Container* out, Get get, Arguments... arguments) {
  out->resize(64);
  while (true) {
    int64_t length = 0;
    const int64_t capacity = static_cast<int64_t>(out->size());
    const llmrt_status status = get(arguments..., out->data(), capacity, &length);
    const bool too_small = status == LLMRT_STATUS_OUT_OF_RANGE && length > capacity;
    out->resize(static_cast<size_t>(length));
    if (!too_small) return status;
  }
}

// The message of this thread's last failed call.
inline std::string LastMessage() {
  std::string message;
  Fetch(&message, llmrt_last_message);
  return message;
}

// Throws unless the status is OK.
inline void Check(llmrt_status status) {
  if (status != LLMRT_STATUS_OK) throw Error(status, LastMessage());
}

// False where a timeout passed; throws what else went wrong.
inline bool InTime(llmrt_status status) {
  if (status != LLMRT_STATUS_DEADLINE_EXCEEDED) Check(status);
  return status == LLMRT_STATUS_OK;
}

inline int32_t AbiVersion() { return llmrt_abi_version(); }
inline const llmrt_api* Api(int32_t version = LLMRT_ABI_VERSION) { return llmrt_get_api(version); }

template <typename Get, typename... Arguments>
std::string FetchText(Get get, Arguments... arguments) {
  std::string text;
  Check(Fetch(&text, get, arguments...));
  return text;
}

inline std::string Version() { return FetchText(llmrt_version); }

// An output struct, as `get(arguments..., &value)` fills it.
template <typename Struct, typename Get, typename... Arguments>
Struct FetchStruct(Get get, Arguments... arguments) {
  Struct value = {};
  value.struct_size = sizeof value;
  Check(get(arguments..., &value));
  return value;
}

// A new handle, as `create(arguments..., &handle)` makes it.
template <typename T, typename Create, typename... Arguments>
T* MakeHandle(Create create, Arguments... arguments) {
  T* handle = nullptr;
  Check(create(arguments..., &handle));
  return handle;
}

inline int64_t Length(std::string_view text) { return static_cast<int64_t>(text.size()); }

// Owns a handle; empty when default-constructed or moved from.
template <typename T, void (*kRelease)(T*)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T* handle) : handle_(handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) reset(std::exchange(other.handle_, nullptr));
    return *this;
  }
  ~Handle() { kRelease(handle_); }

  T* get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }
  void reset(T* handle = nullptr) { kRelease(std::exchange(handle_, handle)); }
  // Gives the handle up to the caller.
  T* release() { return std::exchange(handle_, nullptr); }

 private:
  T* handle_ = nullptr;
};

// An empty one (`Options()`) stands for all defaults.
class Options : public Handle<llmrt_options, llmrt_options_release> {
 public:
  Options() = default;
  explicit Options(llmrt_options_kind kind)
      : Handle(MakeHandle<llmrt_options>(llmrt_options_create, kind)) {}
  static Options ForEngine() { return Options(LLMRT_OPTIONS_ENGINE); }
  static Options ForSession() { return Options(LLMRT_OPTIONS_SESSION); }
  static Options ForStream() { return Options(LLMRT_OPTIONS_STREAM); }

  // Integers and bool set i64 keys, floating-point numbers f64 keys, text bytes keys.
  template <typename Value>
  Options& Set(int32_t key, const Value& value) {
    if constexpr (std::is_integral_v<Value>) {
      Check(llmrt_options_set_i64(get(), key, static_cast<int64_t>(value)));
    } else if constexpr (std::is_floating_point_v<Value>) {
      Check(llmrt_options_set_f64(get(), key, static_cast<double>(value)));
    } else {
      const std::string_view bytes(value);
      Check(llmrt_options_set_bytes(get(), key, bytes.data(), Length(bytes)));
    }
    return *this;
  }
  Options& SetStopTokens(const std::vector<int32_t>& tokens) {
    Check(llmrt_options_set_bytes(get(), LLMRT_STREAM_STOP_TOKENS, tokens.data(),
                                  static_cast<int64_t>(tokens.size() * sizeof(int32_t))));
    return *this;
  }
  Options& SetStopStrings(const std::vector<std::string>& strings) {
    std::string bytes;
    for (const std::string& string : strings) bytes.append(string).push_back('\0');
    return Set(LLMRT_STREAM_STOP_STRINGS, bytes);
  }
  Options& SetLogitBias(const std::vector<std::pair<int32_t, float>>& biases) {
    std::string bytes(biases.size() * 8, '\0');
    for (size_t i = 0; i < biases.size(); ++i) {
      std::memcpy(&bytes[i * 8], &biases[i].first, 4);
      std::memcpy(&bytes[i * 8 + 4], &biases[i].second, 4);
    }
    return Set(LLMRT_STREAM_LOGIT_BIAS, bytes);
  }
  Options& SetJobHook(llmrt_submit_job submit, void* user) {
    Check(llmrt_options_set_job_hook(get(), submit, user));
    return *this;
  }
  Options& SetDrafter(llmrt_draft draft, void* user) {
    Check(llmrt_options_set_drafter(get(), draft, user));
    return *this;
  }
  Options& SetMemoryHook(llmrt_allocate allocate, llmrt_deallocate release, void* user) {
    Check(llmrt_options_set_memory_hook(get(), allocate, release, user));
    return *this;
  }

  int64_t GetI64(int32_t key) const {
    int64_t value = 0;
    Check(llmrt_options_get_i64(get(), key, &value));
    return value;
  }
  double GetF64(int32_t key) const {
    double value = 0;
    Check(llmrt_options_get_f64(get(), key, &value));
    return value;
  }
  std::string GetBytes(int32_t key) const { return FetchText(llmrt_options_get_bytes, get(), key); }
  // Least and greatest value of a key.
  static std::pair<int64_t, int64_t> BoundsI64(int32_t key) {
    std::pair<int64_t, int64_t> bounds;
    Check(llmrt_options_bounds_i64(key, &bounds.first, &bounds.second));
    return bounds;
  }
  static std::pair<double, double> BoundsF64(int32_t key) {
    std::pair<double, double> bounds;
    Check(llmrt_options_bounds_f64(key, &bounds.first, &bounds.second));
    return bounds;
  }
};

class Source : public Handle<llmrt_source, llmrt_source_release> {
 public:
  using Handle::Handle;
  static Source FromPath(std::string_view path, int64_t offset = 0, int64_t length = -1) {
    return Source(MakeHandle<llmrt_source>(llmrt_source_create_path, path.data(), Length(path),
                                           offset, length));
  }
  // The memory must live as long as anything made from the source, unless it is copied.
  static Source FromMemory(const void* bytes, int64_t length,
                           llmrt_memory_mode mode = LLMRT_MEMORY_BORROW) {
    return Source(MakeHandle<llmrt_source>(llmrt_source_create_memory, bytes, length, mode));
  }
  static Source FromCallback(llmrt_read_at read_at, void* user, int64_t size) {
    return Source(MakeHandle<llmrt_source>(llmrt_source_create_callback, read_at, user, size));
  }
  Source& AddPart(std::string_view name, const Source& part) {
    Check(llmrt_source_add_part(get(), name.data(), Length(name), part.get()));
    return *this;
  }
};

class Model : public Handle<llmrt_model, llmrt_model_release> {
 public:
  using Handle::Handle;
  explicit Model(const Source& source)
      : Handle(MakeHandle<llmrt_model>(llmrt_model_open, source.get())) {}
  llmrt_model_info Info() const {
    return FetchStruct<llmrt_model_info>(llmrt_model_get_info, get());
  }
  std::string MetadataKey(int64_t index) const {
    return FetchText(llmrt_model_metadata_key, get(), index);
  }
  std::string MetadataValue(std::string_view key) const {
    return FetchText(llmrt_model_metadata_value, get(), key.data(), Length(key));
  }
  std::string TensorName(int64_t index) const {
    return FetchText(llmrt_model_tensor_name, get(), index);
  }
  llmrt_tensor_info TensorInfo(int64_t index) const {
    return FetchStruct<llmrt_tensor_info>(llmrt_model_tensor_info, get(), index);
  }
  std::vector<int32_t> Tokenize(std::string_view text, int32_t flags = LLMRT_TEXT_DEFAULT) const {
    std::vector<int32_t> tokens;
    Check(Fetch(&tokens, [&](int32_t* buffer, int64_t capacity, int64_t* count) {
      return llmrt_model_tokenize(get(), text.data(), Length(text), flags, buffer, capacity, count);
    }));
    return tokens;
  }
  std::string Detokenize(const std::vector<int32_t>& tokens) const {
    const int64_t count = static_cast<int64_t>(tokens.size());
    return FetchText(llmrt_model_detokenize, get(), tokens.data(), count);
  }
  llmrt_plan Plan(const Options& engine_options = Options()) const {
    return FetchStruct<llmrt_plan>(llmrt_model_plan, get(), engine_options.get());
  }
};

class Stream : public Handle<llmrt_stream, llmrt_stream_release> {
 public:
  using Handle::Handle;
  // Waits for the next piece of text and returns true, or false when the stream has ended. The text
  // may be empty: not every token completes a character.
  bool Next(std::string* text) {
    text->clear();
    if (ended_) return false;
    Wait();
    text->resize(4096);
    const llmrt_read_result result =
        Read(nullptr, nullptr, 0, text->data(), static_cast<int64_t>(text->size()));
    text->resize(static_cast<size_t>(result.text_bytes));
    ended_ = result.finish_reason != LLMRT_FINISH_NONE;
    return !ended_ || !text->empty();
  }
  // False if nothing is there to be read when the time is over.
  bool Wait(int64_t timeout_ms = -1) { return InTime(llmrt_stream_wait(get(), timeout_ms)); }
  llmrt_read_result Read(int32_t* tokens, float* logprobs, int64_t tokens_capacity, char* text,
                         int64_t text_capacity) {
    return FetchStruct<llmrt_read_result>(llmrt_stream_read, get(), tokens, logprobs,
                                          tokens_capacity, text, text_capacity);
  }
  llmrt_stream_info Info() const {
    return FetchStruct<llmrt_stream_info>(llmrt_stream_get_info, get());
  }
  // Why the stream failed; empty otherwise.
  std::string Message() const { return FetchText(llmrt_stream_get_message, get()); }
  // Best tokens and their log-probabilities at one index of the output.
  std::vector<std::pair<int32_t, float>> TopLogprobs(int64_t index) const {
    int32_t tokens[20];
    float logprobs[20];
    int64_t count = 0;
    Check(llmrt_stream_top_logprobs(get(), index, tokens, logprobs, 20, &count));
    std::vector<std::pair<int32_t, float>> best;
    for (int64_t i = 0; i < count; ++i) best.emplace_back(tokens[i], logprobs[i]);
    return best;
  }
  // At most `capacity` of them; fewer while the prompt is still being processed.
  std::vector<float> PromptLogprobs(int64_t first, int64_t capacity) const {
    std::vector<float> logprobs(static_cast<size_t>(capacity));
    int64_t count = 0;
    Check(llmrt_stream_prompt_logprobs(get(), first, logprobs.data(), capacity, &count));
    logprobs.resize(static_cast<size_t>(count));
    return logprobs;
  }
  // At most `capacity` of them: tokens drafted in each step, from step `first` on.
  std::vector<int32_t> DraftLengths(int64_t first, int64_t capacity) const {
    std::vector<int32_t> lengths(static_cast<size_t>(capacity));
    int64_t count = 0;
    Check(llmrt_stream_draft_lengths(get(), first, lengths.data(), capacity, &count));
    lengths.resize(static_cast<size_t>(count));
    return lengths;
  }
  void Cancel() { Check(llmrt_stream_cancel(get())); }

 private:
  bool ended_ = false;  // Next has seen the terminal event
};

class Session : public Handle<llmrt_session, llmrt_session_release> {
 public:
  using Handle::Handle;
  void AppendText(std::string_view text, int32_t flags = LLMRT_TEXT_DEFAULT) {
    Check(llmrt_session_append_text(get(), text.data(), Length(text), flags));
  }
  void AppendTokens(const std::vector<int32_t>& tokens) {
    Check(llmrt_session_append_tokens(get(), tokens.data(), static_cast<int64_t>(tokens.size())));
  }
  Stream Submit(const Options& stream_options = Options()) {
    return Stream(MakeHandle<llmrt_stream>(llmrt_session_submit, get(), stream_options.get()));
  }
  // A new session with the first `num_tokens` tokens of this one, -1: all.
  Session Fork(int64_t num_tokens = -1) const {
    return Session(MakeHandle<llmrt_session>(llmrt_session_fork, get(), num_tokens));
  }
  void Rewind(int64_t num_tokens) { Check(llmrt_session_rewind(get(), num_tokens)); }
  llmrt_session_info Info() const {
    return FetchStruct<llmrt_session_info>(llmrt_session_get_info, get());
  }
  // Committed tokens from position `first` on.
  std::vector<int32_t> Tokens(int64_t first = 0) const {
    std::vector<int32_t> tokens(
        static_cast<size_t>(std::max<int64_t>(0, Info().num_tokens - first)));
    int64_t count = 0;
    Check(llmrt_session_get_tokens(get(), first, tokens.data(), static_cast<int64_t>(tokens.size()),
                                   &count));
    tokens.resize(static_cast<size_t>(count));
    return tokens;
  }
};

struct LogRecord {
  llmrt_log_info info;
  std::string text;
};

class Engine : public Handle<llmrt_engine, llmrt_engine_release> {
 public:
  using Handle::Handle;
  // Returns at once; the engine loads in the background.
  explicit Engine(const Source& source, const Options& engine_options = Options())
      : Handle(MakeHandle<llmrt_engine>(llmrt_engine_create, source.get(), engine_options.get())) {}
  // False if the load has not ended when the time is over; throws what went wrong with it.
  bool WaitLoad(int64_t timeout_ms = -1) {
    return InTime(llmrt_engine_wait_load(get(), timeout_ms));
  }
  llmrt_load_info Load() const {
    return FetchStruct<llmrt_load_info>(llmrt_engine_get_load, get());
  }
  void CancelLoad() { Check(llmrt_engine_cancel_load(get())); }
  // The model that was loaded.
  llmrt::Model GetModel() const {
    return llmrt::Model(MakeHandle<llmrt_model>(llmrt_engine_get_model, get()));
  }
  llmrt_plan Plan() const { return FetchStruct<llmrt_plan>(llmrt_engine_get_plan, get()); }
  std::string Fingerprint() const { return FetchText(llmrt_engine_get_fingerprint, get()); }
  llmrt_engine_info Info() const {
    return FetchStruct<llmrt_engine_info>(llmrt_engine_get_info, get());
  }
  Session CreateSession(const Options& session_options = Options()) {
    return Session(MakeHandle<llmrt_session>(llmrt_session_create, get(), session_options.get()));
  }
  llmrt_step_info Step(int64_t max_us = -1) {
    return FetchStruct<llmrt_step_info>(llmrt_engine_step, get(), max_us);
  }
  // Streams with something to read, as the handles that their owners hold; none when the time is
  // over.
  std::vector<llmrt_stream*> Wait(int64_t timeout_ms = -1, int64_t capacity = 64) {
    std::vector<llmrt_stream*> ready(static_cast<size_t>(capacity));
    int64_t count = 0;
    InTime(llmrt_engine_wait(get(), ready.data(), capacity, &count, timeout_ms));
    ready.resize(static_cast<size_t>(count));
    return ready;
  }
  // The oldest unread record of the log, if there is one.
  std::optional<LogRecord> PollLog() {
    LogRecord record = {};
    record.info.struct_size = sizeof record.info;
    const llmrt_status status =
        Fetch(&record.text, [&](char* buffer, int64_t capacity, int64_t* length) {
          return llmrt_engine_poll_log(get(), &record.info, buffer, capacity, length);
        });
    if (status == LLMRT_STATUS_NOT_FOUND) return std::nullopt;
    Check(status);
    return record;
  }
  void Close() { Check(llmrt_engine_close(get())); }
};

}  // namespace llmrt

#endif  // LLMRT_HPP_
