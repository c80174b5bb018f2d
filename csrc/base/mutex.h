// Mutex and MutexLock: std::mutex with Clang's thread-safety annotations, which libstdc++ lacks.
//
// House rule: the locks that reads and I/O threads take are leaves. While one is held nobody takes
// another, waits, maps or unmaps memory, wakes anybody, takes the GIL or runs foreign code. What is
// no leaf says so, and is waited for by callers that may block: never with the GIL held.
#pragma once

#include <mutex>

#if defined(__clang__)
#define OSSMC_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define OSSMC_THREAD_ANNOTATION(x)
#endif

#define OSSMC_CAPABILITY(x) OSSMC_THREAD_ANNOTATION(capability(x))
#define OSSMC_SCOPED_CAPABILITY OSSMC_THREAD_ANNOTATION(scoped_lockable)
#define OSSMC_GUARDED_BY(x) OSSMC_THREAD_ANNOTATION(guarded_by(x))
#define OSSMC_REQUIRES(...) OSSMC_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define OSSMC_EXCLUDES(...) OSSMC_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define OSSMC_ACQUIRE(...) OSSMC_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define OSSMC_TRY_ACQUIRE(...) OSSMC_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define OSSMC_RELEASE(...) OSSMC_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define OSSMC_ASSERT_CAPABILITY(...) OSSMC_THREAD_ANNOTATION(assert_capability(__VA_ARGS__))
#define OSSMC_NO_THREAD_SAFETY_ANALYSIS OSSMC_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace ossmc {

class OSSMC_CAPABILITY("mutex") Mutex {
 public:
  void lock() OSSMC_ACQUIRE() { mutex_.lock(); }
  void unlock() OSSMC_RELEASE() { mutex_.unlock(); }
  // For the analysis, where it cannot see that the caller holds it: by another name.
  void assert_held() const OSSMC_ASSERT_CAPABILITY() {}

 private:
  std::mutex mutex_;
};

class OSSMC_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) OSSMC_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() OSSMC_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace ossmc
