#include "cuda_host/driver_state.h"

#include <atomic>

namespace llmrt::cuda_host {

DriverState& State() {
  static DriverState* const state = new DriverState;
  return *state;
}

uint64_t DriverState::UsedMemory() const {
  uint64_t bytes = contexts.size() * kContextBytes;
  for (const auto& [address, block] : allocations) bytes += block.bytes;
  return bytes;
}

std::vector<HandleId>& ContextStack() {
  thread_local std::vector<HandleId> stack;
  return stack;
}

uint64_t ThreadNumber() {
  static std::atomic<uint64_t> last{0};
  thread_local const uint64_t number = ++last;
  return number;
}

Entry::Entry(const char* symbol, Needs needs) : lock_(State().mutex), symbol_(symbol) {
  DriverState& state = State();
  const int64_t number = static_cast<int64_t>(state.calls.size());
  state.calls.push_back(symbol);
  const std::vector<HandleId>& stack = ContextStack();
  if (!stack.empty()) {
    context_id_ = stack.back();
    context_ = FindObject(state.contexts, context_id_);
  }
  if (number == state.failing_call) {
    result_ = state.failing_result;
    if (state.failing_sticky && context_ != nullptr) context_->fault = result_;
    return;
  }
  if (needs == Needs::kNothing) return;
  if (!state.initialised) {
    result_ = Refuse(cuda::kCuNotInitialized, "cuInit has not been called");
  } else if (needs == Needs::kInit) {
    return;
  } else if (stack.empty()) {
    result_ = Refuse(cuda::kCuInvalidContext, "no context is current");
  } else if (context_ == nullptr) {
    result_ = Refuse(cuda::kCuContextIsDestroyed, "the current context was destroyed");
  } else if (context_->fault != cuda::kCuSuccess) {
    result_ = context_->fault;
  } else if (needs == Needs::kUncaptured && InvalidateCaptures(context_id_)) {
    result_ = Refuse(kCaptureUnsupported, "this thread is capturing a stream");
  }
}

CuResult Entry::Refuse(CuResult result, const std::string& why) {
  State().message = std::string(symbol_) + ": " + why;
  return result;
}

bool InvalidateCaptures(HandleId context) {
  bool found = false;
  for (auto& [id, stream] : State().streams) {
    if (!stream.capturing || stream.context != context) continue;
    if (stream.capture_thread != ThreadNumber()) continue;
    stream.capture_invalid = found = true;
  }
  return found;
}

void DestroyContext(HandleId id) {
  DriverState& state = State();
  std::erase_if(state.functions, [&](const auto& item) {
    const Module* module = FindObject(state.modules, item.second.module);
    return module == nullptr || module->context == id;
  });
  const auto erase = [id](auto& objects) {
    std::erase_if(objects, [id](const auto& item) { return item.second.context == id; });
  };
  erase(state.modules);
  erase(state.streams);
  erase(state.events);
  erase(state.graphs);
  erase(state.graph_execs);
  for (const auto& [address, block] : state.allocations) {
    if (block.context == id) DeviceMemory().Remove(address);
  }
  erase(state.allocations);
  std::erase_if(state.host_blocks, [id](const auto& item) { return item.second->context == id; });
  state.contexts.erase(id);
}

}  // namespace llmrt::cuda_host
