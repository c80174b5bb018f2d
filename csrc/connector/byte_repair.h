// ByteRepair: the bytes that a reader hands out, and what is done when some of them are wrong.
//
// An object's CRC-64 is of the whole: that a byte was wrong shows when the last one has come, and
// not which one it was. Then a second stream fetches all of the object anew, once, and stands in
// for the first, the suspect. Not a byte leaves it before all of its bytes are known to be right,
// and those that had left before to have been the same. If they were others, or if the second
// stream is wrong too, the reader is spoiled: nothing more leaves it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/wait.h"
#include "fetch/response_check.h"
#include "prefetch/object_stream.h"
#include "prefetch/scheduler.h"
#include "protocol/content_range.h"
#include "protocol/object_name.h"

namespace ossmc {

// Owned by a reader; owns the reader's stream. Thread-safe. Only run() waits.
class ByteRepair {
 public:
  // What a read is made of.
  struct Source {
    Scheduler* scheduler = nullptr;  // outlives the reader
    std::shared_ptr<ObjectStream> stream;
  };
  // The scheduler of this process: asked where the one before stayed in the parent of a fork.
  using FindScheduler = std::function<Result<Scheduler*>()>;

  // `name` and `version`, the object's, outlive it. `progress_limit`: how long a verdict on the
  // bytes may be in coming.
  ByteRepair(const ObjectName& name, const ObjectVersion& version, Source source,
             Duration progress_limit, FindScheduler find_scheduler);
  // Closes.
  ~ByteRepair();
  ByteRepair(const ByteRepair&) = delete;
  ByteRepair& operator=(const ByteRepair&) = delete;

  // Runs `read`, Status(const Source&), by which `bytes` leave, which it may set. If they, or
  // others of the object, turn out wrong, the object is fetched anew and `read` runs again.
  template <typename Read>
  Status run(const ByteRange& bytes, Interrupt& interrupt, const Read& read) {
    while (true) {
      const Result<Source> source = source_to_read(interrupt);
      if (!source.is_ok()) return source.status();
      Status status = read(*source);
      if (is_over(*source, bytes, &status)) return status;
    }
  }
  // As a run() that reads `out`, without ever waiting: see read_stream_if_ready(). False: it did
  // not read.
  bool read_if_ready(std::uint64_t offset, std::span<std::byte> out);

  void close();
  bool is_closed() const { return closed_.load(); }
  // The object's bytes were wrong once, and have been fetched again.
  bool was_repaired() const { return state_.load() != State::kFirst; }
  // All bytes have been checked by the object's CRC-64. Of a closed one: as of then.
  bool is_verified() const;

  // In a forked child, before anything else is used there. Opens the object again at the next read.
  void after_fork_in_child();

 private:
  enum class State : std::uint8_t {
    kFirst,    // the stream is the one that was opened
    kSecond,   // it has been replaced: there is no third one
    kSpoiled,  // wrong bytes have left, or came twice
  };
  // Replaced as a whole in a forked child, where locks may be held by threads that are not there.
  struct Live {
    // Held while a stream is opened, so that one is. No leaf; comes before `mutex`.
    Mutex opening;
    Mutex mutex;  // for microseconds: bytes that are ready are copied under it
    Source source OSSMC_GUARDED_BY(mutex);  // empty once closed, and in a child before a read
    // Set: source.stream stands in for this one, and has not been judged yet.
    std::shared_ptr<ObjectStream> suspect OSSMC_GUARDED_BY(mutex);
  };
  // The hull of all bytes that have left: never too small.
  class Given {
   public:
    void add(ByteRange bytes);
    bool overlaps(ByteRange bytes) const;

   private:
    std::atomic<std::uint64_t> begin_{UINT64_MAX};
    std::atomic<std::uint64_t> end_{0};
  };

  // A stream whose bytes may leave.
  Result<Source> source_to_read(Interrupt& interrupt);
  // False: the read is to run again. If that cannot be, `status` is its outcome.
  bool is_over(const Source& source, ByteRange bytes, Status* status);
  Status open_in_child();
  // Puts a second stream in place of source.stream, unless another thread has. False: the one time
  // for this has passed.
  Result<bool> replace(const Source& source);
  // Waits for the verdict on the second stream, and compares what has left with it.
  Status judge(const Source& source, const std::shared_ptr<ObjectStream>& suspect,
               Interrupt& interrupt);
  Source current() const;
  bool is_verified_locked() const OSSMC_REQUIRES(live_->mutex);
  // The error, which ends with `advice`.
  Status mismatch(const char* advice) const;

  // Constant after construction.
  const ObjectName& name_;
  const ObjectVersion& version_;
  const bool prefetches_;
  const std::shared_ptr<LearntVersion> learnt_;
  const Duration progress_limit_;
  const FindScheduler find_scheduler_;

  // Atomic: read without the lock; they change under it.
  std::atomic<State> state_{State::kFirst};
  std::atomic<bool> closed_{false};
  std::atomic<bool> verified_{false};  // as of close()

  // With ObjectStream::verdict() a Dekker pair (seq_cst): who hands bytes out notes them, then
  // looks at the verdict; who sees it bad looks at what was handed out.
  Given given_;

  std::unique_ptr<Live> live_;
};

}  // namespace ossmc
