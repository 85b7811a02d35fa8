#include "loading.h"

#include "terminal.h"

namespace llmrt::cli {
namespace {

// "cpu/avx2" of "build=...;device=cpu/avx2;...".
std::string DeviceOf(const std::string& fingerprint) {
  constexpr std::string_view kKey = ";device=";
  const size_t place = fingerprint.find(kKey);
  if (place == std::string::npos) return "unknown";
  const size_t first = place + kKey.size();
  return fingerprint.substr(first, fingerprint.find(';', first) - first);
}

}  // namespace

Outcome LoadEngine(const std::string& path, llmrt_options* options, const InterruptScope& interrupt,
                   Engine* engine) {
  Source source;
  LLMRT_CLI_TRY(CreateSource(path, &source));
  llmrt_engine* handle = nullptr;
  LLMRT_CLI_TRY(Check(llmrt_engine_create(source.get(), options, &handle)));
  engine->reset(handle);

  ProgressBar bar("loading");
  bool cancelled = false;
  for (;;) {
    constexpr int64_t kRedrawMs = 50;
    const llmrt_status status = llmrt_engine_wait_load(handle, kRedrawMs);
    if (status != LLMRT_STATUS_DEADLINE_EXCEEDED) return Check(status);
    auto info = Sized<llmrt_load_info>();
    LLMRT_CLI_TRY(Check(llmrt_engine_get_load(handle, &info)));
    bar.Show(info.fraction);
    if (interrupt.interrupted() && !cancelled) {
      // The load ends with CANCELLED, which wait_load then returns.
      LLMRT_CLI_TRY(Check(llmrt_engine_cancel_load(handle)));
      cancelled = true;
    }
  }
}

Outcome CreateSession(llmrt_engine* engine, Session* session) {
  llmrt_session* handle = nullptr;
  LLMRT_CLI_TRY(Check(llmrt_session_create(engine, nullptr, &handle)));
  session->reset(handle);
  return Done();
}

Outcome GetModel(llmrt_engine* engine, Model* model) {
  llmrt_model* handle = nullptr;
  LLMRT_CLI_TRY(Check(llmrt_engine_get_model(engine, &handle)));
  model->reset(handle);
  return Done();
}

Outcome GetFingerprint(llmrt_engine* engine, std::string* fingerprint) {
  return GetText(
      [engine](char* buffer, int64_t capacity, int64_t* length) {
        return llmrt_engine_get_fingerprint(engine, buffer, capacity, length);
      },
      fingerprint);
}

Outcome Identify(llmrt_engine* engine, EngineIdentity* identity) {
  LLMRT_CLI_TRY(GetFingerprint(engine, &identity->fingerprint));
  identity->device = DeviceOf(identity->fingerprint);
  auto info = Sized<llmrt_engine_info>();
  LLMRT_CLI_TRY(Check(llmrt_engine_get_info(engine, &info)));
  identity->threads = info.threads;
  return Done();
}

}  // namespace llmrt::cli
