"""An eighth of every tensor along a dimension, by requests of a kind; or the first tensor."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ossmodelconnector.safetensors import _partial, _shard, open_model

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import Meter, parse_keys, tell

EIGHTH = 8
_MOST_THREADS = 256


def as_chosen() -> None:
    """What the library does."""


def whole_rows() -> None:
    """All of the rows that the box lies in, and no thinner."""

    def widened(shape: tuple[int, ...], itemsize: int, box: Any, gap_bytes: int) -> Any:
        return box._replace(spans=(box.spans[0], *((0, size) for size in shape[1:])))

    replace(_partial, "_widened", widened)


def exact_ranges() -> None:
    """A request for each run: none that would be merged with its neighbour is in the same call."""
    replace(_partial, "_widened", lambda shape, itemsize, box, gap_bytes: box)
    read_into = _shard.Shard.read_into

    def one_by_one(self: _shard.Shard, parts: Iterable[_shard.Part]) -> None:
        runs = list(parts)
        pitch = runs[1].offset - runs[0].offset if len(runs) > 1 else 1
        calls = min(_MOST_THREADS, len(runs), math.ceil(self.gap_bytes / pitch) + 1)
        with ThreadPoolExecutor(calls) as pool:
            list(pool.map(lambda i: read_into(self, runs[i::calls]), range(calls)))

    replace(_shard.Shard, "read_into", one_by_one)


def replace(owner: Any, name: str, made: Any) -> None:
    """Fails where there is nothing of that name any more."""
    getattr(owner, name)
    setattr(owner, name, made)


HOW: dict[str, Callable[[], None]] = {
    "chosen": as_chosen,
    "rows": whole_rows,
    "exact": exact_ranges,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("how", choices=[*HOW, "first"])
    parser.add_argument("--dimension", type=int, default=0)
    add_arguments(parser)
    options = parser.parse_args()
    import torch  # noqa: F401 - before the clock starts

    uris = [f"oss://{options.bucket}/{key}" for key in parse_keys(options.keys)]
    if options.how != "first":
        HOW[options.how]()
    with connect(options) as connector:
        meter = Meter()
        with open_model(uris, connector=connector, verify="late") as model:
            if options.how == "first":
                _, tensor = next(iter(model.iter_tensors()))
                figures = meter.stop(tensor.nbytes)
                tell({**figures, "first_ms": figures["seconds"] * 1e3})
                return
            plan = {name: eighth(model, name, options.dimension) for name in model.keys()}  # noqa: SIM118
            with model.prefetch(plan) as loader:
                got = sum(tensor.nbytes for _, tensor in loader)
        figures = meter.stop(got)
        stats = connector.stats()
    if got != model.tensor_bytes // EIGHTH:
        raise SystemExit(f"{got} bytes are not an eighth of {model.tensor_bytes}")
    tell(
        {
            **figures,
            "requests": stats.requests,
            "fetched_per_byte": stats.bytes_received / got,
            "slices_ms": figures["seconds"] * 1e3,
        }
    )


def eighth(model: Any, name: str, dimension: int) -> tuple[slice, ...]:
    """Its fourth eighth."""
    size = model.get_tensor_meta(name).shape[dimension] // EIGHTH
    return (slice(None),) * dimension + (slice(3 * size, 4 * size),)


if __name__ == "__main__":
    main()
