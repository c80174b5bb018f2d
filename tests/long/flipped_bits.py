"""A flipped bit anywhere in an object of 1 GiB is found; and what looking for it costs.

    PYTHONPATH=tests python -m long.flipped_bits --trials 100

The server, in a process of its own, sends out of a file in memory and flips the bit that the key
names: ``flip/<bit>`` each time, ``once/<bit>`` the first time, ``right/0`` never.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ossmodelconnector import ChecksumError, OssModelConnector, _core

from long.clients import connect
from long.watchdog import Watchdog

MiB, GiB = 1 << 20, 1 << 30
SIZE = 1 * GiB
CHUNK = 8 * MiB
PIECE = 4 * MiB
BLOCK = 16 * MiB
ROUNDS = 5
# cpu-seconds a gigabyte that checking may add.
MOST_ADDED_COST = 0.1
READ_SECONDS = 120.0

_REQUEST = re.compile(rb"(GET|HEAD) /bits/(flip|once|right)/(\d+) HTTP")
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d+)", re.IGNORECASE)


def block(number: int) -> bytes:
    """The object's bytes, a block at a time; no two blocks are alike."""
    return random.Random(number).randbytes(BLOCK)


class _Server:
    def __init__(self) -> None:
        self._file = os.memfd_create("object")
        self._crc64 = 0
        for number in range(SIZE // BLOCK):
            data = block(number)
            os.write(self._file, data)
            self._crc64 = _core.crc64(data, self._crc64)
        self._flipped: set[bytes] = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept(self) -> None:
        while True:
            connected, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), connected:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    received = connected.recv(1 << 16)
                    if not received:
                        return
                    head += received
                self._answer(connected, head)

    def _answer(self, connected: socket.socket, head: bytes) -> None:
        found, asked = _REQUEST.match(head), _RANGE.search(head)
        if found is None or asked is None:
            connected.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        begin, end = int(asked[1]), min(int(asked[2]) + 1, SIZE)
        connected.sendall(
            b'HTTP/1.1 206 Partial Content\r\nETag: "5B3C1A2E"\r\nContent-Length: %d\r\n'
            b"Content-Range: bytes %d-%d/%d\r\nx-oss-hash-crc64ecma: %d\r\n\r\n"
            % (end - begin, begin, end - 1, SIZE, self._crc64)
        )
        kind, bit = found[2], int(found[3])
        at = bit // 8
        wrong = kind != b"right" and begin <= at < end
        if wrong and kind == b"once":
            wrong = found[0] not in self._flipped
            self._flipped.add(found[0])
        if wrong:
            self._send(connected, begin, at)
            byte = os.pread(self._file, 1, at)[0] ^ (1 << bit % 8)
            connected.sendall(bytes([byte]))
            begin = at + 1
        self._send(connected, begin, end)

    def _send(self, connected: socket.socket, begin: int, end: int) -> None:
        while begin < end:
            begin += os.sendfile(connected.fileno(), self._file, begin, end - begin)


