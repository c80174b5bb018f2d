"""This library reads under `transfer.maxBytesPerSecond`: how near the limit, and how long small
reads beside it take.

One thread reads objects again and again, so that prefetch always has more to fetch. Another one
reads 64 KiB somewhere in an object, ten times a second, and waits for them.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from typing import Any

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import Meter, parse_keys, tell

READ_BYTES = 4 << 20
SMALL_BYTES = 64 << 10
SMALL_INTERVAL_SECONDS = 0.1


def read_small(connector: Any, uri: str, over: threading.Event, seconds: list[float]) -> None:
    buffer, chance = bytearray(SMALL_BYTES), random.Random(1)
    with connector.open(uri, prefetch=False) as reader:
        while not over.wait(SMALL_INTERVAL_SECONDS):
            offset = chance.randrange(reader.size - SMALL_BYTES)
            begin = time.perf_counter()
            reader.read_at(offset, buffer)
            seconds.append(time.perf_counter() - begin)


def read_again(connector: Any, uris: list[str], over: threading.Event) -> None:
    buffer = bytearray(READ_BYTES)
    while True:
        for reader in connector.open_many(uris):
            with reader:
                while reader.readinto(buffer):
                    if over.is_set():
                        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    add_arguments(parser)
    options = parser.parse_args()
    uris = [f"oss://{options.bucket}/{key}" for key in parse_keys(options.keys)]
    over, small = threading.Event(), list[float]()
    with connect(options) as connector:
        connector.exists(uris[0])  # the threads have started
        bulk = threading.Thread(target=read_again, args=(connector, uris[:-1], over))
        others = threading.Thread(target=read_small, args=(connector, uris[-1], over, small))
        meter = Meter()
        bulk.start()
        others.start()
        connections = 0
        for _ in range(10):
            time.sleep(options.seconds / 10)
            connections = max(connections, connector.stats().connections)
        figures = meter.stop(connector.stats().bytes_received)
        over.set()
        bulk.join()
        others.join()
    figures["connections"] = connections
    figures["share_of_limit"] = (
        figures["bytes"] / figures["seconds"] / options.config["transfer.maxBytesPerSecond"]
    )
    small.sort()
    figures["small_ms"] = small[len(small) // 2] * 1e3
    figures["most_small_ms"] = small[-1] * 1e3
    tell(figures)


if __name__ == "__main__":
    main()
