// CPython before 3.14 ends a daemon thread that asks for the GIL too late by pthread_exit(), whose
// unwinding is libgcc's. The module's frames have the personality of its own, static libc++abi,
// which takes libgcc's context for one of its own unwinder: a crash. So such an unwinding ends at
// the first frame of ours (linked with --wrap), and the thread sleeps, as with 3.14, with all that
// lies below on its stack.
#include <unistd.h>
#include <unwind.h>

#include <cstdint>

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
extern "C" {

_Unwind_Reason_Code __real___gxx_personality_v0(int version, _Unwind_Action actions,
                                                std::uint64_t exception_class,
                                                _Unwind_Exception* exception,
                                                _Unwind_Context* context);

_Unwind_Reason_Code __wrap___gxx_personality_v0(int version, _Unwind_Action actions,
                                                std::uint64_t exception_class,
                                                _Unwind_Exception* exception,
                                                _Unwind_Context* context) {
  while ((actions & _UA_FORCE_UNWIND) != 0) ::pause();
  return __real___gxx_personality_v0(version, actions, exception_class, exception, context);
}
}
// NOLINTEND(bugprone-reserved-identifier)
