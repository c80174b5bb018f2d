"""The machine: what it is, and its memory made warm."""

from __future__ import annotations

import mmap
import os
import platform
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from bench.server import nginx_version

_HUGE_PAGE = 2 << 20
_UNTIL_REPORTED_SECONDS = 3.0


def describe(peers_python: Path | None, peers: list[str]) -> dict[str, str]:
    """What the figures were measured on and with; nothing that names the machine itself."""
    facts = {
        "cpu": _first(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.processor() or "unknown",
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{_memory_bytes() / (1 << 30):.0f} GiB",
        "kernel": platform.release(),
        "huge pages": _first(r"\[(.*)\]", "/sys/kernel/mm/transparent_hugepage/enabled"),
        "python": platform.python_version(),
        "nginx": nginx_version(),
        "openssl": _line(["openssl", "version"]).partition(" (")[0],
        "compiler": _line(["g++", "--version"]),
        "ossmodelconnector": _version("ossmodelconnector"),
        "libcurl": _line(["pkg-config", "--modversion", "libcurl"]),
        "torch": _version("torch"),
    }
    if peers_python is not None:
        facts.update(_versions_of(peers_python, peers))
    return {name: value for name, value in facts.items() if value}


def warm_memory(size: int) -> None:
    """Touches `size` bytes and a quarter more, or what may be had, and gives them back.

    A virtual machine gets memory from its host when it touches it for the first time, or again when
    it was free for a while, which takes ten times as long as anything measured here. Linux hands
    free memory to the host 2 s after the first of it was freed (PAGE_REPORTING_DELAY in
    mm/page_reporting.c), be that by another process: what was freed before has to be on its way,
    and only then this gives its memory back. The caller then has 2 s.
    """
    size = min(size + size // 4, free_memory_bytes() // 2)
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        for at in range(0, size, _HUGE_PAGE):
            memory[at] = 1
        let_host_take_back()


def let_host_take_back() -> None:
    """Waits until the host has what was freed before: see `warm_memory`."""
    time.sleep(_UNTIL_REPORTED_SECONDS)


def free_memory_bytes() -> int:
    return int(_first(r"MemAvailable:\s*(\d+)", "/proc/meminfo") or 0) * 1024


def _memory_bytes() -> int:
    return int(_first(r"MemTotal:\s*(\d+)", "/proc/meminfo") or 0) * 1024


def _first(pattern: str, path: str) -> str:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return ""
    return found[1].strip() if found else ""


def _line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0].strip()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _versions_of(python: Path, packages: list[str]) -> dict[str, str]:
    """The versions of `packages` in another environment."""
    program = (
        "import sys\nfrom importlib import metadata\nfor name in sys.argv[1:]:\n"
        "    try: print(name, metadata.version(name))\n"
        "    except metadata.PackageNotFoundError: pass\n"
    )
    command = [str(python), "-c", program, *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


if __name__ == "__main__":  # see programs/usage.py
    warm_memory(int(sys.argv[1]))
