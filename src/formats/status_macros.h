// Passing a failed absl::Status on to the caller. Private to src/formats.
#pragma once

#include "absl/status/status.h"

#define FORMATS_RETURN_IF_ERROR(expression)                                                      \
  do {                                                                                           \
    if (absl::Status formats_status = (expression); !formats_status.ok()) return formats_status; \
  } while (false)
