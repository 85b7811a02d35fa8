// gpu_end_to_end [--quick] [--device D] [--tokens N] [--record FILE] [--expect FILE] [--json FILE]
// MODEL...
//
// A host of libllmrt.so that runs prompts on a GPU alone and all at once, greedy, sampled and with
// log-probabilities, and checks what the library promises there: the same tokens and the same bits
// of log-probabilities, whatever runs beside a stream. --record writes a line a stream;
// --expect compares with such a file, recorded on another device of the same class (the emulation).
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <llmrt.hpp>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpu/report.h"

namespace llmrt::gpu {
namespace {

struct Arguments {
  std::string device = "cuda:0";
  int64_t tokens = 24;
  size_t cases = SIZE_MAX;  // of kCases, the first ones
  std::string record, expect, json;
  std::vector<std::string> models;
};

bool Parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag.substr(0, 2) != "--") {
      out.models.emplace_back(flag);
      continue;
    }
    if (flag == "--quick") {
      out.cases = 2;
      continue;
    }
    if (i + 1 == argc) return false;
    const char* value = argv[++i];
    if (flag == "--device") {
      out.device = value;
    } else if (flag == "--tokens") {
      out.tokens = std::atoll(value);
    } else if (flag == "--record") {
      out.record = value;
    } else if (flag == "--expect") {
      out.expect = value;
    } else if (flag == "--json") {
      out.json = value;
    } else {
      return false;
    }
  }
  return !out.models.empty() && out.tokens > 0;
}

// One stream of the test: a prompt of so many tokens, and how its tokens are chosen.
struct Case {
  int64_t prompt_tokens;
  float temperature;
  bool logprobs;
};
// The prompts end before, on and behind blocks, tiles of attention and tiles of matrix products.
constexpr Case kCases[] = {{5, 0, true},   {16, 0.8f, false}, {1, 0, false},    {33, 1.2f, true},
                           {64, 0, false}, {70, 0.7f, false}, {3, 0.9f, false}, {120, 0, true}};

struct Output {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  bool operator==(const Output& other) const {
    // Bits, not values.
    return tokens == other.tokens && logprobs.size() == other.logprobs.size() &&
           std::memcmp(logprobs.data(), other.logprobs.data(), logprobs.size() * sizeof(float)) ==
               0;
  }
};

uint64_t HashOf(const Output& output) {
  uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
      hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3u;
    }
  };
  add(output.tokens.data(), output.tokens.size() * sizeof(int32_t));
  add(output.logprobs.data(), output.logprobs.size() * sizeof(float));
  return hash;
}

class Runner {
 public:
  Runner(const std::string& model, const std::string& device, const std::string& kv_type,
         const Arguments& arguments)
      : tokens_(arguments.tokens),
        cases_(kCases, std::min(arguments.cases, std::size(kCases))),
        engine_(Source::FromPath(model), Options::ForEngine()
                                             .Set(LLMRT_ENGINE_DEVICE, device)
                                             .Set(LLMRT_ENGINE_KV_TYPE, kv_type)
                                             .Set(LLMRT_ENGINE_SESSIONS, std::size(kCases))
                                             .Set(LLMRT_ENGINE_CONTEXT_LENGTH, 256)) {
    engine_.WaitLoad();
  }

  std::vector<Output> Alone() {
    std::vector<Output> outputs;
    for (const Case& test : cases_) {
      Session session = engine_.CreateSession();
      Stream stream = Submit(session, test);
      outputs.push_back(Drain(stream));
    }
    return outputs;
  }

  std::vector<Output> Together() {
    std::vector<Session> sessions;
    std::vector<Stream> streams;
    for (const Case& test : cases_) {
      sessions.push_back(engine_.CreateSession());
      streams.push_back(Submit(sessions.back(), test));
    }
    std::vector<Output> outputs;
    for (Stream& stream : streams) outputs.push_back(Drain(stream));
    return outputs;
  }

 private:
  Stream Submit(Session& session, const Case& test) {
    std::vector<int32_t> prompt;
    // Ids that every vocabulary here has.
    for (int64_t i = 0; i < test.prompt_tokens; ++i) {
      prompt.push_back(static_cast<int32_t>(3 + (i * 37 + test.prompt_tokens * 11) % 250));
    }
    session.AppendTokens(prompt);
    return session.Submit(Options::ForStream()
                              .Set(LLMRT_STREAM_MAX_TOKENS, tokens_)
                              .Set(LLMRT_STREAM_IGNORE_EOS, 1)
                              .Set(LLMRT_STREAM_TEMPERATURE, test.temperature)
                              .Set(LLMRT_STREAM_SEED, 1000 + test.prompt_tokens)
                              .Set(LLMRT_STREAM_LOGPROBS, test.logprobs ? 1 : 0));
  }

