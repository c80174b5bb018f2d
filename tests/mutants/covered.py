"""The lines that the C++ tests run: only there can they find a change."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.measure_coverage import ROOT, Lines, count, forget

BUILD = ROOT / "build/coverage"
HOUR = 3600
# The first run nearly all the lines that thousands run.
SCHEDULES = "100"


def covered_lines(cache: Path, floors: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of these lines for each file of `floors`, by its path below the root.

    Counted anew only when a file there is not as it was when `cache` was written.
    """
    digest = _digest(floors)
    if cache.exists():
        known = json.loads(cache.read_text(encoding="utf-8"))
        if known["digest"] == digest:
            return dict(known["lines"])
    lines = {
        f"csrc/{path}": sorted(found.covered)
        for path, found in _count(floors).items()
        if path.split("/")[0] in floors and found.covered
    }
    cache.write_text(json.dumps({"digest": digest, "lines": lines}) + "\n", encoding="utf-8")
    return lines


def _digest(floors: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for floor in floors:
        for path in sorted((ROOT / "csrc" / floor).iterdir()):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _count(floors: Sequence[str]) -> dict[str, Lines]:
    """What the floors' own tests run; those above them take minutes here and add next to none."""
    targets = [f"ossmc_{floor}_test" for floor in floors]
    for command in (
        ["cmake", "--preset", "coverage"],
        ["cmake", "--build", "--preset", "coverage", "--target", *targets],
    ):
        subprocess.run(command, cwd=ROOT, check=True, timeout=HOUR)
    forget(BUILD)
    subprocess.run(
        ["ctest", "--preset", "coverage", "-R", rf"^({'|'.join(floors)})(_[0-9]+)?$"],
        cwd=ROOT,
        env={**os.environ, "OSSMC_SCHEDULES": SCHEDULES},
        check=True,
        timeout=HOUR,
    )
    return count(BUILD, [f"csrc/{floor}" for floor in floors])
