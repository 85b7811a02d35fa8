// From the driver's results to the plugin's errors.
#pragma once

#include <cstdint>

#include "backend/plugin_table.h"
#include "cuda/driver/driver_table.h"

namespace llmrt::cuda {

// Numbers of absl::StatusCode.
inline constexpr int32_t kInvalidArgument = 3;
inline constexpr int32_t kNotFound = 5;
inline constexpr int32_t kResourceExhausted = 8;
inline constexpr int32_t kFailedPrecondition = 9;
inline constexpr int32_t kUnimplemented = 12;
inline constexpr int32_t kInternal = 13;

// Whether a context that gave this result is broken for good: the driver then gives the same result
// to everything but the destruction of the context.
bool IsSticky(CuResult result);

// Fills the error with `code` and a formatted line, returns `code`.
int32_t Fail(backend::PluginError* error, int32_t code, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

// 0 for kCuSuccess; otherwise an error that names the call and the driver's result.
int32_t Check(const DriverTable& driver, CuResult result, const char* call,
              backend::PluginError* error);

}  // namespace llmrt::cuda
