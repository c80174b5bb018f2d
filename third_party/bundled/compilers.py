"""The compilers of self-contained wheels: zig's clang with glibc 2.28, for the processor named.

zig brings the headers and stubs of every glibc, and libc++, so that one machine makes wheels for
old systems and for another processor. It comes from PyPI: `ziglang`, pinned in pyproject.toml,
group `wheels`.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

GLIBC = "2.28"
PROCESSORS = ("x86_64", "aarch64")

# What paths of the building machine become in texts and debug information: the same anywhere.
_MAPS = " ".join(
    f'-ffile-prefix-map="{path}"={name}'
    for path, name in {
        "${OSSMC_BUILD_ROOT:-/nowhere}": ".",
        "${OSSMC_PYTHON_ROOT:-/nowhere}": "python",
        "$PWD": ".",
    }.items()
)


def zig() -> Path:
    """The program; SystemExit where it is not installed."""
    found = importlib.util.find_spec("ziglang")
    if found is None or found.origin is None:
        raise SystemExit(
            "zig was not found. Install it for this Python: pip install --group wheels"
        )
    return Path(found.origin).parent / "zig"


def write_commands(folder: Path, processor: str) -> None:
    """cc, c++, ar and ranlib: programs that any build system can call."""
    folder.mkdir(parents=True, exist_ok=True)
    target = f"-target {processor}-linux-gnu.{GLIBC} -ffile-prefix-map={zig().parent}=zig"
    for name, words in {
        "cc": f"cc {target} {_MAPS}",
        "c++": f"c++ {target} {_MAPS}",
        "ar": "ar",
        "ranlib": "ranlib",
    }.items():
        command = folder / name
        text = f'#!/bin/sh\nexec "{zig()}" {words} "$@"\n'
        if not command.exists() or command.read_text() != text:
            command.write_text(text)
            command.chmod(0o755)


def environment(folder: Path) -> dict[str, str]:
    """For a build that is to use these commands, by names that hold no path."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CMAKE_PREFIX_PATH"}
    }
    return {
        **kept,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CC": "cc",
        "CXX": "c++",
        "LC_ALL": "C",
    }
