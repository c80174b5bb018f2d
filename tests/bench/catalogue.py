"""The sets of objects that scenarios read, by name."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import BenchError
from bench.objects import Object, Store
from bench.processes import python_module

SMALL_OBJECTS, SMALL_BYTES = 40, 16 << 10
READY_BYTES = 64 << 20
SHARDS = 8


# Of bfloat16: 32 and 8 MiB.
MATRICES = ((4096, 4096), (1024, 4096))
# How long a row is, of 32 MiB.
PARTED = {"narrow": (4096, 4096), "wide": (64, 256 << 10), "very wide": (8, 2 << 20)}
PARTED_TENSORS = 4


def safetensors_file(
    stem: str, size: int, shapes: Sequence[tuple[int, int]] = MATRICES
) -> Iterator[bytes]:
    """A file of about `size` bytes, in blocks of noise: matrices of bfloat16, `shapes` in turn."""
    tensors: dict[str, dict[str, object]] = {}
    at = 0
    while at < size:
        rows, columns = shapes[len(tensors) % len(shapes)]
        end = at + rows * columns * 2
        tensors[f"{stem}.{len(tensors):03d}.weight"] = {
            "dtype": "BF16",
            "shape": [rows, columns],
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
        return self._written(key, lambda: safetensors_file(f"layers.{number}", size))

    @property
    def first_tensor_bytes(self) -> int:
        """Of the first file of `tensors`."""
        rows, columns = MATRICES[0]
        return 2 * rows * columns

    def slices(self) -> dict[str, Object]:
        """Files of which parts of tensors are read, by the kind of the tensors."""
        return {kind: self._parted(kind, shape) for kind, shape in PARTED.items()}

    def slice_files(self) -> list[Object]:
        """The same, and those of `tensors`."""
        return [*self.slices().values(), *self.tensors()]

    def _parted(self, kind: str, shape: tuple[int, int]) -> Object:
        size = PARTED_TENSORS * 2 * shape[0] * shape[1]
        key = f"parted-{kind.replace(' ', '-')}.safetensors"
        return self._written(key, lambda: safetensors_file("layer", size, [shape]))

    def _written(self, key: str, parts: Callable[[], Iterator[bytes]]) -> Object:
        known = self.store.known(key)
        if known is not None:
            return known
        partial = self.store.path(key + ".partial")
        with partial.open("wb") as file:
            file.writelines(parts())
        return self.store.add(key, partial)

    def budget(self) -> list[Object]:
        size = self.sizes.budget_object_bytes
        return self.store.random("budget", self.sizes.budget_objects, size)

    def small(self) -> list[Object]:
        return self.store.random("small", SMALL_OBJECTS, SMALL_BYTES)

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
