#include "tests/faults/conversation.h"

#include <algorithm>

namespace llmrt::faults {

llmrt_status Conversation::Call(const char* name, const std::function<llmrt_status()>& call) {
  llmrt_status status = call();
  if (status == LLMRT_STATUS_RESOURCE_EXHAUSTED) {
    ++failed_calls_;
    char message[256];
    int64_t length = 0;
    const llmrt_status got = llmrt_last_message(message, sizeof message, &length);
    if (got != LLMRT_STATUS_OK || length == 0) complaints_.push_back(std::string(name) + ": mute");
    status = call();
  }
  const bool waits =
      status == LLMRT_STATUS_FAILED_PRECONDITION || status == LLMRT_STATUS_DEADLINE_EXCEEDED;
  if (status != LLMRT_STATUS_OK && !(waits && std::string(name) == "wait")) {
    complaints_.push_back(std::string(name) + " gave " + std::to_string(status));
  }
  return status;
}

llmrt_session* Conversation::NewSession() {
  llmrt_session* session = nullptr;
  Call("session_create", [&] { return llmrt_session_create(engine_, nullptr, &session); });
  return session;
}

void Conversation::Append(llmrt_session* session, int32_t first, int32_t count) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < count; ++i) tokens.push_back(3 + (first + 7 * i) % 200);
  Call("append", [&] { return llmrt_session_append_tokens(session, tokens.data(), count); });
}

llmrt_options* Conversation::OptionsFor(const Wish& wish) {
  llmrt_options* options = nullptr;
  Call("options_create", [&] { return llmrt_options_create(LLMRT_OPTIONS_STREAM, &options); });
  const auto set = [&](int32_t key, int64_t value) {
    Call("set_i64", [&] { return llmrt_options_set_i64(options, key, value); });
  };
  set(LLMRT_STREAM_MAX_TOKENS, wish.max_tokens);
  set(LLMRT_STREAM_SEED, 11);
  set(LLMRT_STREAM_IGNORE_EOS, 1);
  set(LLMRT_STREAM_LOGPROBS, 1);
  set(LLMRT_STREAM_TOP_LOGPROBS, wish.top_logprobs);
  set(LLMRT_STREAM_PROMPT_LOGPROBS, wish.prompt_logprobs ? 1 : 0);
  set(LLMRT_STREAM_QUEUE_TOKENS, wish.queue_tokens);
  Call("set_f64",
       [&] { return llmrt_options_set_f64(options, LLMRT_STREAM_TEMPERATURE, wish.temperature); });
  if (!wish.stop_string.empty()) {
    Call("set_bytes", [&] {
      return llmrt_options_set_bytes(options, LLMRT_STREAM_STOP_STRINGS, wish.stop_string.c_str(),
                                     static_cast<int64_t>(wish.stop_string.size()) + 1);
    });
  }
  return options;
}

void Conversation::Submit(Part part, llmrt_session* session, const Wish& wish) {
  llmrt_options* options = OptionsFor(wish);
  scored_[part] = wish.prompt_logprobs;
  top_[part] = wish.top_logprobs;
  Call("submit", [&] { return llmrt_session_submit(session, options, &streams_[part]); });
  llmrt_options_release(options);
}

void Conversation::Move() {
  llmrt_stream* ready[kParts];
  int64_t count = 0;
  if (pumped_) {
    // The smallest slice: so calls and cancellation fall between the ops of a step.
    Call("step", [&] { return llmrt_engine_step(engine_, 0, nullptr); });
  } else {
    Call("wait", [&] { return llmrt_engine_wait(engine_, ready, kParts, &count, 50); });
  }
}

// They are kept for as many tokens as the queue holds, so they are asked for with each read.
void Conversation::ReadBest(Part part, const llmrt_read_result& result) {
  Answer& answer = answers_[part];
  for (int64_t i = 0; top_[part] > 0 && i < result.num_tokens; ++i) {
    int32_t tokens[20];
    float logprobs[20];
    int64_t count = 0;
    Call("top", [&] {
      return llmrt_stream_top_logprobs(streams_[part], result.first_token + i, tokens, logprobs,
                                       top_[part], &count);
    });
    answer.top_tokens.insert(answer.top_tokens.end(), tokens, tokens + count);
    answer.top_logprobs.insert(answer.top_logprobs.end(), logprobs, logprobs + count);
  }
}

void Conversation::ReadScores(Part part) {
  if (!scored_[part]) return;
  std::vector<float>& scores = answers_[part].prompt_logprobs;
  scores.resize(64);
  int64_t count = 0;
  Call("prompt_logprobs",
       [&] { return llmrt_stream_prompt_logprobs(streams_[part], 0, scores.data(), 64, &count); });
  scores.resize(static_cast<size_t>(count));
}

