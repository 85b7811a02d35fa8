#include "cuda_host/fiber.h"

#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace llmrt::cuda_host {
namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

constexpr size_t kGuardBytes = 4096;

// Who was left by the switch that is going on: its place is known only on the other side.
struct Departure {
  Fiber* from;  // null: nobody comes back
  Fiber* to;
};

// The sanitizer must know which stack is in use. It also tells where the stack that was left lies,
// which is how the host thread's own becomes known.
void Arrive(const transfer_t& transfer) {
  const Departure departure = *static_cast<Departure*>(transfer.data);
  if (departure.from != nullptr) departure.from->context = transfer.fctx;
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(departure.to->fake_stack, &bottom, &bytes);
  if (departure.from != nullptr && departure.from->stack_bottom == nullptr) {
    departure.from->stack_bottom = const_cast<void*>(bottom);
    departure.from->stack_bytes = bytes;
  }
#endif
}

void Depart([[maybe_unused]] Fiber* from, [[maybe_unused]] Fiber* to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(from != nullptr ? &from->fake_stack : nullptr, to->stack_bottom,
                                 to->stack_bytes);
#endif
}

thread_local void (*starting_main)() = nullptr;

void Start(transfer_t transfer) {
  Arrive(transfer);
  starting_main();
}

}  // namespace

FiberStacks::~FiberStacks() {
  for (void* stack : stacks_) munmap(stack, kBytes + kGuardBytes);
}

bool FiberStacks::Prepare(size_t index, void (*main)(), Fiber* fiber) {
  while (stacks_.size() <= index) {
    void* stack = mmap(nullptr, kBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return false;
    mprotect(stack, kGuardBytes, PROT_NONE);
    stacks_.push_back(stack);
  }
  starting_main = main;
  char* bottom = static_cast<char*>(stacks_[index]) + kGuardBytes;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(bottom, kBytes);
#endif
  fiber->stack_bottom = bottom;
  fiber->stack_bytes = kBytes;
  fiber->fake_stack = nullptr;
  fiber->context = make_fcontext(bottom + kBytes, kBytes, Start);
  return true;
}

void SwitchFiber(Fiber* from, Fiber* to) {
  Departure departure = {from, to};
  Depart(from, to);
  Arrive(jump_fcontext(to->context, &departure));
}

void LeaveFiber(Fiber* to) {
  Departure departure = {nullptr, to};
  Depart(nullptr, to);
  jump_fcontext(to->context, &departure);
  __builtin_unreachable();
}

}  // namespace llmrt::cuda_host