  static Output Drain(Stream& stream) {
    Output output;
    while (true) {
      stream.Wait();
      int32_t tokens[64];
      float logprobs[64];
      char text[4096];
      const llmrt_read_result result = stream.Read(tokens, logprobs, 64, text, sizeof text);
      output.tokens.insert(output.tokens.end(), tokens, tokens + result.num_tokens);
      output.logprobs.insert(output.logprobs.end(), logprobs, logprobs + result.num_tokens);
      if (result.finish_reason == LLMRT_FINISH_ERROR) {
        throw Error(static_cast<llmrt_status>(result.status), stream.Message());
      }
      if (result.finish_reason != LLMRT_FINISH_NONE) return output;
    }
  }

  const int64_t tokens_;
  const std::span<const Case> cases_;
  Engine engine_;
};

std::map<std::string, std::string> ReadExpected(const std::string& path) {
  std::map<std::string, std::string> expected;
  std::ifstream file(path);
  std::string name, hash;
  while (file >> name >> hash) expected[name] = hash;
  return expected;
}

std::string BaseName(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

class EndToEnd {
 public:
  explicit EndToEnd(const Arguments& arguments)
      : arguments_(arguments), expected_(ReadExpected(arguments.expect)) {
    if (!arguments.record.empty()) record_.open(arguments.record);
  }

  void Run(const std::string& model, const std::string& kv_type) {
    const std::string name = BaseName(model) + ", kv " + kv_type;
    Runner device(model, arguments_.device, kv_type, arguments_);
    const std::vector<Output> alone = device.Alone();
    report_.Check(name + ": together as alone", device.Together() == alone,
                  std::to_string(alone.size()) + " streams");
    Runner host(model, "cpu", kv_type, arguments_);
    CompareWithCpu(name, alone, host.Alone(), kv_type == "f32");
    for (size_t i = 0; i < alone.size(); ++i) {
      CompareWithRecord(BaseName(model) + "/" + kv_type + "/" + std::to_string(i),
                        HashOf(alone[i]));
    }
    if (!arguments_.expect.empty()) {
      report_.Check(
          name + ": bits as recorded", differ_ == 0,
          std::to_string(differ_) + " of " + std::to_string(alone.size()) + " streams differ");
    }
    differ_ = 0;
  }

  Report& report() { return report_; }

 private:
  void CompareWithCpu(const std::string& name, const std::vector<Output>& device,
                      const std::vector<Output>& cpu, bool same_class) {
    int64_t equal = 0, total = 0;
    for (size_t i = 0; i < cpu.size(); ++i) {
      total += static_cast<int64_t>(cpu[i].tokens.size());
      for (size_t t = 0; t < cpu[i].tokens.size(); ++t) {
        // What comes after the first difference belongs to another text.
        if (t >= device[i].tokens.size() || device[i].tokens[t] != cpu[i].tokens[t]) break;
        ++equal;
      }
    }
    report_.Add({.name = name + ": tokens as on the CPU",
                 .value = 100.0 * static_cast<double>(equal) / static_cast<double>(total),
                 .unit = "%",
                 .verdict = !same_class     ? Verdict::kInfo
                            : device == cpu ? Verdict::kGood
                                            : Verdict::kBad,
                 .remark = same_class ? "one numeric class: every bit" : "before they part"});
  }

  void CompareWithRecord(const std::string& name, uint64_t hash) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    if (record_.is_open()) record_ << name << " " << text << "\n";
    if (arguments_.expect.empty()) return;
    const auto found = expected_.find(name);
    differ_ += found == expected_.end() || found->second != text ? 1 : 0;
  }

  const Arguments& arguments_;
  const std::map<std::string, std::string> expected_;
  std::ofstream record_;
  Report report_;
  int64_t differ_ = 0;
};

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) {
    std::fprintf(
        stderr,
        "usage: gpu_end_to_end [--quick] [--device D] [--tokens N] [--record FILE] [--expect FILE] "
        "[--json FILE] MODEL...\n");
    return 2;
  }
  EndToEnd test(arguments);
  for (const std::string& model : arguments.models) {
    // Only float32 throughout is the CPU's numeric class.
    const bool float32 = model.find("-f32") != std::string::npos;
    if (float32) test.Run(model, "f32");
    test.Run(model, "f16");
    if (!float32) test.Run(model, "bf16");
  }
  if (!arguments.json.empty() && !test.report().WriteJson(arguments.json)) return 1;
  return test.report().good() ? 0 : 1;
}

}  // namespace
}  // namespace llmrt::gpu

int main(int argc, char** argv) {
  try {
    return llmrt::gpu::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_end_to_end: %s\n", error.what());
    return 1;
  }
}
