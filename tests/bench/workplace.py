"""Where a run takes place: folders, interpreters, the server, sizes. Scenarios are made from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UnavailableError
from bench.objects import Object, Store
from bench.server import Server

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Sizes:
    """How much is read; the defaults are those of docs/performance.md."""

    objects: int = 4
    object_bytes: int = 512 << 20
    budget_objects: int = 12
    budget_object_bytes: int = 200 << 20
    checkpoint_bytes: int = 200_000_000
    level_seconds: float = 8.0


@dataclass(frozen=True)
class Workplace:
    """Constant during a run."""

    server: Server
    store: Store
    sizes: Sizes
    programs: Path  # where floor and tls_floor are built
    folder: Path  # for files of this run alone
    ossmc_bench: Path
    peers_python: Path | None
    all_peers: bool

    def models(self) -> list[Object]:
        """The objects that throughput is measured with."""
        return self.store.random("model", self.sizes.objects, self.sizes.object_bytes)

    def peers(self) -> Path:
        if self.peers_python is None:
            raise UnavailableError("the peers' environment is not there; `make bench` makes it")
        return self.peers_python


def python_module(name: str, *arguments: str, python: Path | None = None) -> list[str]:
    """The command for a program of ours in a fresh interpreter."""
    return [str(python or sys.executable), "-m", f"bench.programs.{name}", *arguments]


def keys_and_sizes(objects: Sequence[Object]) -> list[str]:
    return [f"{row.key}={row.size}" for row in objects]


def client_environment(server: Server) -> dict[str, str]:
    """What every client process finds: credentials nobody checks, no proxy, the throw-away CA."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith("_PROXY") and not name.startswith(("OSS_", "AWS_"))
    }
    environment.update(
        PYTHONPATH=str(ROOT / "tests"),
        OSS_ACCESS_KEY_ID="ak-test",
        OSS_ACCESS_KEY_SECRET="sk-test",
        AWS_ACCESS_KEY_ID="ak-test",
        AWS_SECRET_ACCESS_KEY="sk-test",
        AWS_REGION="us-east-1",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="*",
        no_proxy="*",
    )
    if server.ca_file is not None:
        environment["SSL_CERT_FILE"] = str(server.ca_file)
    return environment
