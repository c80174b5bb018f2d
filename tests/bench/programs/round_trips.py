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
        "open_many": open_many(options, small),
        "jump_busy": jump_past_busy_slots(options, large),
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


def open_many(options: argparse.Namespace, uris: list[str]) -> float:
    """With 32 slots."""
    with connect(options, **{"prefetch.vcpus": 2, "prefetch.workers": 16}) as connector:
        begin = time.perf_counter()
        for reader in connector.open_many(uris):
            reader.read()
            reader.close()
        return time.perf_counter() - begin


def jump_past_busy_slots(options: argparse.Namespace, uris: list[str]) -> float:
    """16 slots, all of which have begun with chunks that lie before the place jumped to."""
    config = {
        "prefetch.vcpus": 2,
        "prefetch.workers": 8,
        "prefetch.chunkBytes": CHUNK_BYTES,
        "prefetch.memoryBytes": 1 << 30,
    }
    with connect(options, **config) as connector:
        readers = [connector.open(uri) for uri in uris]
        readers[0].readinto(bytearray(PIECE_BYTES))
        return _jump(readers[0])


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
        return _jump(readers[0])


def _jump(reader: ObjectReader) -> float:
    buffer = bytearray(PIECE_BYTES)
    begin = time.perf_counter()
    reader.seek(JUMP_BYTES)
    reader.readinto(buffer)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
