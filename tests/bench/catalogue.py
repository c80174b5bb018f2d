"""The sets of objects that scenarios read, by name."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.objects import Object, Store
from bench.processes import python_module

SMALL_OBJECTS, SMALL_BYTES = 40, 16 << 10
MANY_OBJECTS, MANY_BYTES = 2_000, 20_000
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
    sales_files: int = 64
    sales_rows: int = 181_400  # a file: 1 GB in all
    distributed_bytes: int = 200_000_000


class Catalogue:
    """Asked for the first time, a set is written; the server must not have started before that."""

    def __init__(
        self,
        store: Store,
        sizes: Sizes,
        environment: Mapping[str, str],
        peers_python: Path | None = None,
    ) -> None:
        self.store = store
        self.sizes = sizes
        self._environment = environment
        self._peers_python = peers_python

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

    def many(self) -> list[Object]:
        return self.store.random("many", MANY_OBJECTS, MANY_BYTES)

    def ready(self) -> list[Object]:
        return self.store.random("ready", 1, READY_BYTES)

    def sales(self) -> list[Object]:
        """Parquet files, a store each; nothing where the peers, who have pyarrow, are not there."""
        keys = [
            f"{self.sales_folder()}/store={number:03d}/part-0.parquet"
            for number in range(self.sizes.sales_files)
        ]
        known = [row for key in keys if (row := self.store.known(key))]
        if len(known) == len(keys):
            return known
        if self._peers_python is None:
            return []
        paths = [str(self.store.path(key)) for key in keys]
        self._made_by_pyarrow("write", "--rows", str(self.sizes.sales_rows), *paths)
        return [self.store.add(key, self.store.path(key)) for key in keys]

    def sales_folder(self) -> str:
        """The key of what all of them are in."""
        return f"sales-{self.sizes.sales_files}x{self.sizes.sales_rows}"

    def sales_needs(self) -> dict[str, int]:
        """What programs/sales.py tells of its query; REQUIRES: the peers are there."""
        folder = str(self.store.path(self.sales_folder()))
        needs: dict[str, int] = json.loads(self._made_by_pyarrow("needs", folder))
        return needs

    def _made_by_pyarrow(self, *words: str) -> str:
        command = python_module("sales", *words, python=self._peers_python)
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=900, env=dict(self._environment)
        )
        if done.returncode != 0:
            raise BenchError(f"the parquet files: {done.stderr.strip()}")
        return done.stdout

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

    def distributed_records(self) -> list[Object]:
        """What torch.distributed.checkpoint saved of 4 ranks; nothing where there is no torch."""
        files = [".metadata", *(f"__{rank}_0.distcp" for rank in range(4))]
        return self._distributed("records", files)

    def distributed_safetensors(self) -> list[Object]:
        """The same as a folder of safetensors files."""
        files = [f"shard-{rank:05d}-model-00001-of-00001.safetensors" for rank in range(1, 5)]
        return self._distributed("safetensors", files)

    def _distributed(self, form: str, files: list[str]) -> list[Object]:
        stem = f"distributed-{form}-{self.sizes.distributed_bytes}"
        known = [self.store.known(f"{stem}/{file}") for file in files]
        if all(known):
            return [row for row in known if row is not None]
        if importlib.util.find_spec("torch") is None:
            return []
        folder = self.store.path(stem)
        words = ["save", "--form", form, "--folder", str(folder)]
        words += ["--bytes", str(self.sizes.distributed_bytes)]
        command = python_module("distributed", *words)
        try:
            subprocess.run(command, check=True, timeout=300, env=dict(self._environment))
        except subprocess.SubprocessError as error:
            raise BenchError(f"the distributed checkpoint was not written: {error}") from error
        return [self.store.add(f"{stem}/{file}", folder / file) for file in files]
