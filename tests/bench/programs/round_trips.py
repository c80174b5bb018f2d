"""How often this library waits for the server, told in round trips of --wait seconds."""

from __future__ import annotations

import argparse
import time

from ossmodelconnector import ObjectReader

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import Figures, parse_keys, tell

READ_BYTES = 4 << 20
PIECE_BYTES = 4 << 10
JUMP_BYTES = 50 << 20
CHUNK_BYTES = 1 << 20
PATIENCE_SECONDS = 20.0
LEAST_JUMP = 0.9  # round trips: less, and the chunk was there or on its way


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wait", type=float, required=True, help="seconds to the first byte")
    parser.add_argument("--large", nargs="+", metavar="KEY=BYTES", required=True)
    add_arguments(parser)
    options = parser.parse_args()
    small = [f"oss://{options.bucket}/{key}" for key in parse_keys(options.keys)]
    large = [f"oss://{options.bucket}/{key}" for key in parse_keys(options.large)]
    seconds: Figures = {
        "open_and_read": open_and_read(options, small[0]),
        "open_many": open_many(options, small, workers=16),
        "open_many_32": open_many(options, small, workers=8),
        "jump_busy": jump_past_busy_slots(options, large[0]),
        "jump_full": jump_past_full_memory(options, large),
    }
    tell({name: value / options.wait for name, value in seconds.items()})


def open_and_read(options: argparse.Namespace, uri: str) -> float:
    """From a new connector, so with the time to connect."""
    with connect(options) as connector:
        begin = time.perf_counter()
        with connector.open(uri) as reader:
            reader.read()
        return time.perf_counter() - begin


def open_many(options: argparse.Namespace, uris: list[str], *, workers: int) -> float:
    """With 2 x `workers` slots and 2 x 8 more for opens (kUrgentExtraSlots of the scheduler)."""
    with connect(options, **{"prefetch.vcpus": 2, "prefetch.workers": workers}) as connector:
        begin = time.perf_counter()
        for reader in connector.open_many(uris):
            reader.read()
            reader.close()
        return time.perf_counter() - begin


def jump_past_busy_slots(options: argparse.Namespace, uri: str) -> float:
    """16 slots, all of which have begun with chunks that lie before the place jumped to."""
    slots = 16
    config = {
        "prefetch.vcpus": 2,
        "prefetch.workers": slots // 2,
        "prefetch.chunkBytes": CHUNK_BYTES,
        "prefetch.memoryBytes": 1 << 30,
    }
    with connect(options, **config) as connector, connector.open(uri) as reader:
        reader.readinto(bytearray(PIECE_BYTES))
        # With the first chunk there, the next 16 are asked for at once, and come a wait later.
        end = time.perf_counter() + options.wait / 2
        while connector.stats().requests < 1 + slots and time.perf_counter() < end:
            pass
        stats = connector.stats()
        if stats.requests < 1 + slots:
            raise SystemExit(f"{stats.requests} requests: not all slots were busy")
        if stats.bytes_received > CHUNK_BYTES:
            raise SystemExit(f"{stats.bytes_received} bytes: the first wave had come already")
        _check_absent(stats.requests)
        return _jump(options, reader)


def jump_past_full_memory(options: argparse.Namespace, uris: list[str]) -> float:
    """32 slots; the budget of 32 chunks is full of chunks before the place jumped to."""
    budget = 32 * CHUNK_BYTES
    config = {
        "prefetch.vcpus": 2,
        "prefetch.workers": 16,
        "prefetch.chunkBytes": CHUNK_BYTES,
        "prefetch.memoryBytes": budget,
    }
    with connect(options, **config) as connector:
        readers = [connector.open(uri) for uri in uris]
        readers[0].readinto(bytearray(PIECE_BYTES))
        end = time.perf_counter() + PATIENCE_SECONDS
        while connector.stats().bytes_received < budget and time.perf_counter() < end:
            time.sleep(0.01)
        _check_absent(connector.stats().requests)
        return _jump(options, readers[0])


def _check_absent(requests: int) -> None:
    """Chunks are asked for in ascending order: no more requests than that reach no further."""
    if requests > JUMP_BYTES // CHUNK_BYTES:
        raise SystemExit(f"{requests} requests: they may reach the place jumped to")


def _jump(options: argparse.Namespace, reader: ObjectReader) -> float:
    buffer = bytearray(PIECE_BYTES)
    begin = time.perf_counter()
    reader.seek(JUMP_BYTES)
    reader.readinto(buffer)
    seconds = time.perf_counter() - begin
    if seconds < LEAST_JUMP * options.wait:
        raise SystemExit(f"{seconds:.3f} s: the chunk jumped to was not absent")
    return seconds


if __name__ == "__main__":
    main()
