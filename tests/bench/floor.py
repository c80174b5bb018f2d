"""The reference receive: built once with g++, run as a child process."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.errors import BenchError

THREADS = 8
CHUNK_MIB = 8
WARM_PASSES = 2  # the first makes connections
_HERE = Path(__file__).parent
_LIBRARIES: dict[str, list[str]] = {"floor": [], "tls_floor": ["-lssl", "-lcrypto"]}


def build(folder: Path) -> None:
    """Builds floor and tls_floor into `folder` where they are missing or older than a source."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, libraries in _LIBRARIES.items():
        source, program = _HERE / f"{name}.cc", folder / name
        newest = max(file.stat().st_mtime for file in (source, _HERE / "receive.h"))
        if program.exists() and program.stat().st_mtime > newest:
            continue
        words = ["g++", "-O2", "-std=c++20", "-pthread", "-o", str(program), str(source)]
        try:
            subprocess.run([*words, *libraries], check=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            raise BenchError(f"{name} does not build: {error}") from error


def command(folder: Path, port: int, mode: int, size: int, paths: list[str]) -> list[str]:
    """The floor over TCP; see floor.cc for `mode`. Into fresh memory it is one pass."""
    passes = 1 if mode else WARM_PASSES
    words = [folder / "floor", port, THREADS, CHUNK_MIB, passes, mode, size, *paths]
    return [str(word) for word in words]


def tls_command(folder: Path, port: int, size: int, ca_file: Path, paths: list[str]) -> list[str]:
    words = [folder / "tls_floor", port, THREADS, CHUNK_MIB, WARM_PASSES, size, ca_file, *paths]
    return [str(word) for word in words]
