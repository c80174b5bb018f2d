"""The rows of a flat profile of a command's steady part, by perf's cpu-clock."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.programs.usage import tell

SHOWN = 25
HERTZ = 997
DELAY_MILLISECONDS = 2000  # the start, and the memory that is touched for the first time
TOP_PERCENT = 1.0

_ROW = re.compile(r"\s*(?P<percent>[\d.]+)%\s+(?P<dso>.+?)\s+\[(?P<ring>.)\]\s+(?P<symbol>.+)")
# What no top row may be: an interpreter, a lock or an allocator.
_PYTHON_DSO = re.compile(r"(libpython|python)\d")
_UNWANTED = re.compile(
    r"""
      _*Py[A-Z_]|py(malloc|bind11)   # Python
    | _*(GI_+)?(pthread_(mutex|rwlock|cond|spin)|lll_(mutex_)?(un)?lock|futex|sem_(wait|post))
    | (std|ossmc)::\w*([Mm]utex|condition_variable|CondVar|_lock|Lock)\b
    | _*(libc_|GI_+)?(malloc|calloc|realloc|memalign|posix_memalign|cfree|free)\d?(@|$)
    | (_int_|sys)(malloc|free|realloc|memalign)|malloc_consolidate|unlink_chunk|tcache_|arena_get
    | operator\ (new|delete)|_Zn[wa]m|_Zd[la]P
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class ProfileRow:
    percent: float
    dso: str
    is_kernel: bool
    symbol: str


def parse(report: str) -> list[ProfileRow]:
    """perf report --stdio -s dso,symbol: 14.29%  libc.so.6  [.] memmove, and perhaps more."""
    found = (_ROW.match(line) for line in report.splitlines() if line[:1] != "#")
    return [
        # Two columns that say nothing here, and blanks up to the longest name.
        ProfileRow(
            float(row["percent"]),
            row["dso"],
            row["ring"] == "k",
            re.sub(r"\s+(-\s+)*(-)?$", "", row["symbol"]),
        )
        for row in found
        if row
    ]


def unwanted(rows: Sequence[ProfileRow]) -> list[ProfileRow]:
    """Of the rows of user space with `TOP_PERCENT` and more: Python, locks, allocators."""
    top = (row for row in rows if not row.is_kernel and row.percent >= TOP_PERCENT)
    return [row for row in top if _PYTHON_DSO.match(row.dso) or _UNWANTED.match(row.symbol)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True, help="for perf's samples")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    record = ["perf", "record", "-e", "cpu-clock", "-F", str(HERTZ), "-o", str(options.file)]
    run([*record, "--delay", str(DELAY_MILLISECONDS), "--", *options.command])
    report = ["perf", "report", "--stdio", "--no-children", "-s", "dso,symbol", "-i"]
    rows = parse(run([*report, str(options.file)]))
    if not rows:
        raise SystemExit("perf has no samples: the command was over before the delay was")
    shown = [
        f"{row.percent:9.2f}%  {row.dso}  [{'k' if row.is_kernel else '.'}] {row.symbol}"
        for row in rows[:SHOWN]
    ]
    tell({"unwanted_rows": len(unwanted(rows)), "text": "\n".join(shown)})


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[:2]}: exit status {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    main()
