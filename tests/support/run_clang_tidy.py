"""Runs clang-tidy over csrc/, some files at a time, and remembers which files passed.

A file that passed is run again only when it, a header of ours that it includes, its compile
command, the configuration or the clang-tidy itself has changed: what passed is kept as empty files
in build/clang-tidy, named by a hash of these.

Usage: run_clang_tidy.py CLANG_TIDY BUILD_FOLDER [PART_OF_PATH...]
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"\n]+)"', re.MULTILINE)
# GCC's, which clang cannot read; and each file shall be checked with its own includes.
PRECOMPILED = re.compile(r" -Winvalid-pch -include \S+/cmake_pch\.hxx")


def own_files(source: Path, seen: dict[Path, bytes]) -> dict[Path, bytes]:
    """The source and all headers of ours below it, with their contents."""
    if source not in seen and source.is_file():
        seen[source] = source.read_bytes()
        for name in INCLUDE.findall(seen[source]):
            own_files(ROOT / "csrc" / name.decode(), seen)
    return seen


def stamp(source: Path, command: str, setting: bytes) -> str:
    digest = hashlib.sha256(setting + command.encode())
    for path, text in sorted(own_files(source, {}).items()):
        digest.update(f"\0{path.relative_to(ROOT)}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()


def main(clang_tidy: str, build: str, *parts: str) -> int:
    commands = json.loads((Path(build) / "compile_commands.json").read_text())
    version = subprocess.run([clang_tidy, "--version"], check=True, capture_output=True).stdout
    setting = version + (ROOT / ".clang-tidy").read_bytes()
    passed = ROOT / "build" / "clang-tidy"
    passed.mkdir(parents=True, exist_ok=True)
    for entry in commands:
        entry["command"] = PRECOMPILED.sub("", entry["command"])
    (passed / "compile_commands.json").write_text(json.dumps(commands))

    to_run = {}
    for entry in commands:
        source = Path(entry["directory"], entry["file"]).resolve()
        wanted = not parts or any(part in str(source) for part in parts)
        if wanted and ROOT / "csrc" in source.parents:
            mark = passed / stamp(source, entry["command"], setting)
            if not mark.exists():
                to_run[source] = mark

    # The largest first, so that none of them is left to run alone at the end.
    order = sorted(to_run, key=lambda source: -source.stat().st_size)

    def run(source: Path) -> tuple[Path, subprocess.CompletedProcess[str], float]:
        begin = time.monotonic()
        command = [clang_tidy, "--quiet", "-p", str(passed), str(source)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return source, done, time.monotonic() - begin

    failed = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for future in as_completed([pool.submit(run, source) for source in order]):
            source, done, seconds = future.result()
            word = "passed" if done.returncode == 0 else "FAILED"
            print(f"clang-tidy {source.relative_to(ROOT)}: {word}, {seconds:.1f} s", flush=True)
            if done.returncode == 0:
                to_run[source].touch()
            else:
                failed += 1
                print(done.stdout, flush=True)
                if not done.stdout.strip():
                    print(done.stderr, flush=True)
    print(f"clang-tidy: {len(order)} files run, {failed} failed; the others had passed before")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
