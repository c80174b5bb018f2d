"""The rows of a flat profile of a command, by perf's cpu-clock."""

from __future__ import annotations

import argparse
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
    rows = [line.rstrip() for line in text.splitlines() if line.strip() and line[0] != "#"]
    tell({"text": "\n".join(rows[:SHOWN])})


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[:2]}: exit status {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    main()