// A stream that failed says why, to who has room for it.
void Conversation::CheckMessage(Part part) {
  char message[256];
  int64_t length = 0;
  Call("get_message",
       [&] { return llmrt_stream_get_message(streams_[part], message, sizeof message, &length); });
  if (length == 0 || std::string(message).size() != static_cast<size_t>(length)) {
    complaints_.push_back("a stream failed without a word");
  } else if (llmrt_stream_get_message(streams_[part], message, length - 1, &length) !=
             LLMRT_STATUS_OUT_OF_RANGE) {
    complaints_.push_back("a message is cut without a word");
  }
}

// False once the stream has ended.
bool Conversation::Read(Part part) {
  if (streams_[part] == nullptr) return false;
  int32_t tokens[8];
  float logprobs[8];
  char text[64];
  llmrt_read_result result = {};
  result.struct_size = sizeof result;
  const llmrt_status status = Call("read", [&] {
    return llmrt_stream_read(streams_[part], tokens, logprobs, 8, text, sizeof text, &result);
  });
  if (status != LLMRT_STATUS_OK) return false;
  Answer& answer = answers_[part];
  answer.tokens.insert(answer.tokens.end(), tokens, tokens + result.num_tokens);
  answer.logprobs.insert(answer.logprobs.end(), logprobs, logprobs + result.num_tokens);
  answer.text.append(text, static_cast<size_t>(result.text_bytes));
  ReadBest(part, result);
  if (result.finish_reason == LLMRT_FINISH_NONE) return true;
  answer.finish_reason = result.finish_reason;
  if (result.finish_reason == LLMRT_FINISH_ERROR) CheckMessage(part);
  answer.status = result.status;
  ReadScores(part);
  llmrt_stream_release(streams_[part]);
  streams_[part] = nullptr;
  return false;
}

void Conversation::CancelWhenItHas(int64_t tokens) {
  if (streams_[kCancelled] == nullptr || cancelled_) return;
  llmrt_stream_info info = {};
  info.struct_size = sizeof info;
  Call("get_info", [&] { return llmrt_stream_get_info(streams_[kCancelled], &info); });
  if (info.generated_tokens < tokens) return;
  cancelled_ = true;
  Call("cancel", [&] { return llmrt_stream_cancel(streams_[kCancelled]); });
}

void Conversation::TalkToTheEnd() {
  for (bool open = true; open && complaints_.empty();) {
    Move();
    CancelWhenItHas(5);
    open = false;
    for (int part = 0; part < kParts; ++part) open |= Read(static_cast<Part>(part));
  }
}

void Conversation::Run() {
  llmrt_session* base = NewSession();
  Append(base, 0, 20);
  Submit(kBase, base, {.max_tokens = 5});
  llmrt_session* earlier = NewSession();
  Append(earlier, 40, 33);
  Submit(kEarlier, earlier, {.max_tokens = 3});
  TalkToTheEnd();

  llmrt_session* child = nullptr;
  Call("fork", [&] { return llmrt_session_fork(base, -1, &child); });
  Append(child, 5, 2);
  Call("rewind", [&] { return llmrt_session_rewind(child, 24); });
  llmrt_session* const others[] = {NewSession(), NewSession(), NewSession(), NewSession(),
                                   NewSession()};
  Append(others[0], 1, 70);
  Append(others[1], 2, 9);
  Append(others[2], 3, 20);
  Append(others[3], 4, 12);
  Append(others[4], 5, 10);
  Submit(kDecoder, others[1],
         {.max_tokens = 24, .temperature = 0.9, .top_logprobs = 3, .queue_tokens = 4});
  Submit(kFork, child, {.max_tokens = 30, .temperature = 0.7});
  Submit(kParent, base, {.max_tokens = 40});
  Submit(kScored, others[2], {.max_tokens = 20, .prompt_logprobs = true});
  Submit(kCancelled, others[4], {.max_tokens = 60});
  Submit(kStopped, others[3], {.max_tokens = 30, .temperature = 1.3, .stop_string = stop_string_});
  Submit(kLong, others[0], {.max_tokens = 5, .top_logprobs = 1});
  TalkToTheEnd();

  Append(earlier, 9, 4);
  Submit(kLater, earlier, {.max_tokens = 8, .top_logprobs = 2});
  llmrt_stream_info info = {};
  info.struct_size = sizeof info;
  Call("get_info", [&] { return llmrt_stream_get_info(streams_[kLater], &info); });
  later_cached_ = info.cached_tokens;
  TalkToTheEnd();

  for (llmrt_stream* stream : streams_) llmrt_stream_release(stream);
  for (llmrt_session* session : others) llmrt_session_release(session);
  llmrt_session_release(child);
  llmrt_session_release(earlier);
  llmrt_session_release(base);
}

}  // namespace llmrt::faults
