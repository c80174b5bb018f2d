"""What the threads of a soak do: one operation after the other, chosen at random, each checked."""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import random
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable

from ossmodelconnector import (
    MemoryBudgetError,
    ObjectReader,
    OssError,
    OssModelConnector,
)
from support.random_fault_server import BUCKET, LISTED_COUNT, listed_keys, listed_size
from support.random_faults import KiB, MiB, contents, plan_of

from long.clients import connect, is_expected, uri_of
from long.watchdog import Watchdog

# No call may take longer: a read that gets nothing gives up after 20 s, and goes on with the next
# chunk if it got something; the machine may be busy.
CALL_SECONDS = 90.0
CHILD_SECONDS = 60

_SIZES = (0, 1, 64 * KiB - 1, 64 * KiB, 200_001, 1 * MiB, 3 * MiB + 17)
_OBJECTS = [(seed, _SIZES[seed % len(_SIZES)]) for seed in range(70)]
_READABLE = [(seed, size) for seed, size in _OBJECTS if size > 1]
_RESIDENTS = 6


class WrongBytesError(AssertionError):
    """A read gave something else than the object."""


def check(got: bytes | memoryview, seed: int, offset: int, size: int, object_size: int) -> None:
    """`got` is what a read of `size` bytes at `offset` gave."""
    if got != contents(seed, object_size)[offset : min(offset + size, object_size)]:
        raise WrongBytesError(f"object {seed} of {object_size} bytes, {size} at {offset}")


def check_that_nothing_is_left(connector: OssModelConnector) -> None:
    """Of a connector that was closed, with its readers."""
    # Connections are counted as descriptors, at rest: `connections` counts those too long that were
    # closed before they were made.
    deadline = time.monotonic() + 2
    while (left := connector.stats()).memory_bytes:
        if time.monotonic() > deadline:
            raise AssertionError(f"a closed connector still has memory: {left}")
        time.sleep(0.05)


