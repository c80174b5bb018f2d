/* How a sleeping I/O thread is woken: IoThread::wake() and wait_and_act(), csrc/transfer/io_thread.cc.
 * Callers put work into a queue (under the scheduler's mutex: one step) and wake the thread.
 *
 * Checked: when all callers are through, the thread has taken all their work, and is not asleep with
 * work in the queue (an invalid end state is a lost wake-up).
 *
 * Faults that must be found, each by -D: LOOKS_BEFORE_IT_SLEEPS, CLEARS_AFTER_ASKING.
 */
#define CALLERS 3

bool pending;  /* pending_ */
bool sleeping; /* sleeping_ */
byte event;    /* how many wakes are in the pipe */
byte queued;
byte taken;

proctype caller() {
  bool was_pending;
  queued++;
  /* IoThread::wake() */
  atomic {
    was_pending = pending;
    pending = true
  };
  if
  :: was_pending -> skip
  :: else ->
     if
     :: sleeping -> event++
     :: else -> skip
     fi
  fi
}

active proctype io_thread() {
  bool ask = true;
  bool awake;
  do
  :: true ->
     if
     :: ask ->
#ifdef CLEARS_AFTER_ASKING
        atomic { taken = taken + queued; queued = 0 };
        pending = false;
#else
        /* WorkSource::next(), until it gives nothing */
        atomic { taken = taken + queued; queued = 0 };
#endif
        ask = false
     :: else -> skip
     fi;
     /* wait_and_act() */
#ifdef LOOKS_BEFORE_IT_SLEEPS
     awake = ask || pending;
     sleeping = true;
#else
     sleeping = true;
     awake = ask || pending;
#endif
     if
     :: awake -> skip
     :: else ->
        if
        :: event > 0 -> skip /* epoll_wait() blocks until it is readable */
        :: taken == CALLERS && queued == 0 -> goto done
        fi
     fi;
     sleeping = false;
     event = 0;
     /* woken_ = pending_.exchange(false) */
     atomic {
       ask = ask || pending;
       pending = false
     }
  od;
done:
  assert(queued == 0 && taken == CALLERS)
}

init {
  atomic {
    run caller();
    run caller();
    run caller()
  }
}
