"""Which lines the tests run, and which the fuzz targets: `make coverage`.

    measure_coverage.py BUILD_FOLDER [tests] [fuzz] [python]

BUILD_FOLDER was configured with the preset `coverage`. Without names of parts all are measured.
The figures are in BUILD_FOLDER/figures.json too. Fails when a test does, or when a fuzz target runs
less than LEAST percent of the lines of a source that it is there for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEAST = 95.0
# Changed inputs on top of the corpus: a number, not a time, so that each run finds the same lines.
CHANGED_INPUTS = 20_000
MINUTE = 60
NO_CODE = re.compile(r"[\s{})\];]*(//.*)?")

# What each fuzz target is there for.
PARSERS = {
    "list_page": [
        "listing/page_check.cc",
        "protocol/list_reply.cc",
        "protocol/xml_scanner.cc",
    ],
    "error_reply": [
        "protocol/error_document.cc",
        "protocol/error_reply.cc",
        "protocol/xml_document.cc",
    ],
    "response_head": [
        "protocol/content_range.cc",
        "protocol/dates.cc",
        "protocol/http.cc",
        "transfer/head_collector.cc",
    ],
    "config": [
        "connector/config.cc",
        "connector/config_table.cc",
        "connector/config_values.cc",
        "connector/json_leaves.cc",
    ],
    "names": [
        "base/utf8.cc",
        "protocol/aliyun_host.cc",
        "protocol/ascii.cc",
        "protocol/endpoint.cc",
        "protocol/object_name.cc",
        "protocol/percent.cc",
        "protocol/region.cc",
        "protocol/secrets.cc",
    ],
    "fast_listing": ["listing/fast_listing.cc", "listing/key_space.cc"],
}


@dataclass
class Lines:
    """Lines of code, how many of them were run, which were, and which were not."""

    total: int = 0
    run: int = 0
    covered: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)

    @property
    def percent(self) -> float:
        return 100.0 * self.run / self.total if self.total else 100.0

    def add(self, other: Lines) -> None:
        self.total += other.total
        self.run += other.run

    def __str__(self) -> str:
        return f"{self.run:6} of {self.total:6}  {self.percent:5.1f} %"


def forget(build: Path) -> None:
    """Begins to count anew."""
    for counts in build.rglob("*.gcda"):
        counts.unlink()


def count(build: Path, folders: Iterable[str]) -> dict[str, Lines]:
    """By gcovr: the lines of each source in csrc that the objects in `folders` know of."""
    written = build / "gcovr.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "gcovr", "--root", str(ROOT), "-j", str(os.cpu_count() or 1)),
            *("--filter", f"{ROOT}/csrc/", "--json", str(written)),
            # A test that a signal ends may leave a count half written.
            "--gcov-ignore-parse-errors=negative_hits.warn_once_per_file",
            *(str(build / folder) for folder in folders),
        ],
        check=True,
        cwd=build,
        timeout=15 * MINUTE,
    )
    found: dict[str, Lines] = {}
    for file in json.loads(written.read_text(encoding="utf-8"))["files"]:
        text = (ROOT / file["file"]).read_text(encoding="utf-8").splitlines()
        lines = found.setdefault(Path(file["file"]).relative_to("csrc").as_posix(), Lines())
        runs: defaultdict[int, int] = defaultdict(int)
        for line in file["lines"]:
            # At a closing brace GCC puts what is left to do after an exception; nobody wrote that.
            if not NO_CODE.fullmatch(text[line["line_number"] - 1]):
                runs[line["line_number"]] += line["count"]
        lines.total = len(runs)
        lines.covered = [number for number, times in runs.items() if times > 0]
        lines.missing = [number for number, times in runs.items() if times == 0]
        lines.run = len(lines.covered)
    return found


def measure_tests(build: Path, figures: dict[str, object]) -> bool:
    """The C++ tests, floor by floor; fuzz targets left out."""
    forget(build)
    done = subprocess.run(
        ["ctest", "--preset", "coverage", "--test-dir", str(build), "-E", "^fuzz_"],
        cwd=ROOT,
        timeout=40 * MINUTE,
        check=False,
    )
    floors: defaultdict[str, Lines] = defaultdict(Lines)
    for path, lines in count(build, ["csrc", "tests/csrc"]).items():
        floors[path.split("/")[0]].add(lines)
        floors["all of them"].add(lines)
    print("\nC++ tests, lines of each floor:")
    for floor, lines in floors.items():
        print(f"  {floor:36} {lines}")
    figures["tests"] = {floor: round(lines.percent, 1) for floor, lines in floors.items()}
    return done.returncode == 0


def measure_target(build: Path, target: str, figures: dict[str, object]) -> bool:
    """One fuzz target: what its corpus runs, and what random changes to it add."""
    forget(build)
    program = build / f"tests/fuzz/ossmc_{target}_fuzz"
    corpus = ROOT / "tests/fuzz/corpus" / target
    wanted = PARSERS[target]
    folders = sorted({f"csrc/{path.split('/')[0]}" for path in wanted})
    found: list[dict[str, Lines]] = []
    for inputs in (0, CHANGED_INPUTS):
        command = [str(program), "--runs", str(inputs), str(corpus)]
        # An input that breaks a rule is left in the folder in which the target runs.
        subprocess.run(command, cwd=build, timeout=20 * MINUTE, check=True)
        found.append(count(build, folders))
    print(f"\nfuzz target {target}, its corpus, and with changes to that:")
    enough = True
    for path in wanted:
        corpus_alone, changed = (lines[path] for lines in found)
        print(f"  {path:36} {corpus_alone.percent:5.1f} %   {changed}")
        if changed.missing:
            print(f"      not run: {', '.join(map(str, changed.missing))}")
        figures[path] = [round(corpus_alone.percent, 1), round(changed.percent, 1)]
        enough = enough and changed.percent >= LEAST
    if not enough:
        print(f"  less than {LEAST:.0f} %")
    return enough


def measure_python(build: Path, figures: dict[str, object]) -> bool:
    """The Python tests; what runs in processes that they start is not counted."""
    coverage = [sys.executable, "-m", "coverage"]
    data = f"--data-file={build / 'python.data'}"
    written = build / "python.json"
    # Tests have limits of time: a tracer in each line may cost some of them theirs.
    pytest = ["-m", "pytest", "-q", "-o", "timeout=300"]
    done = subprocess.run(
        [*coverage, "run", data, "--source=ossmodelconnector", *pytest],
        cwd=ROOT,
        timeout=60 * MINUTE,
        check=False,
    )
    print("\nPython tests, lines of each module:")
    subprocess.run([*coverage, "report", data, "--skip-empty"], cwd=ROOT, check=True)
    subprocess.run([*coverage, "json", data, "-q", "-o", str(written)], cwd=ROOT, check=True)
    totals = json.loads(written.read_text(encoding="utf-8"))["totals"]
    figures["python"] = round(Lines(totals["num_statements"], totals["covered_lines"]).percent, 1)
    return done.returncode == 0


def main(build: Path, parts: list[str]) -> int:
    written = build / "figures.json"
    figures: dict[str, object] = {}
    passed = True
    if "tests" in parts:
        passed = measure_tests(build, figures)
    if "fuzz" in parts:
        targets: dict[str, object] = {}
        for target in PARSERS:
            passed = measure_target(build, target, targets) and passed
        figures["fuzz"] = targets
    if "python" in parts:
        passed = measure_python(build, figures) and passed
    written.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print("\npassed" if passed else "\nFAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    PARTS = ["tests", "fuzz", "python"]
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(PARTS):
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:] or PARTS))
