"""Checks the models of this folder over all interleavings, with spin (https://spinroot.com).

Each .pml names the code that it is a model of, and faults that must be found: with `-DFAULT` the
same model has it, and spin must fail. Steps are sequentially consistent, as the code's atomics are;
where plain memory is handed over, a model says when its stores and loads are done. What it leaves
out is the thread sanitizer's part.

Usage: run.py FOLDER_FOR_BUILDS
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

MODELS = Path(__file__).parent
SECONDS = 120


def faults_of(model: Path) -> list[str]:
    found = re.search(r"each by -D: ([^.]*)\.", model.read_text())
    assert found, f"{model.name} names no faults"
    return re.findall(r"[A-Z_]+", found[1])


def errors(model: Path, folder: Path, fault: str) -> tuple[int, int]:
    """How many errors spin finds, and in how many states."""
    folder.mkdir(parents=True, exist_ok=True)
    define = [f"-D{fault}"] if fault else []

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    run("spin", *define, "-a", str(model))
    # No partial order reduction: these are small, and it has one thing less to believe in.
    run("gcc", "-O1", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")
    said = run("./pan", "-m100000")
    assert "max search depth too small" not in said
    found = re.search(r"errors: (\d+)\s+([\d.e+]+) states, stored", said)
    assert found, said
    return int(found[1]), int(float(found[2]))


def main(folder: Path) -> int:
    wrong = 0
    for model in sorted(MODELS.glob("*.pml")):
        for fault in ("", *faults_of(model)):
            count, states = errors(model, folder / model.stem / (fault or "as_it_is"), fault)
            is_good = (count > 0) == bool(fault)
            wrong += not is_good
            verdict = f"{count} errors in {states} states" + ("" if is_good else ": WRONG")
            print(f"{model.stem:<20} {fault or 'as it is':<24} {verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
