"""The sets of objects that scenarios read, by name."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.errors import BenchError
from bench.objects import Object, Store
from bench.processes import python_module

SMALL_OBJECTS, SMALL_BYTES = 40, 16 << 10
MANY_OBJECTS, MANY_BYTES = 2_000, 20_000
READY_BYTES = 64 << 20
SHARDS = 8


def safetensors_file(stem: str, size: int) -> Iterator[bytes]:
    """A file of about `size` bytes, in blocks of noise: matrices of bfloat16, 8 and 32 MiB."""
    tensors: dict[str, dict[str, object]] = {}
    at = 0
    while at < size:
        rows = 1024 if len(tensors) % 2 else 4096
        end = at + rows * 4096 * 2
        tensors[f"{stem}.{len(tensors):03d}.weight"] = {
            "dtype": "BF16",
            "shape": [rows, 4096],
            "data_offsets": [at, end],
        }
        at = end
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    yield len(header).to_bytes(8, "little") + header
    noise = os.urandom(1 << 20)
    for block in range(0, at, 1 << 20):
        # Marked with its place, so that no block is like another; at most 1 MiB stands behind it.
        mark = f"{stem} {block}\n".encode()
        yield mark + noise[len(mark) :]


@dataclass(frozen=True)
class Sizes:
    """How much is read; the defaults are those of docs/performance.md."""

    objects: int = 4
    object_bytes: int = 512 << 20
    budget_objects: int = 12
    budget_object_bytes: int = 200 << 20
    checkpoint_bytes: int = 200_000_000


class Catalogue:
    """Asked for the first time, a set is written; the server must not have started before that."""

    def __init__(self, store: Store, sizes: Sizes, environment: Mapping[str, str]) -> None:
        self.store = store
        self.sizes = sizes
        self._environment = environment

    def models(self) -> list[Object]:
        """What throughput is measured with."""
        return self.store.random("model", self.sizes.objects, self.sizes.object_bytes)

    def shards(self) -> list[Object]:
        """As many bytes as `models`, in more objects."""
        size = self.sizes.objects * self.sizes.object_bytes // SHARDS
        return self.store.random("shard", SHARDS, size)

    def tensors(self) -> list[Object]:
        """As many bytes as `models`, in safetensors files of bfloat16 matrices."""
        return [self._tensors(number) for number in range(SHARDS)]

    def _tensors(self, number: int) -> Object:
        size = self.sizes.objects * self.sizes.object_bytes // SHARDS
        key = f"tensors-{size}-{number:02d}.safetensors"
        known = self.store.known(key)
        if known is not None:
            return known
        partial = self.store.path(key + ".partial")
        with partial.open("wb") as file:
            for part in safetensors_file(f"layers.{number}", size):
                file.write(part)
        return self.store.add(key, partial)

    def budget(self) -> list[Object]:
        size = self.sizes.budget_object_bytes
        return self.store.random("budget", self.sizes.budget_objects, size)

    def small(self) -> list[Object]:
        return self.store.random("small", SMALL_OBJECTS, SMALL_BYTES)

    def many(self) -> list[Object]:
        return self.store.random("many", MANY_OBJECTS, MANY_BYTES)

    def ready(self) -> list[Object]:
        return self.store.random("ready", 1, READY_BYTES)

    def checkpoint(self) -> list[Object]:
        """What torch.save wrote; nothing where there is no torch."""
        key = f"checkpoint-{self.sizes.checkpoint_bytes}.pt"
        known = self.store.known(key)
        if known is not None:
            return [known]
        if importlib.util.find_spec("torch") is None:
            return []
        partial = self.store.path(key + ".partial")
        size = str(self.sizes.checkpoint_bytes)
        command = python_module("checkpoint", "save", "--path", str(partial), "--bytes", size)
        try:
            subprocess.run(command, check=True, timeout=300, env=dict(self._environment))
        except subprocess.SubprocessError as error:
            raise BenchError(f"the checkpoint was not written: {error}") from error
        return [self.store.add(key, partial)]
