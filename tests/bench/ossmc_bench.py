"""The C++ benchmark binary: how it is called and what it prints. Nothing else knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UnavailableError
from bench.results import Sample

REGION = "cn-test"


def download(
    program: Path,
    endpoint: str,
    bucket: str,
    keys: Sequence[str],
    *,
    into: str = "drop",
    memory: str = "512MiB",
    ca_file: Path | None = None,
    warm_up: int = 1,
    passes: int = 1,
) -> list[str]:
    """Reads all `keys`, `warm_up` times unmeasured and `passes` times measured."""
    if not program.exists():
        raise UnavailableError(f"{program.name} is not built")
    options: dict[str, object] = {
        "--endpoint": endpoint,
        "--region": REGION,
        "--bucket": bucket,
        "--into": into,
        "--memory": memory,
        "--warmup": warm_up,
        "--passes": passes,
        "--json": "-",
    }
    if ca_file is not None:
        options["--ca-file"] = ca_file
    words = [str(word) for option in options.items() for word in option]
    return [str(program), "download", "--no-progress", *words, *keys]


def parse(output: str) -> list[Sample]:
    """A sample a measured pass."""
    return [
        {
            "bytes": row["bytes"],
            "seconds": row["seconds"],
            "user_seconds": row["user_seconds"],
            "system_seconds": row["system_seconds"],
            "peak_rss_bytes": row["peak_resident_bytes"],
            "fetched_per_byte": row["bytes_received"] / row["bytes"],
        }
        for row in json.loads(output)["passes"]
    ]
