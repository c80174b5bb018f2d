"""The sets of objects that scenarios read, by name."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from bench.errors import BenchError
from bench.objects import Object, Store
from bench.processes import python_module

SMALL_OBJECTS, SMALL_BYTES = 40, 16 << 10
READY_BYTES = 64 << 20
SHARDS = 8


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
