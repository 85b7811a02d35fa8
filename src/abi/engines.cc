// The C entry points of engines.

#include <algorithm>
#include <chrono>
#include <thread>

#include "abi/arguments.h"
#include "abi/conversions.h"
#include "abi/objects.h"
#include "abi/status.h"
#include "absl/container/inlined_vector.h"
#include "llmrt.h"

namespace llmrt::abi {
namespace {

// More ready streams than this are listed by the next wait.
constexpr int64_t kReadyMax = 65536;

// Waits for streams that are ready and still have their handle. The engine may list a stream that
// is just being submitted (its tag is 0 or its handle not published yet) or just being released:
// such a list can be empty, and then the wait goes on for the time that is left.
absl::StatusOr<int64_t> WaitForReady(engine::Engine& engine, absl::Span<llmrt_stream*> ready,
                                     int64_t timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  absl::InlinedVector<uint64_t, 64> tags(ready.size());
  int64_t left_ms = timeout_ms;
  while (true) {
    ABI_ASSIGN_OR_RETURN(const int64_t found, engine.Wait(absl::MakeSpan(tags), left_ms));
    int64_t count = 0;
    for (const uint64_t tag : absl::MakeSpan(tags).first(static_cast<size_t>(found))) {
      if (Handles().Find(tag, HandleType::kStream) == nullptr) continue;
      ready[static_cast<size_t>(count++)] = reinterpret_cast<llmrt_stream*>(tag);
    }
    if (count > 0) return count;
    std::this_thread::yield();
    if (timeout_ms < 0) continue;
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    left_ms = timeout_ms - std::min<int64_t>(timeout_ms, passed.count());
    if (left_ms == 0) {
      return absl::DeadlineExceededError(
          absl::StrCat("no stream was ready within ", timeout_ms, " ms; wait longer or again"));
    }
  }
}

}  // namespace
}  // namespace llmrt::abi

using namespace llmrt::abi;  // NOLINT: this file is the C face of that namespace.

llmrt_status llmrt_engine_create(llmrt_source* source, llmrt_options* options,
                                 llmrt_engine** engine) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto model_source, Find(source));
    ABI_ASSIGN_OR_RETURN(auto engine_options, EngineOptionsOf(options));
    ABI_RETURN_IF_ERROR(CheckOutput(engine, "engine"));
    const auto object = std::make_shared<EngineObject>();
    Reservation<llmrt_engine> reservation;
    ABI_RETURN_IF_ERROR(reservation.Take());
    ABI_ASSIGN_OR_RETURN(object->engine,
                         llmrt::engine::Engine::Create(model_source, std::move(engine_options)));
    *engine = reservation.Publish(object, object.get());
    return absl::OkStatus();
  });
}

llmrt_status llmrt_engine_get_load(llmrt_engine* engine, llmrt_load_info* info) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    ABI_RETURN_IF_ERROR(CheckStruct(info, "info"));
    WriteStruct(ToLoadInfo(object->engine->GetLoad()), info);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_engine_wait_load(llmrt_engine* engine, int64_t timeout_ms) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    ABI_RETURN_IF_ERROR(CheckTimeout(timeout_ms, "timeout_ms"));
    return object->engine->WaitLoad(timeout_ms);
  });
}

llmrt_status llmrt_engine_cancel_load(llmrt_engine* engine) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    object->engine->CancelLoad();
    return absl::OkStatus();
  });
}

llmrt_status llmrt_engine_get_model(llmrt_engine* engine, llmrt_model** model) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    ABI_RETURN_IF_ERROR(CheckOutput(model, "model"));
    ABI_ASSIGN_OR_RETURN(const auto loaded, object->engine->GetModel());
    return Give(loaded, nullptr, model);
  });
}

llmrt_status llmrt_engine_get_plan(llmrt_engine* engine, llmrt_plan* plan) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    ABI_RETURN_IF_ERROR(CheckStruct(plan, "plan"));
    ABI_ASSIGN_OR_RETURN(const llmrt::engine::Plan made, object->engine->GetPlan());
    WriteStruct(ToPlan(made), plan);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_engine_get_fingerprint(llmrt_engine* engine, char* buffer, int64_t capacity,
                                          int64_t* length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    ABI_ASSIGN_OR_RETURN(const std::string fingerprint, object->engine->GetFingerprint());
    return output.Copy(fingerprint);
  });
}

llmrt_status llmrt_engine_get_info(llmrt_engine* engine, llmrt_engine_info* info) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    ABI_RETURN_IF_ERROR(CheckStruct(info, "info"));
    ABI_ASSIGN_OR_RETURN(const llmrt::engine::EngineInfo now, object->engine->GetInfo());
    WriteStruct(ToEngineInfo(now), info);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_engine_step(llmrt_engine* engine, int64_t max_us, llmrt_step_info* info) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    ABI_RETURN_IF_ERROR(CheckTimeout(max_us, "max_us"));
    if (info != nullptr) ABI_RETURN_IF_ERROR(CheckStruct(info, "info"));
    ABI_ASSIGN_OR_RETURN(const llmrt::engine::StepInfo done, object->engine->Step(max_us));
    if (info != nullptr) WriteStruct(ToStepInfo(done), info);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_engine_wait(llmrt_engine* engine, llmrt_stream** ready, int64_t capacity,
                               int64_t* count, int64_t timeout_ms) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    ABI_RETURN_IF_ERROR(CheckOutput(ready, "ready"));
    ABI_RETURN_IF_ERROR(CheckOutput(count, "count"));
    ABI_RETURN_IF_ERROR(CheckTimeout(timeout_ms, "timeout_ms"));
    if (capacity < 1) {
      return absl::InvalidArgumentError(absl::StrCat("the capacity of ready is ", capacity,
                                                     "; at least 1; pass what it has room for"));
    }
    const auto room = static_cast<size_t>(std::min(capacity, kReadyMax));
    ABI_ASSIGN_OR_RETURN(*count, WaitForReady(*object->engine, {ready, room}, timeout_ms));
    return absl::OkStatus();
  });
}

llmrt_status llmrt_engine_poll_log(llmrt_engine* engine, llmrt_log_info* info, char* buffer,
                                   int64_t capacity, int64_t* length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    ABI_RETURN_IF_ERROR(CheckStruct(info, "info"));
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    ABI_ASSIGN_OR_RETURN(const llmrt::engine::LogRecord record, object->engine->PollLog(capacity));
    ABI_RETURN_IF_ERROR(output.Copy(record.text));
    WriteStruct(ToLogInfo(record), info);
    return absl::OkStatus();
  });
}

llmrt_status llmrt_engine_close(llmrt_engine* engine) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(engine));
    object->closed.store(true);
    object->engine->Close();
    Handles().ReleaseFamily(object.get());
    return absl::OkStatus();
  });
}

void llmrt_engine_release(llmrt_engine* engine) {
  EnterRelease([&] { ReleaseHandle(engine); });
}
