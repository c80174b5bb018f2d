"""This library reads the same objects again and again, fetching them anew each time.

Twice as many readers as objects are open, so that the connections never run dry; one that is read
to its end is closed and opened again behind the others. What counts is a stretch of time after the
start: bytes received, which come evenly, where bytes read in order come in bursts.
"""

from __future__ import annotations

import argparse
import time
from collections import deque

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import Figures, Meter, parse_keys, tell

READ_BYTES = 4 << 20
SERIES_SECONDS = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from-second", type=float, default=3.0)
    parser.add_argument("--to-second", type=float, default=8.0)
    add_arguments(parser)
    options = parser.parse_args()
    uris = [f"oss://{options.bucket}/{key}" for key in parse_keys(options.keys)]
    buffer = bytearray(READ_BYTES)
    seconds: list[float] = []
    connections: list[int] = []
    received: list[int] = []

    with connect(options) as connector:
        begin = time.perf_counter()
        meter: Meter | None = None
        received_before = read_before = read = 0
        readers = deque(connector.open(uri) for uri in [*uris, *uris])
        while (now := time.perf_counter() - begin) < options.to_second:
            if meter is None and now >= options.from_second:
                received_before, read_before = connector.stats().bytes_received, read
                meter = Meter()
            if not seconds or now >= seconds[-1] + SERIES_SECONDS:
                stats = connector.stats()
                seconds.append(now)
                connections.append(stats.connections)
                received.append(stats.bytes_received)
            count = readers[0].readinto(buffer)
            read += count
            if count == 0:
                uri = readers[0].uri
                readers.popleft().close()
                readers.append(connector.open(uri))
        if meter is None:
            raise SystemExit("the first read took all the time")
        figures: Figures = meter.stop(connector.stats().bytes_received - received_before)
    figures["gb_read_per_second"] = (read - read_before) / 1e9 / figures["seconds"]
    figures["series_seconds"] = [round(value, 2) for value in seconds[1:]]
    figures["series_connections"] = connections[1:]
    steps = zip(zip(received, received[1:]), zip(seconds, seconds[1:]))
    rates = [(to - since) / 1e9 / (end - start) for (since, to), (start, end) in steps]
    figures["series_gb_per_second"] = [round(rate, 3) for rate in rates]
    tell(figures)


if __name__ == "__main__":
    main()
