// The values behind an options handle, and what the engine makes of them. Values are checked when
// they are set, so reading them back cannot fail.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

#include "abi/option_table.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/options.h"

namespace llmrt::abi {

// Thread-safe.
class OptionsObject {
 public:
  explicit OptionsObject(int32_t kind) : kind_(kind) {}

  int32_t kind() const { return kind_; }

  // UNIMPLEMENTED for keys of another kind or type, and the errors of CheckValue.
  absl::Status SetI64(int32_t key, int64_t value);
  absl::Status SetF64(int32_t key, double value);
  absl::Status SetBytes(int32_t key, std::string_view bytes);

  // What was set, else the default; NOT_FOUND for a seed that was not set.
  absl::StatusOr<int64_t> GetI64(int32_t key) const;
  absl::StatusOr<double> GetF64(int32_t key) const;
  absl::StatusOr<std::string> GetBytes(int32_t key) const;

  absl::Status SetMemoryHooks(const memory::HostHooks& hooks);
  absl::Status SetJobHook(const backend::JobHook& hook);
  absl::Status SetDrafter(const speculation::HostDraft& drafter);

  // INVALID_ARGUMENT where the object is of another kind.
  absl::StatusOr<engine::EngineOptions> ToEngineOptions() const;
  absl::StatusOr<engine::SessionOptions> ToSessionOptions() const;
  absl::StatusOr<engine::StreamOptions> ToStreamOptions() const;

 private:
  using Value = std::variant<int64_t, double, std::string>;

  absl::StatusOr<const OptionRow*> FindRow(int32_t key, ValueType type) const;
  absl::Status CheckKind(int32_t wanted) const;
  // Values of keys that the table has; the default where none was set.
  int64_t I64(int32_t key) const;
  double F64(int32_t key) const;
  std::string Bytes(int32_t key) const;
  // The position of a word among those of its row, which is its enumeration's value.
  template <typename Enum>
  Enum Word(int32_t key) const;

  const int32_t kind_;
  mutable std::mutex mutex_;
  std::map<int32_t, Value> values_;  // guarded by mutex_, as all below
  memory::HostHooks hooks_;
  backend::JobHook job_hook_;
  speculation::HostDraft drafter_;
};

}  // namespace llmrt::abi
