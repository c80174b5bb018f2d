"""How client processes are called, and what they find in their environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.objects import Object

ROOT = Path(__file__).parents[2]


def python_module(name: str, *arguments: str, python: Path | None = None) -> list[str]:
    """The command for a program of programs/ in a fresh interpreter."""
    return [str(python or sys.executable), "-m", f"bench.programs.{name}", *arguments]


def keys_and_sizes(objects: Sequence[Object]) -> list[str]:
    """As `programs.usage.parse_keys` takes them."""
    return [f"{row.key}={row.size}" for row in objects]


def client_environment() -> dict[str, str]:
    """Credentials that nobody checks, and no proxy."""
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
    return environment
