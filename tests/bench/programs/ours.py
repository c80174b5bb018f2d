"""This library: all objects opened, then read from first to last byte, one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from bench.host import warm_memory
from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import forget_peak, parse_keys, run_passes

READ_BYTES = 4 << 20


def by_readinto(reader: Any, buffer: bytearray) -> int:
    total = 0
    while count := reader.readinto(buffer):
        total += count
    return total


def by_read(reader: Any, _buffer: bytearray) -> int:
    total = 0
    while data := reader.read(READ_BYTES):
        total += len(data)
    return total


HOW: dict[str, Callable[[Any, bytearray], int]] = {"readinto": by_readinto, "read": by_read}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("how", choices=[*HOW, "getbuffer", "whole"])
    parser.add_argument("--passes", type=int, default=2)
    add_arguments(parser)
    options = parser.parse_args()
    sizes = parse_keys(options.keys)
    uris = [f"oss://{options.bucket}/{key}" for key in sizes]
    buffer = bytearray(READ_BYTES)

    with connect(options) as connector:
        readers: list[Any] = []

        def read_all() -> int:
            # Those of the pass before are closed after this one: so the chunks serve again, as they
            # do in the middle of a long read, and a pass does not begin with fresh memory.
            before = readers[:]
            readers[:] = [connector.open(uri) for uri in uris]
            total = sum(HOW[options.how](reader, buffer) for reader in readers)
            for reader in before:
                reader.close()
            return total

        whole = bytearray(max(sizes.values()) if options.how == "whole" else 0)

        def read_whole() -> int:
            for uri, size in zip(uris, sizes.values()):
                with connector.open(uri, prefetch=False) as reader:
                    if reader.readinto(memoryview(whole)[:size]) != size:
                        raise RuntimeError(f"{uri} came short")
                    if reader.verified != "crc64":
                        raise RuntimeError(f"{uri} was not checked")
            return sum(sizes.values())

        kept: list[memoryview] = []

        def view_all() -> int:
            kept.extend(reader.getbuffer() for reader in [connector.open(uri) for uri in uris])
            return sum(view.nbytes for view in kept)

        if options.passes == 1:  # in fresh memory: the host takes back within a second what is free
            warm_memory(sum(sizes.values()))
            forget_peak()
        run = {"getbuffer": view_all, "whole": read_whole}.get(options.how, read_all)
        run_passes(
            run, sum(sizes.values()), options.passes, lambda: connector.stats().bytes_received
        )


if __name__ == "__main__":
    main()
