"""torch.load of a checkpoint: out of OSS by this library, or out of a local file."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import parse_keys, tell

TENSORS = 200
PASSES = 4


def save(path: str, size: int) -> None:
    torch = import_module("torch")
    torch.manual_seed(1)
    count = size // TENSORS // 4
    tensors = {f"layers.{number}.weight": torch.randn(count) for number in range(TENSORS)}
    torch.save(tensors, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    saving = commands.add_parser("save")
    saving.add_argument("--bytes", type=int, required=True)
    saving.add_argument("--path", required=True)
    for name in ("ours", "path", "file"):
        loading = commands.add_parser(name)
        loading.add_argument("--path", required=True, help="of the local file")
        add_arguments(loading)
    options = parser.parse_args()
    if options.what == "save":
        save(options.path, options.bytes)
        return
    (key,) = parse_keys(options.keys)
    torch = import_module("torch")
    if options.what == "path":
        repeat(lambda: torch.load(options.path))
    elif options.what == "file":

        def load_file() -> Any:
            with open(options.path, "rb") as file:
                return torch.load(file)

        repeat(load_file)
    else:
        with connect(options) as connector:

            def load_object() -> Any:
                with connector.open(f"oss://{options.bucket}/{key}") as reader:
                    return torch.load(reader)

            repeat(load_object)


def repeat(load: Callable[[], Any]) -> None:
    for _ in range(PASSES):
        begin = time.perf_counter()
        loaded = load()
        tell({"load_ms": (time.perf_counter() - begin) * 1e3})
        if len(loaded) != TENSORS:
            raise SystemExit(f"{len(loaded)} tensors")
        del loaded


if __name__ == "__main__":
    main()
