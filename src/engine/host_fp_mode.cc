#include "engine/host_fp_mode.h"

namespace llmrt::engine {
namespace {

// `user` is the host's own hooks.
void* Allocate(void* user, int64_t bytes, int64_t alignment, int32_t tag) {
  const auto& hooks = *static_cast<const memory::HostHooks*>(user);
  const ScopedHostFpMode host;
  return hooks.allocate(hooks.user, bytes, alignment, tag);
}

void Release(void* user, void* pointer, int64_t bytes, int32_t tag) {
  const auto& hooks = *static_cast<const memory::HostHooks*>(user);
  const ScopedHostFpMode host;
  hooks.release(hooks.user, pointer, bytes, tag);
}

// The job itself may run inside; it sets our mode for as long as it computes.
int32_t Submit(void* user, void (*job)(void* context), void* context) {
  const auto& hook = *static_cast<const backend::JobHook*>(user);
  const ScopedHostFpMode host;
  return hook.submit(hook.user, job, context);
}

int64_t Propose(void* user, const int32_t* history, int64_t num_history, int32_t* tokens,
                int64_t capacity) {
  const auto& hook = *static_cast<const speculation::HostDraft*>(user);
  const ScopedHostFpMode host;
  return hook.propose(hook.user, history, num_history, tokens, capacity);
}

}  // namespace

memory::HostHooks InHostFpMode(const memory::HostHooks& hooks) {
  if (hooks.allocate == nullptr || hooks.release == nullptr) return hooks;
  return {.allocate = Allocate,
          .release = Release,
          .user = const_cast<memory::HostHooks*>(&hooks)};  // read only
}

backend::JobHook InHostFpMode(const backend::JobHook& hook) {
  if (hook.submit == nullptr) return hook;
  return {.submit = Submit, .user = const_cast<backend::JobHook*>(&hook)};  // read only
}

speculation::HostDraft InHostFpMode(const speculation::HostDraft& hook) {
  if (hook.propose == nullptr) return hook;
  return {.propose = Propose, .user = const_cast<speculation::HostDraft*>(&hook)};  // read only
}

}  // namespace llmrt::engine
