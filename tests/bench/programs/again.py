"""This library reads the same objects again and again, fetching them anew each time.

An object that was read to its end is closed and opened again behind the others, so that the
connections never run dry. What counts is a stretch of time after the start, in bytes received: they
come evenly, where bytes read in order come in bursts.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import deque
from typing import Any

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import Figures, Meter, parse_keys, tell

READ_BYTES = 4 << 20
STEP_SECONDS = 0.25


class Observer:
    """Looks at the connector every quarter of a second, from a thread: a read may take long."""

    def __init__(self, connector: Any, from_second: float, to_second: float) -> None:
        self._connector = connector
        self._from_step = round(from_second / STEP_SECONDS)
        self._to_step = round(to_second / STEP_SECONDS)
        self._begin = time.perf_counter()
        self._thread = threading.Thread(target=self._watch)
        self._figures: Figures = {}
        self.done = threading.Event()
        self.bytes_read = 0  # what the reading thread tells
        self._thread.start()

    def figures(self) -> Figures:
        self._thread.join()
        return self._figures

    def _watch(self) -> None:
        seconds, connections, received, read = [0.0], [0], [0], [0]
        meter = Meter()
        for step in range(1, self._to_step + 1):
            time.sleep(max(0.0, self._begin + step * STEP_SECONDS - time.perf_counter()))
            stats = self._connector.stats()
            seconds.append(time.perf_counter() - self._begin)
            connections.append(stats.connections)
            received.append(stats.bytes_received)
            read.append(self.bytes_read)
            if step == self._from_step:
                meter = Meter()
        first = self._from_step
        self._figures = meter.stop(received[-1] - received[first])
        lasted = self._figures["seconds"]
        self._figures["gb_read_per_second"] = (read[-1] - read[first]) / 1e9 / lasted
        steps = zip(zip(received, received[1:]), zip(seconds, seconds[1:]))
        rates = [(to - since) / 1e9 / (end - start) for (since, to), (start, end) in steps]
        self._figures["series_seconds"] = [round(second, 2) for second in seconds[1:]]
        self._figures["series_connections"] = connections[1:]
        self._figures["series_gb_per_second"] = [round(rate, 3) for rate in rates]
        self.done.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from-second", type=float, default=3.0)
    parser.add_argument("--to-second", type=float, default=8.0)
    add_arguments(parser)
    options = parser.parse_args()
    uris = [f"oss://{options.bucket}/{key}" for key in parse_keys(options.keys)]
    buffer = bytearray(READ_BYTES)

    with connect(options) as connector:
        observer = Observer(connector, options.from_second, options.to_second)
        readers = deque(connector.open(uri) for uri in uris)
        while not observer.done.is_set():
            count = readers[0].readinto(buffer)
            observer.bytes_read += count
            if count == 0:
                uri = readers[0].uri
                readers.popleft().close()
                readers.append(connector.open(uri))
        tell(observer.figures())


if __name__ == "__main__":
    main()
