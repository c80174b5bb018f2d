#include "support/csrc/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cassert>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace ossmc {

namespace {

constexpr std::size_t kStackBytes = 256 * 1024;
constexpr std::size_t kGuardBytes = 4096;

struct Stack {
  std::byte* begin = nullptr;
#if defined(__SANITIZE_THREAD__)
  void* tsan = nullptr;
#endif
};

std::vector<Stack>& idle_stacks() {
  thread_local std::vector<Stack> stacks;
  return stacks;
}

Stack take_stack() {
  Stack stack;
  if (!idle_stacks().empty()) {
    stack = idle_stacks().back();
    idle_stacks().pop_back();
  } else {
    // A page below it faults, so that an overflow is no silent damage.
    void* const memory = ::mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || ::mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
      std::perror("no memory for a fiber's stack");
      std::abort();
    }
    stack.begin = static_cast<std::byte*>(memory) + kGuardBytes;
#if defined(__SANITIZE_THREAD__)
    stack.tsan = __tsan_create_fiber(0);
#endif
  }
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack.begin, kStackBytes);  // the last user's frames
#endif
  return stack;
}

thread_local Fiber* running = nullptr;

}  // namespace

struct Fiber::Impl {
  std::function<void()> body;
  Stack stack;
  ucontext_t own{};
  ucontext_t caller{};
  bool started = false;
  bool finished = false;
#if defined(__SANITIZE_ADDRESS__)
  void* own_fake_stack = nullptr;
  void* caller_fake_stack = nullptr;
  const void* caller_stack = nullptr;
  std::size_t caller_stack_bytes = 0;
#endif
#if defined(__SANITIZE_THREAD__)
  void* caller_tsan = nullptr;
#endif

  void switch_in() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&caller_fake_stack, stack.begin, kStackBytes);
#endif
#if defined(__SANITIZE_THREAD__)
    caller_tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(stack.tsan, 0);
#endif
    ::swapcontext(&caller, &own);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(caller_fake_stack, nullptr, nullptr);
#endif
  }
  void arrived() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(own_fake_stack, &caller_stack, &caller_stack_bytes);
#endif
  }
  void switch_out() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(finished ? nullptr : &own_fake_stack, caller_stack,
                                   caller_stack_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(caller_tsan, 0);
#endif
    ::swapcontext(&own, &caller);
    arrived();
  }
};

Fiber::Fiber(std::function<void()> body) : impl_(std::make_unique<Impl>()) {
  impl_->body = std::move(body);
}

Fiber::~Fiber() {
  assert(impl_->finished || !impl_->started);
  if (impl_->started) idle_stacks().push_back(impl_->stack);
}

bool Fiber::finished() const { return impl_->finished; }

Fiber* Fiber::current() { return running; }

void Fiber::resume() {
  assert(running == nullptr && !impl_->finished);
  if (!impl_->started) {
    impl_->started = true;
    impl_->stack = take_stack();
    ::getcontext(&impl_->own);
    impl_->own.uc_stack.ss_sp = impl_->stack.begin;
    impl_->own.uc_stack.ss_size = kStackBytes;
    impl_->own.uc_link = nullptr;  // enter() never returns
    ::makecontext(&impl_->own, &Fiber::enter, 0);
  }
  running = this;
  impl_->switch_in();
  running = nullptr;
}

void Fiber::enter() {
  Impl& impl = *running->impl_;
  impl.arrived();
  impl.body();
  impl.finished = true;
  impl.switch_out();
}

void Fiber::suspend() {
  assert(running != nullptr);
  running->impl_->switch_out();
}

}  // namespace ossmc
