"""The rows of a flat profile of a command, by perf's cpu-clock."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

from bench.programs.usage import tell

SHOWN = 25
HERTZ = 997


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True, help="for perf's samples")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    record = ["perf", "record", "-e", "cpu-clock", "-F", str(HERTZ), "-o", str(options.file)]
    run([*record, "--", *options.command])
    report = ["perf", "report", "--stdio", "--no-children", "-s", "dso,symbol", "-i"]
    text = run([*report, str(options.file)])
    # Blanks up to the longest name, and two columns that say nothing here.
    lines = (re.sub(r"\s+(-\s+)*$", "", line) for line in text.splitlines() if line[:1] != "#")
    rows = [re.sub(r"(?<=\S)\s{2,}", "  ", line) for line in lines if line]
    tell({"text": "\n".join(rows[:SHOWN])})


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[:2]}: exit status {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    main()
