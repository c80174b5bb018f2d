"""Runs a program of tests/python/programs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parents[1] / "python" / "programs"


def run_program(name: str, arguments: list[str], server: Any) -> Any:
    """What it prints, which is JSON. It fails if the program does, or complains."""
    run = subprocess.run(
        [sys.executable, str(PROGRAMS / name), *arguments],
        env=server.environ(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return json.loads(run.stdout)
