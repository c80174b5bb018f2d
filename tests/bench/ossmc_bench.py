"""The C++ benchmark binary: how it is called and what it prints. Nothing else knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UnavailableError
from bench.results import Sample


def download(
    program: Path,
    endpoint: str,
    bucket: str,
    keys: Sequence[str],
    *,
    into: str = "drop",
    memory: str = "512MiB",
    warm_up: int = 1,
    passes: int = 1,
) -> list[str]:
    """Reads all `keys`, `warm_up` times unmeasured and `passes` times measured."""
    if not program.exists():
        raise UnavailableError(f"{program.name} is not built")
    return [
        str(program), "download", "--endpoint", endpoint, "--bucket", bucket, "--into", into,
        "--memory", memory, "--warmup", str(warm_up), "--passes", str(passes), "--json", "-", *keys,
    ]  # fmt: skip


def parse(output: str) -> list[Sample]:
    """A sample a measured pass."""
    raise NotImplementedError(json.loads(output))
