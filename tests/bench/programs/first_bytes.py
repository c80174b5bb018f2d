"""Milliseconds from the first open to the first bytes: all objects opened, then one read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from importlib import import_module

from bench.programs.usage import Figures, Meter, make_memory_warm, parse_keys, tell

READ_BYTES = 4 << 20
# As much memory as a connector may have taken by then.
FRESH_BYTES = 512 << 20


def ours(options: argparse.Namespace, keys: list[str]) -> Figures:
    connecting = import_module("bench.programs.connecting")
    make_memory_warm(options.fresh_bytes)
    with connecting.connect(options) as connector:
        meter = Meter()
        readers = connector.open_many([f"oss://{options.bucket}/{key}" for key in keys])
        return meter.stop(len(readers[0].read(READ_BYTES)))


def oss2(options: argparse.Namespace, keys: list[str]) -> Figures:
    """One stream knows no other object than its own."""
    module = import_module("oss2")
    bucket = module.Bucket(module.Auth("ak-test", "sk-test"), options.endpoint, options.bucket)
    make_memory_warm(options.fresh_bytes)
    meter = Meter()
    return meter.stop(len(bucket.get_object(keys[0]).read(READ_BYTES)))


WHO: dict[str, Callable[[argparse.Namespace, list[str]], Figures]] = {"ours": ours, "oss2": oss2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("who", choices=WHO)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--config", type=json.loads, default={}, help="as JSON")
    parser.add_argument("--fresh-bytes", type=int, default=FRESH_BYTES)
    parser.add_argument("keys", nargs="+", metavar="KEY=BYTES")
    options = parser.parse_args()
    sizes = parse_keys(options.keys)
    keys = list(sizes)
    figures = WHO[options.who](options, keys)
    want = min(READ_BYTES, sizes[keys[0]])
    if figures["bytes"] != want:
        raise SystemExit(f"{figures['bytes']} of {want} bytes")
    tell({**figures, "first_ms": figures["seconds"] * 1e3})


if __name__ == "__main__":
    main()
