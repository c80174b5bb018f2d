"""This library in a process that reads once: nothing of ours is warm.

All objects are opened, and then read as README.md has it, each closed before the next one is read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import make_memory_warm, measure, parse_keys, status_bytes, tell

READ_BYTES = 4 << 20
STOPS = 8  # parts that `stopping` reads, with a stop between two of them


class Reading:
    """What `readinto` loops share: the buffer, and the time that the reads took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._buffer = bytearray(READ_BYTES)

    def counts(self, readers: list[Any]) -> Iterator[int]:
        """The bytes that each read brought."""
        for reader in readers:
            with reader:
                while count := self._read(reader):
                    yield count

    def _read(self, reader: Any) -> int:
        begin = time.perf_counter()
        count: int = reader.readinto(self._buffer)
        self.seconds += time.perf_counter() - begin
        return count


class Job:
    """What is to be read, and how long a reader of it pauses.

    Its other functions are the ways to read: each tells how many bytes it got.
    """

    def __init__(self, connector: Any, options: argparse.Namespace) -> None:
        sizes = parse_keys(options.keys)
        self.size = sum(sizes.values())
        self.reading = Reading()
        self._connector = connector
        self._uris = [f"oss://{options.bucket}/{key}" for key in sizes]
        self._pause_seconds: float = options.pause_seconds
        self._kept: Any = None  # until the process ends

    def readinto(self) -> int:
        return sum(self.reading.counts(self._connector.open_many(self._uris)))

    def stopping(self) -> int:
        total = 0
        for count in self.reading.counts(self._connector.open_many(self._uris)):
            part = total * STOPS // self.size
            total += count
            if total < self.size and total * STOPS // self.size != part:
                time.sleep(self._pause_seconds)
        return total

    def sleeping(self) -> int:
        readers = self._connector.open_many(self._uris)
        time.sleep(self._pause_seconds)
        return sum(self.reading.counts(readers))

    def five_lines(self) -> int:
        """README.md's first example."""
        shards = {}
        for reader in self._connector.open_many(self._uris):
            with reader:
                shards[reader.key] = reader.read()
        self._kept = shards
        return sum(map(len, shards.values()))

    def getbuffer(self) -> int:
        views = []
        for reader in self._connector.open_many(self._uris):
            with reader:
                views.append(reader.getbuffer())
        self._kept = views
        return sum(view.nbytes for view in views)

    def tensors(self) -> int:
        return self._load("early")

    def tensors_late(self) -> int:
        return self._load("late")

    def _load(self, verify: Any) -> int:
        from ossmodelconnector.safetensors import open_model  # which older bases do not have

        with open_model(self._uris, connector=self._connector, verify=verify) as model:
            self._kept = model.get_tensors()
        return self.size


WAYS: dict[str, Callable[[Job], int]] = {
    "readinto": Job.readinto,
    "stopping": Job.stopping,
    "sleeping": Job.sleeping,
    "five-lines": Job.five_lines,
    "getbuffer": Job.getbuffer,
    "tensors": Job.tensors,
    "tensors-late": Job.tensors_late,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("how", choices=WAYS)
    parser.add_argument("--fresh-bytes", type=int, required=True, help="of memory to make warm")
    parser.add_argument("--pause-seconds", type=float, default=0.0)
    add_arguments(parser)
    options = parser.parse_args()
    if options.how.startswith("tensors"):
        import torch  # noqa: F401 - before what is resident is looked at
    resident_before = status_bytes("VmRSS")
    make_memory_warm(options.fresh_bytes)

    with connect(options) as connector:
        job = Job(connector, options)
        figures = measure(
            lambda: WAYS[options.how](job),
            job.size,
            resident_before,
            lambda: connector.stats().bytes_received,
        )
        if job.reading.seconds:
            figures["read_seconds"] = job.reading.seconds
        tell(figures)


if __name__ == "__main__":
    main()
