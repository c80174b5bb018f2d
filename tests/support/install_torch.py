"""Installs torch for the tests, but only where pip resolves it to a build for the CPU.

On most Linux machines torch from the public index brings gigabytes of GPU libraries that no test
here uses. So pip is first asked what it would install. Where torch is left out, the tests that need
it are skipped, and this says so.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

TORCH = "torch==2.13.0"
# Its loader is what data sets are tested with. By itself: of its requirements torch alone is used.
TORCHDATA = "torchdata==0.11.0"
PIP_INSTALL = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
GPU = re.compile(r"nvidia|cuda|triton|rocm", re.IGNORECASE)


def resolve(*options: str) -> list[dict] | None:
    """What pip would install, newly, for torch; None when it finds no answer."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [*PIP_INSTALL, "--dry-run", "--report", str(report), *options, TORCH]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None
        return json.loads(report.read_text())["install"]


def needs(item: dict) -> list[str]:
    """The names of the packages that a resolved package requires here."""
    # pip's own copy: the environment need not have packaging.
    from pip._vendor.packaging.requirements import Requirement

    requirements = [Requirement(text) for text in item["metadata"].get("requires_dist", [])]
    return [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]


def gpu_packages() -> list[str] | None:
    """GPU packages that come with torch; None when pip cannot install torch at all."""
    # First torch alone: the whole set may be gigabytes, which pip may download to resolve.
    alone = resolve("--no-deps")
    if alone is None:
        return None
    found = [name for item in alone for name in needs(item) if GPU.search(name)]
    if found or not alone:
        return found
    whole = resolve()
    if whole is None:
        return None
    names = [item["metadata"]["name"] for item in whole]
    return [name for name in names if GPU.search(name)]


def left_out(why: str) -> int:
    print(f"torch is left out: {why}. The tests that need torch are skipped.")
    return 0


def main() -> int:
    gpu = gpu_packages()
    if gpu is None:
        return left_out(f"pip finds no {TORCH} for this Python")
    if gpu:
        return left_out(f"{TORCH} would bring {len(gpu)} GPU packages ({gpu[0]}, ...)")
    done = subprocess.run([*PIP_INSTALL, TORCH], check=False)
    if done.returncode == 0:
        done = subprocess.run([*PIP_INSTALL, "--no-deps", TORCHDATA], check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
