"""System calls a GB of a steady download, by strace.

Two commands that differ only in how many bytes they read: what is spent once falls out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.programs.usage import tell

RECEIVING = ("recv", "poll", "ppoll", "epoll")
SHOWN = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True, help="for strace's counts")
    parser.add_argument("--bytes", type=int, required=True, help="that the second reads more")
    parser.add_argument("less", type=json.loads, help="command, as JSON")
    parser.add_argument("more", type=json.loads, help="command, as JSON")
    options = parser.parse_args()
    less, more = (count(command, options.file) for command in (options.less, options.more))
    gigabytes = options.bytes / 1e9
    calls = {name: many / gigabytes for name, many in difference(less, more).items()}
    receiving = sum(value for name, value in calls.items() if name.startswith(RECEIVING))
    ordered = sorted(calls.items(), key=lambda item: -item[1])[:SHOWN]
    tell(
        {
            "receiving_calls_per_gb": receiving,
            "other_calls_per_gb": sum(calls.values()) - receiving,
            "text": "\n".join(f"{value:10.1f}  {name}" for name, value in ordered),
        }
    )


def count(command: list[str], file: Path) -> dict[str, int]:
    """Calls by name."""
    strace = ["strace", "-f", "-c", "-o", str(file)]
    done = subprocess.run([*strace, *command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"exit status {done.returncode}: {done.stderr[-500:]}")
    return parse(file.read_text())


def difference(less: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Not below 0: calls that chance decides, as those of waiting, may have become fewer."""
    return {name: max(0, many - less.get(name, 0)) for name, many in more.items()}


def parse(table: str) -> dict[str, int]:
    """strace -c: % time, seconds, usecs/call, calls, perhaps errors, syscall."""
    rows = (line.split() for line in table.splitlines())
    return {
        row[-1]: int(row[3])
        for row in rows
        if len(row) in (5, 6) and row[3].isdigit() and row[-1] != "total"
    }


if __name__ == "__main__":
    main()
