"""A progress bar a shard; where the output is no terminal, one line a shard."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sizes import binary
from tqdm import tqdm


@contextmanager
def shard_bar(name: str, size: int) -> Iterator[Callable[[int], object]]:
    """Shows the load of one shard. Gives a function to call with the bytes of each read."""
    if sys.stdout.isatty():
        with tqdm(total=size, desc=f"  {name}", unit="B", unit_scale=True, file=sys.stdout) as bar:
            yield bar.update
        return
    total = 0

    def add(count: int) -> None:
        nonlocal total
        total += count

    begin = time.perf_counter()
    yield add
    print(f"  {name}  {binary(total)}  {time.perf_counter() - begin:.2f} s", flush=True)
