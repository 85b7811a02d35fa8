// What stands behind each kind of handle, and the typed way in and out of the handle table.
//
// Close and release. A session and a stream carry the engine they came from as their family, so
// llmrt_engine_close turns them all stale. A create call that runs meanwhile publishes its handle
// first and looks at `closed` afterwards, while close sets `closed` first and then looks for
// handles: one of the two always sees the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "abi/handle_table.h"
#include "abi/options_object.h"
#include "abi/source_object.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/model.h"
#include "engine/session.h"
#include "engine/stream.h"
#include "llmrt.h"

namespace llmrt::abi {

struct EngineObject {
  std::shared_ptr<engine::Engine> engine;
  std::atomic<bool> closed{false};
};

// Members are destroyed from the last to the first: a child before what it stands on.
struct SessionObject {
  std::shared_ptr<EngineObject> engine;
  std::shared_ptr<engine::Session> session;
};

struct StreamObject {
  std::shared_ptr<EngineObject> engine;
  std::shared_ptr<engine::Stream> stream;
};

template <typename Handle>
struct HandleTraits;
template <>
struct HandleTraits<llmrt_options> {
  using Object = OptionsObject;
  static constexpr HandleType kType = HandleType::kOptions;
};
template <>
struct HandleTraits<llmrt_source> {
  using Object = SourceObject;
  static constexpr HandleType kType = HandleType::kSource;
};
template <>
struct HandleTraits<llmrt_model> {
  using Object = const engine::Model;
  static constexpr HandleType kType = HandleType::kModel;
};
template <>
struct HandleTraits<llmrt_engine> {
  using Object = EngineObject;
  static constexpr HandleType kType = HandleType::kEngine;
};
template <>
struct HandleTraits<llmrt_session> {
  using Object = SessionObject;
  static constexpr HandleType kType = HandleType::kSession;
};
template <>
struct HandleTraits<llmrt_stream> {
  using Object = StreamObject;
  static constexpr HandleType kType = HandleType::kStream;
};

template <typename Handle>
HandleValue ValueOf(Handle* handle) {
  return reinterpret_cast<HandleValue>(handle);
}

// "engine"; "handle" for what is none.
std::string_view TypeName(HandleType type);

// INVALID_HANDLE that says what `handle` is instead.
absl::Status NotAHandleOf(HandleType wanted, HandleValue handle);

template <typename Handle>
absl::StatusOr<std::shared_ptr<typename HandleTraits<Handle>::Object>> Find(Handle* handle) {
  using Traits = HandleTraits<Handle>;
  std::shared_ptr<void> object = Handles().Find(ValueOf(handle), Traits::kType);
  if (object == nullptr) return NotAHandleOf(Traits::kType, ValueOf(handle));
  return std::static_pointer_cast<typename Traits::Object>(std::move(object));
}

// A handle that is not live yet; given back unless it is published.
template <typename Handle>
class Reservation {
 public:
  using Object = typename HandleTraits<Handle>::Object;

  Reservation() = default;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() {
    if (value_ != 0) Handles().Abandon(value_);
  }

  absl::Status Take() {
    absl::StatusOr<HandleValue> value = Handles().Reserve(HandleTraits<Handle>::kType);
    if (value.ok()) value_ = *value;
    return value.status();
  }
  HandleValue value() const { return value_; }
  Handle* Publish(const std::shared_ptr<Object>& object, const void* family) {
    const HandleValue value = std::exchange(value_, 0);
    Handles().Publish(value, std::const_pointer_cast<std::remove_const_t<Object>>(object), family);
    return reinterpret_cast<Handle*>(value);
  }

 private:
  HandleValue value_ = 0;
};

// Hands a finished object to the host.
template <typename Handle>
absl::Status Give(const std::shared_ptr<typename HandleTraits<Handle>::Object>& object,
                  const void* family, Handle** out) {
  Reservation<Handle> reservation;
  if (absl::Status status = reservation.Take(); !status.ok()) return status;
  *out = reservation.Publish(object, family);
  return absl::OkStatus();
}

// After a descendant was published: INVALID_HANDLE, and its handle turned stale, if the engine was
// closed meanwhile.
absl::Status CheckStillOpen(const EngineObject& engine, HandleType type, HandleValue published);

template <typename Handle>
void ReleaseHandle(Handle* handle) {
  Handles().Release(ValueOf(handle), HandleTraits<Handle>::kType);
}

}  // namespace llmrt::abi
