// The floating-point mode around calls of the host's code (NUMERICS E). The library computes in its
// own mode; a reader, an allocator or a job system of the host runs in the mode that the host's
// thread came with, and whatever mode it leaves behind changes no bit of ours.
#pragma once

#include <cstdint>

#include "backend/create_backend.h"
#include "memory/large_buffer.h"
#include "numerics/fp_mode.h"
#include "speculation/drafter.h"

namespace llmrt::engine {

// What a thread starts with in C; the mode of a host's code on threads that the library made.
#if defined(__x86_64__) || defined(_M_X64)
inline constexpr uint64_t kInitialFpMode = 0x1f80;  // round to nearest, all exceptions masked
#else
inline constexpr uint64_t kInitialFpMode = 0;
#endif

// The mode that a call of this thread found when it came in. Callbacks may call in again, so a
// scope remembers what was there before it.
inline constinit thread_local uint64_t host_fp_mode = kInitialFpMode;

// For entry points: our mode inside, the host's back at the end.
class ScopedEntryFpMode {
 public:
  ScopedEntryFpMode() : before_(host_fp_mode) { host_fp_mode = found_; }
  ~ScopedEntryFpMode() { host_fp_mode = before_; }
  ScopedEntryFpMode(const ScopedEntryFpMode&) = delete;
  ScopedEntryFpMode& operator=(const ScopedEntryFpMode&) = delete;

 private:
  const uint64_t found_ = numerics::ScopedFpMode::Read();  // before ours_ changes it
  const uint64_t before_;
  const numerics::ScopedFpMode ours_;
};

// For calls of the host's code: the host's mode inside, what was there back at the end.
class ScopedHostFpMode {
 public:
  ScopedHostFpMode() : ours_(numerics::ScopedFpMode::Read()) {
    numerics::ScopedFpMode::Write(host_fp_mode);
  }
  ~ScopedHostFpMode() { numerics::ScopedFpMode::Write(ours_); }
  ScopedHostFpMode(const ScopedHostFpMode&) = delete;
  ScopedHostFpMode& operator=(const ScopedHostFpMode&) = delete;

 private:
  const uint64_t ours_;
};

// Hooks that call `hooks` in the host's mode; null ones stay null. `hooks` must outlive their use.
memory::HostHooks InHostFpMode(const memory::HostHooks& hooks);
backend::JobHook InHostFpMode(const backend::JobHook& hook);
speculation::HostDraft InHostFpMode(const speculation::HostDraft& hook);

}  // namespace llmrt::engine
