// Fuzz target of the C interface: bytes become a sequence of calls on a few variables that hold
// handles of any kind, live or not, with arguments that are good or bad. Nothing may crash, hang,
// leak or read outside what it was given.
//
// With clang: -fsanitize=fuzzer,address and this file alone. Without: abi_fuzz_test.cc feeds it.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "llmrt.h"

namespace {

// Takes values off the front of the input; zeros when it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  // Mostly small, sometimes an extreme.
  int64_t Number() {
    const uint8_t byte = Byte();
    switch (byte) {
      case 255:
        return INT64_MAX;
      case 254:
        return INT64_MIN;
      case 253:
        return int64_t{1} << (Byte() % 63);
      default:
        return byte - 4;
    }
  }
  int32_t Key() { return (Byte() % 3) * 1000 + Byte() % 24; }
  std::vector<uint8_t> Bytes() {
    std::vector<uint8_t> bytes(Byte() % 64);
    for (uint8_t& byte : bytes) byte = Byte();
    return bytes;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

constexpr int kVariables = 8;

// What one run works on. Everything that was ever created is released at the end.
struct World {
  void* variables[kVariables] = {};
  std::vector<std::unique_ptr<std::vector<uint8_t>>> memory;  // borrowed by sources
  std::vector<void*> created;

  template <typename Handle>
  Handle* Pick(Input& input) {
    return static_cast<Handle*>(variables[input.Byte() % kVariables]);
  }
  template <typename Handle>
  void Keep(Input& input, llmrt_status status, Handle* handle) {
    if (status != LLMRT_STATUS_OK) return;
    variables[input.Byte() % kVariables] = handle;
    created.push_back(handle);
  }
  ~World() {
    for (void* handle : created) {
      llmrt_engine_close(static_cast<llmrt_engine*>(handle));
      llmrt_options_release(static_cast<llmrt_options*>(handle));
      llmrt_source_release(static_cast<llmrt_source*>(handle));
      llmrt_model_release(static_cast<llmrt_model*>(handle));
      llmrt_engine_release(static_cast<llmrt_engine*>(handle));
      llmrt_session_release(static_cast<llmrt_session*>(handle));
      llmrt_stream_release(static_cast<llmrt_stream*>(handle));
    }
  }
};

// An output array of exactly the capacity that is told, so that a sanitizer sees one byte too many.
struct Output {
  explicit Output(Input& input, size_t unit = 1)
      : capacity(input.Byte() % 80), bytes(static_cast<size_t>(capacity) * unit) {}
  template <typename T>
  T* As() {
    return bytes.empty() ? nullptr : reinterpret_cast<T*>(bytes.data());
  }
  int64_t capacity;
  int64_t length = 0;
  std::vector<uint8_t> bytes;
};

template <typename Struct>
Struct Sized(Input& input) {
  Struct value = {};
  value.struct_size = static_cast<int32_t>(input.Byte() % (sizeof(Struct) + 1));
  return value;
}

// What the history says of it: some tokens, none, a failure, or what is no token.
int64_t Draft(void* /*user*/, const int32_t* history, int64_t num_history, int32_t* tokens,
              int64_t capacity) {
  const int32_t last = history[num_history - 1];
  for (int64_t i = 0; i < capacity; ++i) tokens[i] = last % 7 == 0 ? -last - 1 : last;
  return last % 5 == 0 ? -1 : last % (capacity + 2);
}

void CallOptions(World& world, Input& input) {
  llmrt_options* options = world.Pick<llmrt_options>(input);
  int64_t integer = 0;
  double number = 0;
  switch (input.Byte() % 9) {
    case 0: {
      const llmrt_status status = llmrt_options_create(input.Byte() % 5, &options);
      return world.Keep(input, status, options);
    }
    case 1:
      llmrt_options_set_i64(options, input.Key(), input.Number());
      return;
    case 2:
      llmrt_options_set_f64(options, input.Key(), static_cast<double>(input.Number()) / 8);
      return;
    case 3: {
      const std::vector<uint8_t> bytes = input.Bytes();
      llmrt_options_set_bytes(options, input.Key(), bytes.data(),
                              static_cast<int64_t>(bytes.size()));
      return;
    }
    case 4:
      llmrt_options_get_i64(options, input.Key(), &integer);
      return;
    case 5:
      llmrt_options_get_f64(options, input.Key(), &number);
      return;
    case 6: {
      Output out(input);
      llmrt_options_get_bytes(options, input.Key(), out.As<char>(), out.capacity, &out.length);
      return;
    }
    case 7:
      llmrt_options_set_drafter(options, input.Byte() % 4 ? Draft : nullptr, nullptr);
      return;
    default:
      llmrt_options_release(options);
  }
}

void CallSources(World& world, Input& input) {
  llmrt_source* source = world.Pick<llmrt_source>(input);
  switch (input.Byte() % 4) {
    case 0: {
      std::vector<uint8_t> bytes = input.Bytes();
      if (input.Byte() % 4 != 0) bytes.insert(bytes.begin(), {'G', 'G', 'U', 'F', 3, 0, 0, 0});
      world.memory.push_back(std::make_unique<std::vector<uint8_t>>(std::move(bytes)));
      const std::vector<uint8_t>& kept = *world.memory.back();
      const llmrt_status status = llmrt_source_create_memory(
          kept.data(), static_cast<int64_t>(kept.size()), input.Byte() % 3, &source);
      return world.Keep(input, status, source);
    }
    case 1: {
      const std::vector<uint8_t> name = input.Bytes();
      llmrt_source_add_part(source, reinterpret_cast<const char*>(name.data()),
                            static_cast<int64_t>(name.size()), world.Pick<llmrt_source>(input));
      return;
    }
    case 2: {
      // A real model now and then, so that engines get somewhere; none where there is no such file.
      const char* path = input.Byte() % 2 ? LLMRT_TEST_DATA_DIR "/tiny-300.gguf" : "no such file";
      const int64_t offset = input.Byte() % 4 ? 0 : input.Number();
      const int64_t length = input.Byte() % 4 ? -1 : input.Number();
      const llmrt_status status = llmrt_source_create_path(path, -1, offset, length, &source);
      return world.Keep(input, status, source);
    }
    default:
      llmrt_source_release(source);
  }
}

void CallModels(World& world, Input& input) {
  llmrt_model* model = world.Pick<llmrt_model>(input);
  Output out(input, sizeof(int32_t));
  llmrt_model_info info = Sized<llmrt_model_info>(input);
  llmrt_tensor_info tensor = Sized<llmrt_tensor_info>(input);
  const int64_t number = input.Number();
  const std::vector<uint8_t> bytes = input.Bytes();
  const char* text = reinterpret_cast<const char*>(bytes.data());
  const int64_t length = static_cast<int64_t>(bytes.size());
  switch (input.Byte() % 9) {
    case 0: {
      const llmrt_status status = llmrt_model_open(world.Pick<llmrt_source>(input), &model);
      return world.Keep(input, status, model);
    }
    case 1:
      llmrt_model_get_info(model, &info);
      return;
    case 2:
      llmrt_model_metadata_key(model, number, out.As<char>(), out.capacity, &out.length);
      return;
    case 3:
      llmrt_model_metadata_value(model, text, length, out.As<char>(), out.capacity, &out.length);
      return;
    case 4:
      llmrt_model_tensor_name(model, number, out.As<char>(), out.capacity, &out.length);
      return;
    case 5:
      llmrt_model_tensor_info(model, number, &tensor);
      return;
    case 6:
      llmrt_model_tokenize(model, text, length, input.Byte() % 5, out.As<int32_t>(), out.capacity,
                           &out.length);
      return;
    case 7: {
      const int32_t tokens[2] = {static_cast<int32_t>(number), input.Byte()};
      llmrt_model_detokenize(model, tokens, 2, out.As<char>(), out.capacity, &out.length);
      return;
    }
    default:
      llmrt_model_release(model);
  }
}

void CallEngines(World& world, Input& input) {
  llmrt_engine* engine = world.Pick<llmrt_engine>(input);
  llmrt_load_info load = Sized<llmrt_load_info>(input);
  llmrt_engine_info info = Sized<llmrt_engine_info>(input);
  llmrt_log_info log = Sized<llmrt_log_info>(input);
  llmrt_step_info step = Sized<llmrt_step_info>(input);
  llmrt_stream* ready[3];
  Output out(input);
  switch (input.Byte() % 10) {
    case 0: {
      const llmrt_status status = llmrt_engine_create(world.Pick<llmrt_source>(input),
                                                      world.Pick<llmrt_options>(input), &engine);
      return world.Keep(input, status, engine);
    }
    case 1:
      llmrt_engine_get_load(engine, &load);
      return;
    case 2:
      llmrt_engine_wait_load(engine, input.Byte() % 16 - 2);
      return;
    case 3:
      llmrt_engine_cancel_load(engine);
      return;
    case 4:
      llmrt_engine_get_info(engine, &info);
      return;
    case 5:
      llmrt_engine_poll_log(engine, &log, out.As<char>(), out.capacity, &out.length);
      return;
    case 6:
      llmrt_engine_wait(engine, ready, input.Byte() % 4, &out.length, input.Byte() % 8 - 3);
      return;
    case 7:
      llmrt_engine_step(engine, input.Byte() % 64 - 3, &step);
      return;
    case 8:
      llmrt_engine_close(engine);
      return;
    default:
      llmrt_engine_release(engine);
  }
}

void CallSessionsAndStreams(World& world, Input& input) {
  llmrt_session* session = world.Pick<llmrt_session>(input);
  llmrt_stream* stream = world.Pick<llmrt_stream>(input);
  llmrt_read_result result = Sized<llmrt_read_result>(input);
  Output out(input);
  const std::vector<uint8_t> bytes = input.Bytes();
  const int32_t token = input.Byte();
  switch (input.Byte() % 10) {
    case 0: {
      const llmrt_status status = llmrt_session_create(world.Pick<llmrt_engine>(input),
                                                       world.Pick<llmrt_options>(input), &session);
      return world.Keep(input, status, session);
    }
    case 1: {
      const llmrt_status status =
          llmrt_session_submit(session, world.Pick<llmrt_options>(input), &stream);
      return world.Keep(input, status, stream);
    }
    case 2:
      llmrt_session_append_text(session, reinterpret_cast<const char*>(bytes.data()),
                                static_cast<int64_t>(bytes.size()), input.Byte() % 5);
      return;
    case 3:
      llmrt_session_append_tokens(session, &token, 1);
      return;
    case 4:
      llmrt_stream_read(stream, nullptr, nullptr, 0, out.As<char>(), out.capacity, &result);
      return;
    case 5:
      llmrt_stream_wait(stream, input.Byte() % 8 - 3);
      return;
    case 6:
      llmrt_stream_cancel(stream);
      return;
    case 7:
      llmrt_stream_draft_lengths(stream, input.Byte() - 2, out.As<int32_t>(), out.capacity / 4,
                                 &out.length);
      return;
    case 8:
      llmrt_stream_release(stream);
      return;
    default:
      llmrt_session_release(session);
  }
}

// Half of the runs start with a loaded engine, a session with a token and a stream, so that calls
// meet them more often than chance would have it.
void Begin(World& world, Input& input) {
  llmrt_source* source = nullptr;
  llmrt_options* options = nullptr;
  llmrt_engine* engine = nullptr;
  llmrt_session* session = nullptr;
  llmrt_stream* stream = nullptr;
  const int32_t token = 1;
  llmrt_source_create_path(LLMRT_TEST_DATA_DIR "/tiny-300.gguf", -1, 0, -1, &source);
  llmrt_options_create(LLMRT_OPTIONS_ENGINE, &options);
  llmrt_options_set_i64(options, LLMRT_ENGINE_THREADS, 1);
  llmrt_options_set_i64(options, LLMRT_ENGINE_PUMPED, input.Byte() % 2);
  llmrt_options_set_i64(options, LLMRT_ENGINE_DRAFT_MAX, input.Byte() % 4);
  world.Keep(input, llmrt_engine_create(source, options, &engine), engine);
  llmrt_engine_wait_load(engine, -1);
  world.Keep(input, llmrt_session_create(engine, nullptr, &session), session);
  llmrt_session_append_tokens(session, &token, 1);
  world.Keep(input, llmrt_session_submit(session, nullptr, &stream), stream);
  llmrt_options_release(options);
  llmrt_source_release(source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  World world;
  if (input.Byte() % 2) Begin(world, input);
  while (!input.empty()) {
    switch (input.Byte() % 6) {
      case 0:
        CallOptions(world, input);
        break;
      case 1:
        CallSources(world, input);
        break;
      case 2:
        CallModels(world, input);
        break;
      case 3:
        CallEngines(world, input);
        break;
      case 4:
        CallSessionsAndStreams(world, input);
        break;
      default: {
        Output out(input);
        llmrt_last_message(out.As<char>(), out.capacity, &out.length);
      }
    }
  }
  return 0;
}
