"""Checks the sources of csrc/, some at a time, and remembers which passed.

A source that passed is checked again only when it, a header or source of ours that it includes, its
compile command or the check has changed: what passed is kept as empty files in build/passed, named
by a hash of these.

Usage: check_sources.py tidy CLANG_TIDY BUILD_FOLDER [PART_OF_PATH...]
       check_sources.py alone BUILD_FOLDER [PART_OF_PATH...]
    tidy: clang-tidy. In a build with OSSMC_UNITY a floor is one source.
    alone: the compiler, without making anything: a source that lacks an include shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"\n]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Check:
    name: str
    setting: bytes  # what besides the sources decides the outcome
    command_for: Callable[[Path, str], list[str]]  # of a source and its compile command


def tidy(clang_tidy: str, build: str) -> Check:
    version = subprocess.run([clang_tidy, "--version"], check=True, capture_output=True).stdout
    configuration = ROOT / ".clang-tidy"
    options = ["--quiet", f"--config-file={configuration}", "-p", build]
    return Check(
        "clang-tidy",
        version + configuration.read_bytes(),
        lambda source, command: [clang_tidy, *options, str(source)],
    )


def alone() -> Check:
    return Check("alone", b"", lambda source, command: [*shlex.split(command), "-fsyntax-only"])


def own_files(source: Path, seen: dict[Path, bytes]) -> dict[Path, bytes]:
    """The source and all files of ours that it includes, with their contents."""
    if source not in seen and source.is_file():
        seen[source] = source.read_bytes()
        for name in INCLUDE.findall(seen[source]):
            own_files(ROOT / "csrc" / name.decode(), seen)
    return seen


def stamp(check: Check, files: dict[Path, bytes], command: str) -> str:
    digest = hashlib.sha256(check.name.encode() + check.setting + command.encode())
    for path, text in sorted(files.items()):
        digest.update(f"\0{path.relative_to(ROOT)}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()


def main(check: Check, build: str, parts: list[str]) -> int:
    passed = ROOT / "build" / "passed"
    passed.mkdir(parents=True, exist_ok=True)
    to_run: dict[Path, tuple[list[str], Path, int]] = {}
    checked: set[Path] = set()
    for entry in json.loads((Path(build) / "compile_commands.json").read_text()):
        source = Path(entry["directory"], entry["file"]).resolve()
        files = own_files(source, {})
        ours = [path for path in files if ROOT / "csrc" in path.parents]
        if not any(path.suffix == ".cc" for path in ours):
            continue
        if parts and not any(part in str(path) for part in parts for path in ours):
            continue
        checked.update(ours)
        mark = passed / stamp(check, files, entry["command"])
        if not mark.exists():
            size = sum(map(len, files.values()))
            to_run[source] = check.command_for(source, entry["command"]), mark, size
    sources = {path for path in (ROOT / "csrc").rglob("*.cc") if not parts}
    if not sources <= checked:
        print("not in the compile commands:", *sorted(sources - checked))
        return 1

    # The largest first, so that none of them is left to run alone at the end.
    order = sorted(to_run, key=lambda source: -to_run[source][2])

    def run(source: Path) -> tuple[Path, subprocess.CompletedProcess[str], float]:
        begin = time.monotonic()
        command = to_run[source][0]
        done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
        return source, done, time.monotonic() - begin

    failed = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for future in as_completed([pool.submit(run, source) for source in order]):
            source, done, seconds = future.result()
            word = "passed" if done.returncode == 0 else "FAILED"
            print(f"{check.name} {source.relative_to(ROOT)}: {word}, {seconds:.1f} s", flush=True)
            if done.returncode == 0:
                to_run[source][1].touch()
            else:
                failed += 1
                print(done.stdout, done.stderr, flush=True)
    print(f"{check.name}: {len(order)} sources, {failed} failed; the others had passed before")
    return 1 if failed else 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) >= 3 and arguments[0] == "tidy":
        sys.exit(main(tidy(arguments[1], arguments[2]), arguments[2], arguments[3:]))
    if len(arguments) >= 2 and arguments[0] == "alone":
        sys.exit(main(alone(), arguments[1], arguments[2:]))
    sys.exit(__doc__)
