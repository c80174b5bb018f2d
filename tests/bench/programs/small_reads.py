"""read(64) from bytes that are in memory: this library, or io.BytesIO."""

from __future__ import annotations

import argparse
import io
import time
from typing import Any

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import parse_keys, tell

READS = 500_000
PIECE_BYTES = 64
PASSES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["ours", "bytesio"])
    add_arguments(parser)
    options = parser.parse_args()
    ((key, size),) = parse_keys(options.keys).items()
    if options.what == "bytesio":
        measure(io.BytesIO(bytes(size)))
        return
    with connect(options) as connector, connector.open(f"oss://{options.bucket}/{key}") as reader:
        # Once to the end, so that all of it is there; read data stays.
        buffer = bytearray(4 << 20)
        while reader.readinto(buffer):
            pass
        measure(reader)


def measure(file: Any) -> None:
    for _ in range(PASSES):
        file.seek(0)
        read = file.read
        begin = time.perf_counter()
        for _ in range(READS):
            read(PIECE_BYTES)
        tell({"read_ns": (time.perf_counter() - begin) / READS * 1e9})


if __name__ == "__main__":
    main()
