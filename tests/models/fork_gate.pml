/* How a fork waits until no thread is inside a library: ForkGate, csrc/base/fork_gate.cc. Two threads pass through the
 * gate again and again, two others fork at any time.
 *
 * Checked: at the moment of a fork nobody is inside; and everybody comes to the end (an invalid end state is a lost
 * wake-up). The limit of close() is left out: with it no wait would be for ever.
 *
 * Faults that must be found, each by -D: LOOKS_BEFORE_IT_ENTERS, LEAVES_WITHOUT_WAKING, OPENS_WITHOUT_WAKING.
 */
byte inside;         /* inside_ */
byte forks;          /* forks_ */
byte inside_woken;   /* times that sleepers on inside_ were woken, as the next one */
byte forks_woken;
byte in_library;     /* threads between enter() and leave() */

/* futex_wait(): sleeps if the word still holds `expected`, until somebody wakes it. */
inline futex_wait(word, woken, expected) {
  if
  :: atomic { word == expected -> seen = woken }; woken != seen
  :: else -> skip
  fi
}

inline leave() {
  atomic { was_last = inside == 1; inside-- };
#ifndef LEAVES_WITHOUT_WAKING
  if
  :: was_last ->
     if
     :: forks != 0 -> inside_woken++
     :: else -> skip
     fi
  :: else -> skip
  fi
#endif
}

proctype worker(byte rounds) {
  byte round, looked, seen;
  bool was_last;
  for (round : 1 .. rounds) {
    do
    :: true ->
#ifdef LOOKS_BEFORE_IT_ENTERS
       looked = forks;
       inside++;
#else
       inside++;
       looked = forks;
#endif
       if
       :: looked == 0 -> break
       :: else -> skip
       fi;
       leave();
       futex_wait(forks, forks_woken, looked)
    od;
    in_library++;
    in_library--;
    leave()
  }
}

proctype forker() {
  byte looked, seen;
  /* close() */
  forks++;
  do
  :: true ->
     looked = inside;
     if
     :: looked == 0 -> break
     :: else -> futex_wait(inside, inside_woken, looked)
     fi
  od;
  assert(in_library == 0);
  /* open() */
  forks--;
#ifndef OPENS_WITHOUT_WAKING
  forks_woken++
#endif
}

init {
  atomic {
    run worker(2);
    run worker(1);
    run forker();
    run forker()
  }
}
