/* The hand-over of a chunk's bytes, csrc/memory/chunk.cc: a writer that publishes and ends, readers
 * that wait for a byte, pin and read, and an evictor. Each atomic access of the code is a step here, in
 * one order for all: word_ and wanted_ are seq_cst wherever a thread stores one and then loads the
 * other. The bytes themselves are plain memory: their stores land at any time before the release
 * that follows them, and loads are done at any time before the release that ends a pin, as on arm64.
 *
 * Checked: a reader reads only bytes that were published, in memory that is still the chunk's; and
 * every wait ends (an invalid end state is a lost wake-up).
 *
 * Faults that must be found, each by -D: NO_SECOND_LOOK, ENDS_SILENTLY, CLEARS_AFTER_BUMP, EVICTS_PINNED,
 * EVICTS_CLAIMED, TAKES_TOKEN_LATE; and of the memory orders PUBLISHES_RELAXED, UNPINS_RELAXED,
 * LOOKS_BEFORE_PUBLISHING.
 */
#define LENGTH 2
#define NOBODY 99
#define READERS 2

mtype = {filling, ready, failed, absent};

/* word_: one atomic, so phase, filled and pins change together. */
mtype phase = filling;
byte filled = 0;
byte pins = 0;
byte wanted = NOBODY; /* wanted_ */
byte bumps = 0;       /* futex_ */
byte claims = 0;      /* ChunkSlot::claims, under the scheduler's mutex */
bool asleep[READERS];
bool memory_is_ours = true;
byte written = 0; /* stores of bytes that the writer has made */
byte landed = 0;  /* and those that other processors see */
byte loading = 0; /* copies that may still load */

#define IS_READABLE(end) ((phase == filling || phase == ready) && filled >= (end))
#define IS_DECIDED(end) (phase == ready || phase == failed || IS_READABLE(end))

byte seen_wanted;
bool has_to_notify;

/* Chunk::notify(): the bump, then the system call. */
inline notify() {
  bumps++;
  atomic {
    asleep[0] = false;
    asleep[1] = false
  }
}

/* Chunk::take_wanted(). */
inline take_wanted(limit) {
  has_to_notify = false;
  seen_wanted = wanted;
  if
  :: seen_wanted == NOBODY || seen_wanted > limit -> skip
  :: else ->
#ifndef CLEARS_AFTER_BUMP
     wanted = NOBODY;
#endif
     has_to_notify = true
  fi
}

inline wake_if_asked() {
  if
  :: has_to_notify ->
     notify();
#ifdef CLEARS_AFTER_BUMP
     wanted = NOBODY
#endif
  :: else -> skip
  fi
}

/* The stores land in their own time. */
active proctype store_buffer() {
end:
  do
  :: atomic { landed < written -> landed++ }
  od
}

/* word_.fetch_add(size): a release. */
inline publish() {
  atomic {
#ifndef PUBLISHES_RELAXED
    landed = written;
#endif
    filled = written
  }
}

/* A store, then a look at wanted_: seq_cst, so that the look is not done first. */
#ifdef LOOKS_BEFORE_PUBLISHING
#define STORE_AND_LOOK(store, limit) take_wanted(limit); store
#else
#define STORE_AND_LOOK(store, limit) store; take_wanted(limit)
#endif

active proctype writer() {
  do
  :: filled < LENGTH ->
     /* Chunk::append() */
     written++;
     STORE_AND_LOOK(publish(), written);
     wake_if_asked()
  :: filled == LENGTH ->
     /* Chunk::finish_quietly() and notify() */
     STORE_AND_LOOK(phase = ready, NOBODY - 1);
     wake_if_asked();
     break
  :: true ->
     /* Chunk::fail_quietly() and notify(): at any time */
#ifdef ENDS_SILENTLY
     phase = failed;
#else
     STORE_AND_LOOK(phase = failed, NOBODY - 1);
     wake_if_asked();
#endif
     break
  od
}

/* A read of bytes [0, end): pass() and wait_for_chunk() of prefetch/stream_reader.cc. */
inline read_bytes(me, end) {
  do
  :: true ->
     /* Chunk::try_pin(): one compare-and-swap */
     atomic {
       if
       :: IS_READABLE(end) -> pins++; loading++; pinned = true
       :: else -> pinned = false
       fi
     }
     if
     :: pinned ->
        assert(filled >= end);
        assert(landed >= end); /* the copy */
        assert(memory_is_ours);
#ifdef UNPINS_RELAXED
        pins--;
        loading--;
#else
        atomic { loading--; pins-- }
#endif
        break
     :: else -> skip
     fi;
     /* Scheduler::claim(), once a read */
     if
     :: claimed -> skip
     :: else -> claims++; claimed = true
     fi;
     /* wait_for_chunk(): a chunk that failed or went away is the read's end here; the real one asks
      * the scheduler, whose mutex orders that. */
     token = bumps;
     if
     :: phase == failed || phase == absent -> break
     :: else -> skip
     fi;
     /* Chunk::wait() */
     if
     :: IS_DECIDED(end) -> goto_again = true
     :: else ->
        goto_again = false;
        /* Entered by compare-and-swap if it is the smallest. */
        atomic {
          if
          :: end < wanted -> wanted = end
          :: else -> skip
          fi
        }
     fi;
     if
     :: goto_again -> skip
#ifndef NO_SECOND_LOOK
     :: !goto_again && IS_DECIDED(end) -> skip
     :: !goto_again && !IS_DECIDED(end) ->
#else
     :: !goto_again ->
#endif
#ifdef TAKES_TOKEN_LATE
        token = bumps;
#endif
        /* FUTEX_WAIT compares and sleeps in one. */
        atomic {
          if
          :: bumps == token -> asleep[me] = true
          :: else -> skip
          fi
        };
        !asleep[me] /* blocks */
     fi
  od
}

proctype reader(byte me; byte end) {
  bool pinned;
  bool goto_again;
  bool claimed;
  byte token = bumps;
  read_bytes(me, end);
  if
  :: claimed -> claims-- /* Scheduler::release_claim() */
  :: else -> skip
  fi
}

/* Chunk::try_take_block(), by whoever has the scheduler's mutex; then the memory is another's. */
active proctype evictor() {
  atomic {
    if
#ifdef EVICTS_PINNED
    :: (phase == ready || phase == failed) && claims == 0 -> phase = absent; filled = 0
#elif defined(EVICTS_CLAIMED)
    :: (phase == ready || phase == failed) && pins == 0 -> phase = absent; filled = 0
#else
    :: (phase == ready || phase == failed) && claims == 0 && pins == 0 ->
       phase = absent;
       filled = 0
#endif
    :: true -> goto nothing /* it does not always come */
    fi
  };
  memory_is_ours = false;
  assert(loading == 0);
  /* After a claim it is fetched again; here its readers find it gone. */
nothing:
  skip
}

init {
  atomic {
    run reader(0, 1);
    run reader(1, LENGTH)
  }
}
