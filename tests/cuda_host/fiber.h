// Stacks that take turns on one host thread: what the threads of a block run on.
#pragma once

#include <cstddef>
#include <vector>

namespace llmrt::cuda_host {

// A place where execution goes on: a fiber's, or that of the host thread that started them.
struct Fiber {
  void* context = nullptr;       // where to continue
  void* stack_bottom = nullptr;  // lowest address
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;  // the address sanitizer's
};

// Stacks are kept and used again; a fiber that was left in its middle leaves nothing behind.
class FiberStacks {
 public:
  static constexpr size_t kBytes = 256 << 10;

  FiberStacks() = default;
  FiberStacks(const FiberStacks&) = delete;
  FiberStacks& operator=(const FiberStacks&) = delete;
  ~FiberStacks();

  // Makes `fiber` start with main() on stack `index` when it is first switched to. main() must not
  // return. Inherits the floating-point mode. False if there is no memory.
  bool Prepare(size_t index, void (*main)(), Fiber* fiber);

 private:
  std::vector<void*> stacks_;
};

// Leaves the running fiber at `from` and goes on at `to`; returns when something switches back.
void SwitchFiber(Fiber* from, Fiber* to);
// The same without a way back.
[[noreturn]] void LeaveFiber(Fiber* to);

}  // namespace llmrt::cuda_host