@contextlib.contextmanager
def served():
    """The endpoint of a server in a process of its own."""
    environ = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[1]))
    process = subprocess.Popen(
        [sys.executable, "-m", "long.flipped_bits", "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()  # its end
        process.stdout.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


class Reader:
    """Reads the object, one after the other out of one connector."""

    def __init__(self, endpoint: str, watchdog: Watchdog, *, verify: bool = True) -> None:
        self._watchdog = watchdog
        self._connector: OssModelConnector = connect(
            endpoint,
            prefetch__chunkBytes=CHUNK,
            prefetch__memoryBytes=256 * MiB,
            prefetch__workers=4,
            verify__crc64=verify,
            timeout__stallSeconds=15,
            timeout__readSeconds=60,
        )
        self._buffer = memoryview(bytearray(PIECE))

    def close(self) -> None:
        self._connector.close()

    def read(self, key: str) -> int:
        """All of it by readinto; the CRC-64 of what came."""
        crc, total = 0, 0
        with self._watchdog.limit(key, READ_SECONDS), self._open(key) as reader:
            while filled := reader.readinto(self._buffer):
                crc = _core.crc64(self._buffer[:filled], crc)
                total += filled
        assert total == SIZE, f"{total} bytes came without an error"
        return crc

    def drain(self, key: str) -> None:
        """The same without a look at the bytes."""
        with self._watchdog.limit(key, READ_SECONDS), self._open(key) as reader:
            while reader.readinto(self._buffer):
                pass

    def _open(self, key: str):
        return self._connector.open(f"oss://bits/{key}")


def places(trials: int, seed: int) -> list[int]:
    """Which bits: the first and the last, those at the edges of chunks and pieces, and any."""
    last = SIZE * 8 - 1
    bits = [0, 7, last, last - 7]
    for edge in (CHUNK, PIECE, SIZE - CHUNK, SIZE // 2, 17 * CHUNK):
        bits += [edge * 8 - 1, edge * 8]
    chance = random.Random(seed)
    bits += [chance.randrange(SIZE * 8) for _ in range(trials)]
    return bits[:trials]


def find_flips(endpoint: str, bits: Sequence[int], watchdog: Watchdog) -> dict[str, object]:
    """Reads with each bit flipped; tells how many were found."""
    right = 0
    for number in range(SIZE // BLOCK):
        right = _core.crc64(block(number), right)
    reader, unchecked = Reader(endpoint, watchdog), Reader(endpoint, watchdog, verify=False)
    # Nothing is wrong when nothing is flipped; and what is flipped does come wrong.
    assert reader.read("right/0") == right
    assert unchecked.read("right/0") == right
    assert unchecked.read(f"flip/{bits[-1]}") != right, "the server does not flip"
    found, missed, repaired = 0, [], 0
    for bit in bits:
        try:
            crc = reader.read(f"flip/{bit}")
        except ChecksumError:
            found += 1
        else:
            missed.append(f"bit {bit}: {'right' if crc == right else 'wrong'} bytes, no error")
    # What was wrong once may be right in the end, never wrong without an error.
    once = bits[:10]
    for bit in once:
        try:
            crc = reader.read(f"once/{bit}")
        except ChecksumError:
            continue
        if crc == right:
            repaired += 1
        else:
            missed.append(f"bit {bit}, flipped once: wrong bytes, no error")
    reader.close()
    unchecked.close()
    return {
        "trials": len(bits),
        "found": found,
        "missed": missed,
        "flipped once": len(once),
        "repaired": repaired,
    }


def measure_cost(endpoint: str, watchdog: Watchdog) -> dict[str, object]:
    """Seconds of CPU that this process takes a gigabyte, with checks and without, in turns."""
    readers = {
        "verified": Reader(endpoint, watchdog),
        "not verified": Reader(endpoint, watchdog, verify=False),
    }
    costs: dict[str, list[float]] = {name: [] for name in readers}
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for round_number in range(ROUNDS + 1):
        for name, reader in readers.items():
            usage, begin = _cpu_seconds(), time.monotonic()
            reader.drain("right/0")
            if round_number > 0:  # the first is for warming up
                costs[name].append((_cpu_seconds() - usage) / (SIZE / 1e9))
                rates[name].append(SIZE / 1e9 / (time.monotonic() - begin))
    for reader in readers.values():
        reader.close()
    medians = {name: round(statistics.median(values), 3) for name, values in costs.items()}
    added = round(medians["verified"] - medians["not verified"], 3)
    return {
        "cpu seconds a GB": medians,
        "added": added,
        "GB a second": {
            name: round(statistics.median(values), 2) for name, values in rates.items()
        },
    }


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(prog="long.flipped_bits", description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the places")
    parser.add_argument("--bit", type=int, help="this one alone")
    parser.add_argument("--output", type=Path, help="for the result, as JSON")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        server = _Server()
        print(f"http://127.0.0.1:{server.listener.getsockname()[1]}", flush=True)
        threading.Thread(target=server.accept, daemon=True).start()
        sys.stdin.read()
        return 0
    bits = places(options.trials, options.seed) if options.bit is None else [options.bit]
    watchdog = Watchdog()
    begin = time.monotonic()
    with served() as endpoint:
        result = {**find_flips(endpoint, bits, watchdog), **measure_cost(endpoint, watchdog)}
    result["seconds"] = round(time.monotonic() - begin, 1)
    print(json.dumps(result, indent=1))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1))
    good = result["found"] == result["trials"] and not result["missed"]
    if result["added"] > MOST_ADDED_COST:
        print(f"FAILED: checking costs {result['added']} cpu-seconds a GB", file=sys.stderr)
        good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
