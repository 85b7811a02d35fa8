// How a backend says that its device has failed for good: nothing that runs on it will work again.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"

namespace llmrt::backend {

inline constexpr char kDeviceLostPayload[] = "llmrt/device-lost";

inline absl::Status DeviceLostError(std::string_view message) {
  absl::Status status = absl::InternalError(message);
  status.SetPayload(kDeviceLostPayload, absl::Cord());
  return status;
}

inline bool IsDeviceLost(const absl::Status& status) {
  return status.GetPayload(kDeviceLostPayload).has_value();
}

}  // namespace llmrt::backend