class Shared:
    """The connectors that all threads use, with readers that stay open; replaced at each rest."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        # The small one has to take memory back all the time.
        self.connectors = [
            connect(endpoint, prefetch__memoryBytes=64 * MiB, prefetch__vcpus=2),
            connect(endpoint, prefetch__memoryBytes=2 * MiB, prefetch__workers=8),
        ]
        self.residents: list[tuple[ObjectReader, int, int]] = []
        for connector in self.connectors:
            for seed, size in _READABLE[:_RESIDENTS]:
                try:
                    reader = connector.open(uri_of("steady", seed, size))
                except OssError as error:
                    # The others will do.
                    if not is_expected(error, plan_of("steady", seed, size)):
                        raise
                else:
                    self.residents.append((reader, seed, size))

    def close(self) -> None:
        for connector in self.connectors:
            connector.close()
            check_that_nothing_is_left(connector)
        self.residents.clear()


class Worker:
    """One thread's operations. `step` does one of them; what it raises is a failure of the soak."""

    def __init__(self, shared: Shared, watchdog: Watchdog, seed: int) -> None:
        self.shared = shared
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.bytes_checked = 0
        self.now = ""  # what it is doing
        self.canary = ""  # what it must be caught with
        self._watchdog = watchdog
        self._chance = random.Random(seed)
        self._operations: list[tuple[int, Callable[[], None]]] = [
            (10, self._read_whole),
            (12, self._stream),
            (14, self._read_at_of_a_shared_reader),
            (6, self._read_ranges),
            (8, self._view),
            (6, self._open_many),
            (4, self._read_what_may_be_corrupt),
            (2, self._list),
            (2, self._leave_a_listing),
            (3, self._ask_for_what_is_not_there),
            (6, self._close_a_reader_in_flight),
            (2, self._close_a_connector_in_flight),
            (4, self._make_and_drop_a_connector),
            (1, self._pickle),
            (2, self._fork),
        ]

    def step(self) -> None:
        weights = [weight for weight, _ in self._operations]
        ((_, operation),) = self._chance.choices(self._operations, weights)
        name = operation.__name__.strip("_")
        self.now = name
        self.counts[name] += 1
        with self._watchdog.limit(name, 4 * CALL_SECONDS):
            operation()

    # --- how every operation calls the library

    def _call(self, what: str, call: Callable[[], object]) -> None:
        with self._watchdog.limit(f"{self.now}: {what}", CALL_SECONDS):
            call()

    def _expecting(self, plan: str, seed: int, size: int, work: Callable[[], None]) -> bool:
        """Whether `work` got through; an error that the faults explain is counted."""
        try:
            work()
            if self.canary == "error":
                raise KeyError("the canary")
        except OssError as error:
            if not is_expected(error, plan_of(plan, seed, size)):
                raise
            if not error.uri or not str(error):
                raise WrongBytesError(
                    f"an error that does not tell its object: {error!r}"
                ) from error
            self.errors[type(error).__name__] += 1
            return False
        return True

    def _connector(self) -> OssModelConnector:
        return self._chance.choice(self.shared.connectors)

    def _checked(self, got: bytes | memoryview, seed: int, at: int, wanted: int, size: int) -> None:
        check(bytes(len(got)) if self.canary == "bytes" else got, seed, at, wanted, size)
        self.bytes_checked += len(got)

    def _place(self, size: int) -> tuple[int, int]:
        """An offset, now and then behind the end, and a length."""
        chance = self._chance
        length = chance.choice((1, 17, 4 * KiB, 64 * KiB, chance.randrange(1, 2 * MiB)))
        return chance.randrange(size + 10), length

    # --- reading

    def _read_whole(self, plan: str = "steady", connector: OssModelConnector | None = None) -> None:
        seed, size = self._chance.choice(_OBJECTS)
        connector = connector or self._connector()

        def work() -> None:
            with connector.open(uri_of(plan, seed, size)) as reader:
                self._checked(reader.read(), seed, 0, size, size)
                assert reader.read() == b""

        self._expecting(plan, seed, size, lambda: self._call("read", work))

    def _read_what_may_be_corrupt(self) -> None:
        # Whole reads alone: of a part nobody can tell.
        self._read_whole("corrupt")

    def _stream(self) -> None:
        seed, size = self._chance.choice(_READABLE)
        connector, chance = self._connector(), self._chance
        opened: list[ObjectReader] = []

        def open_it() -> None:
            opened.append(connector.open(uri_of("steady", seed, size)))

        if not self._expecting("steady", seed, size, lambda: self._call("open", open_it)):
            return
        (reader,) = opened
        position = 0
        with reader:
            for _ in range(chance.randrange(1, 20)):
                if chance.random() < 0.3:
                    position = reader.seek(chance.randrange(size + 1))
                _, wanted = self._place(size)
                got: list[bytes | memoryview] = []

                def read(wanted: int = wanted, got: list[bytes | memoryview] = got) -> None:
                    if chance.random() < 0.5:
                        got.append(reader.read(wanted))
                    else:
                        buffer = bytearray(wanted)
                        got.append(memoryview(buffer)[: reader.readinto(buffer)])

                if self._expecting("steady", seed, size, lambda: self._call("read", read)):
                    self._checked(got[0], seed, position, wanted, size)
                    position += len(got[0])
                # After an error too: it moves no cursor.
                assert reader.tell() == position

    def _read_at_of_a_shared_reader(self) -> None:
        reader, seed, size = self._chance.choice(self.shared.residents)
        for _ in range(self._chance.randrange(1, 30)):
            offset, wanted = self._place(size)
            buffer = bytearray(b"-" * wanted)
            got: list[memoryview] = []

            def read(
                offset: int = offset, buffer: bytearray = buffer, got: list[memoryview] = got
            ) -> None:
                got.append(memoryview(buffer)[: reader.read_at(offset, buffer)])

            if self._expecting("steady", seed, size, lambda: self._call("read_at", read)):
                self._checked(got[0], seed, offset, wanted, size)

    def _read_ranges(self) -> None:
        reader, seed, size = self._chance.choice(self.shared.residents)
        places = [self._place(size) for _ in range(self._chance.randrange(1, 6))]
        got: list[bytes] = []

        def read() -> None:
            got.extend(reader.read_ranges(places))

        if self._expecting("steady", seed, size, lambda: self._call("read_ranges", read)):
            for (offset, wanted), piece in zip(places, got):
                self._checked(piece, seed, offset, wanted, size)

    def _view(self) -> None:
        seed, size = self._chance.choice(_OBJECTS)
        connector = self._connector()
        views: list[memoryview] = []

        def view() -> None:
            with connector.open(uri_of("steady", seed, size)) as reader:
                try:
                    views.append(reader.getbuffer())
                except MemoryBudgetError:
                    # The small connector, or one whose memory other views have.
                    self.errors["MemoryBudgetError"] += 1

        if self._expecting("steady", seed, size, lambda: self._call("getbuffer", view)) and views:
            # Its reader is closed by now.
            self._checked(views[0], seed, 0, size, size)
            if self._chance.random() < 0.7:
                views[0].release()

    def _open_many(self) -> None:
        chosen = self._chance.sample(_OBJECTS, self._chance.randrange(1, 8))
        connector = self._connector()
        readers: list[ObjectReader] = []

        def open_all() -> None:
            readers.extend(connector.open_many([uri_of("steady", *one) for one in chosen]))

        if not self._expecting("steady", *chosen[0], lambda: self._call("open_many", open_all)):
            return
        for reader, (seed, size) in zip(readers, chosen):
            # Some are closed unread.
            if self._chance.random() < 0.6:

                def read(reader: ObjectReader = reader, seed: int = seed, size: int = size) -> None:
                    self._checked(reader.read(), seed, 0, size, size)

                self._expecting("steady", seed, size, lambda: self._call("read", read))
        if self._chance.random() < 0.7:
            for reader in readers:
                reader.close()

    # --- listings, and what is not there

    def _list(self) -> None:
        connector, fast = self._connector(), self._chance.random() < 0.5

        def work() -> None:
            objects = connector.list(BUCKET, "listed/", fast=fast)
            objects.sort()
            assert list(objects.keys) == listed_keys()
            assert objects[LISTED_COUNT // 2].size == listed_size(objects[LISTED_COUNT // 2].key)

        self._expecting_of_list(work)

    def _leave_a_listing(self) -> None:
        connector, fast = self._connector(), self._chance.random() < 0.5
        most = self._chance.randrange(1, LISTED_COUNT)

        def work() -> None:
            for number, one in enumerate(connector.iter_objects(BUCKET, "listed/", fast=fast)):
                assert one.size == listed_size(one.key)
                if number >= most:
                    break

        self._expecting_of_list(work)

    def _expecting_of_list(self, work: Callable[[], None]) -> None:
        try:
            self._call("list", work)
        except OssError as error:
            if not is_expected(error, plan_of("steady", 0, 0)):
                raise
            self.errors[type(error).__name__] += 1

    def _ask_for_what_is_not_there(self) -> None:
        connector = self._connector()
        assert not connector.exists(f"oss://{BUCKET}/nothing")
        try:
            connector.open(f"oss://{BUCKET}/nothing")
        except FileNotFoundError:
            pass
        else:
            raise AssertionError("an object that is not there was opened")
        seed, size = self._chance.choice(_OBJECTS)

        def stat() -> None:
            assert connector.stat(uri_of("steady", seed, size)).size == size

        self._expecting("steady", seed, size, lambda: self._call("stat", stat))

    # --- closing while something is in flight

    def _while_reading(self, connector: OssModelConnector, interrupt: Callable) -> None:
        """Calls `interrupt` with a reader in which another thread reads."""
        seed, size = self._chance.choice(_READABLE)
        failures: list[BaseException] = []
        try:
            reader = connector.open(uri_of("steady", seed, size))
        except OssError as error:
            if not is_expected(error, plan_of("steady", seed, size)):
                raise
            return

        def read() -> None:
            try:
                while True:
                    reader.seek(0)
                    check(reader.read(), seed, 0, size, size)
            except ValueError as error:
                if not reader.closed:
                    failures.append(error)
            except BaseException as error:
                failures.append(error)

        helper = threading.Thread(target=read, name="helper")
        helper.start()
        time.sleep(self._chance.choice((0, 0.001, 0.02, 0.1)))
        self._call("close", lambda: interrupt(reader))
        # "Within a second", on a machine that may be busy.
        self._call("the end of a read that was closed", helper.join)
        reader.close()
        if failures and not (
            isinstance(failures[0], OssError)
            and is_expected(failures[0], plan_of("steady", seed, size))
        ):
            raise failures[0]

    def _close_a_reader_in_flight(self) -> None:
        self._while_reading(self._connector(), lambda reader: reader.close())

    def _close_a_connector_in_flight(self) -> None:
        connector = connect(self.shared.endpoint, prefetch__vcpus=2)
        self._while_reading(connector, lambda reader: connector.close())
        connector.close()  # where it could not be opened
        check_that_nothing_is_left(connector)

    def _make_and_drop_a_connector(self) -> None:
        chance = self._chance
        connector = connect(
            self.shared.endpoint,
            prefetch__vcpus=chance.choice((1, 2)),
            prefetch__chunkBytes=chance.choice((16 * KiB, 64 * KiB, 256 * KiB)),
            prefetch__workers=chance.choice((1, 4, 16)),
        )
        for _ in range(chance.randrange(3)):
            self._read_whole(connector=connector)
        if chance.random() < 0.5:
            connector.close()
        elif chance.random() < 0.3:
            # In a cycle: the garbage collector's own time is another one.
            cycle: list[object] = [connector]
            cycle.append(cycle)
            del cycle
            if chance.random() < 0.2:
                gc.collect()

    # --- processes

    def _pickle(self) -> None:
        again = pickle.loads(pickle.dumps(self._connector()))
        with again:
            self._read_whole(connector=again)

    def _fork(self) -> None:
        reader, seed, size = self._chance.choice(self.shared.residents)
        connector, child_seed = self._connector(), self._chance.randrange(1 << 30)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            self._live_as_child(reader, seed, size, connector, child_seed, write_end)
        os.close(write_end)
        # A child that hangs shows its stacks and ends by itself, long before this.
        with self._watchdog.limit("a forked child", 2 * CHILD_SECONDS):
            _, status = os.waitpid(child, 0)
        # Not to the end: another child may have the other end of the pipe too.
        os.set_blocking(read_end, False)
        with open(read_end, "rb") as pipe:
            complaint = (pipe.read() or b"").decode()
        if status != 0 or complaint:
            raise AssertionError(f"a child ended with {status}: {complaint}")

    def _live_as_child(
        self,
        reader: ObjectReader,
        seed: int,
        size: int,
        connector: OssModelConnector,
        child_seed: int,
        write_end: int,
    ) -> None:
        """Reads what the parent opened, and what it did not; never returns."""
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            faulthandler.dump_traceback_later(CHILD_SECONDS, exit=True)
            self._chance = random.Random(child_seed)

            def read_at() -> None:
                buffer = bytearray(size)
                got = memoryview(buffer)[: reader.read_at(0, buffer)]
                check(got, seed, 0, size, size)

            self._expecting("steady", seed, size, read_at)
            other_seed, other_size = self._chance.choice(_OBJECTS)

            def read() -> None:
                with connector.open(uri_of("steady", other_seed, other_size)) as other:
                    check(other.read(), other_seed, 0, other_size, other_size)

            self._expecting("steady", other_seed, other_size, read)
            if self._chance.random() < 0.5:
                connector.close()
            status = 0
        except BaseException:
            os.write(write_end, traceback.format_exc().encode()[-3000:])
        finally:
            os._exit(status)
