"""Changes lines of the core at random, and tells which changes the tests of `make test` find.

    PYTHONPATH=tests python -m mutants --count 20 --seed 1

The lines are some that the C++ tests run, of the floors in CHANGED. Each change is made in a copy
of the working tree, in build/mutants; so are the reports, report-SEED.json and .txt. A mutant that
does not compile is drawn anew. Ends with 1 when nobody has found one of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from typing import Any

from support.measure_coverage import ROOT

from .copy import Copy
from .covered import covered_lines
from .draw import Mutant, drawn
from .suite import NotCompiledError, Suite

CHANGED = ("memory", "protocol", "transfer", "fetch", "prefetch")
FOLDER = ROOT / "build/mutants"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Report:
    """What became of each mutant, written after each: what comes later may be interrupted."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._written = FOLDER / f"report-{seed}.json"
        self.rows: list[dict[str, Any]] = []
        self.not_compiled = 0

    def read(self) -> None:
        """Goes on with what an earlier run has written."""
        if self._written.exists():
            known = json.loads(self._written.read_text(encoding="utf-8"))
            self.rows, self.not_compiled = known["mutants"], known["not_compiled"]

    def add(self, mutant: Mutant, found_by: str | None, seconds: float) -> None:
        row = {**vars(mutant), "found_by": found_by, "seconds": round(seconds, 1)}
        others = (other for other in self.rows if other["draw"] != mutant.draw)
        self.rows = sorted([*others, row], key=lambda one: int(one["draw"]))
        known = {"seed": self._seed, "not_compiled": self.not_compiled, "mutants": self.rows}
        self._written.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        self._written.with_suffix(".txt").write_text(self.text(), encoding="utf-8")

    @property
    def survivors(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["found_by"] is None]

    def text(self) -> str:
        found = len(self.rows) - len(self.survivors)
        lines = [
            f"seed {self._seed}: {found} of {len(self.rows)} found; "
            f"{self.not_compiled} more did not compile"
        ]
        for row in self.rows:
            lines += [
                "",
                f"{row['draw']}  {row['file']}:{row['line']}  {row['operator']}",
                f"  - {row['before'].strip()}",
                f"  + {row['after'].strip()}",
                f"  {row['found_by'] or 'NOT FOUND'}  ({row['seconds']} s)",
            ]
        return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", type=int, nargs="+", metavar="DRAW", help="these alone, once more"
    )
    parser.add_argument("--list", action="store_true", help="show them, and run nothing")
    parser.add_argument("--no-python", action="store_true", help="leave the Python tests out")
    parser.add_argument(
        "--trust", action="store_true", help="do not run the tests on the unchanged tree first"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()

    FOLDER.mkdir(parents=True, exist_ok=True)
    mutants = drawn(covered_lines(FOLDER / "covered.json", CHANGED), options.seed)
    if options.list:
        for mutant, _ in zip(mutants, range(options.count)):
            print(f"{mutant.draw:3} {mutant.file}:{mutant.line}  {mutant.operator}")
            print(f"  - {mutant.before.strip()}\n  + {mutant.after.strip()}")
        return 0

    # Whoever ends this gets a copy without a change.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    copy = Copy(FOLDER, options.jobs)
    suite = Suite(copy, say)
    with_python = not options.no_python
    if not options.trust:
        suite.pass_unchanged(with_python)
    report = Report(options.seed)
    if options.only:
        report.read()
        mutants = (mutant for mutant in mutants if mutant.draw in options.only)
    left = len(options.only) if options.only else options.count
    for mutant in mutants:
        if left == 0:
            break
        begin = time.monotonic()
        with copy.changed(mutant.file, mutant.line, mutant.after):
            try:
                found_by = suite.who_finds(mutant.floor, with_python)
            except NotCompiledError:
                report.not_compiled += 1
                left -= bool(options.only)
                say(f"{mutant.draw} does not compile: {mutant.file}:{mutant.line}")
                continue
        report.add(mutant, found_by, time.monotonic() - begin)
        left -= 1
        say(f"{mutant.draw} {mutant.file}:{mutant.line}: {found_by or 'NOT FOUND'}")
    print(f"\n{report.text()}\n{FOLDER.relative_to(ROOT)}/report-{options.seed}.json")
    return 1 if report.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
