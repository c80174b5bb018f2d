"""All long tests, one after the other: `make test-long`.

    PYTHONPATH=tests python -m long [PART...]

Each part is a program of its own with a limit of time. The result is build/test-long.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "build/test-long.json"
MINUTE = 60
SOAK_SECONDS = 300
STRESS_SECONDS = 120
FUZZ_SECONDS = 60
FUZZ_TARGETS = ("names", "error_reply", "response_head", "list_page", "fast_listing", "config")
# Of each kind; a tenth of that runs with every `make test-cpp`.
CORE_SCHEDULES = 100_000
# A thirtieth of that runs with every `make test-python`.
SECRET_INPUTS = 100_000


@dataclass(frozen=True)
class Part:
    """A program, which may write its result to the file that takes the place of RESULT."""

    name: str
    command: Sequence[str]
    limit_seconds: float
    environ: tuple[tuple[str, str], ...] = ()


RESULT = "RESULT"


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"long.{module}", *arguments, "--output", RESULT]


def parts(seed: int) -> list[Part]:
    """All of them; `seed` is for those that do something else each time."""
    every = [
        Part(
            "schedules-2MiB",
            python("fault_schedules", "--count", "10000"),
            30 * MINUTE,
        ),
        Part(
            "schedules-64MiB",
            python("fault_schedules", "--count", "300", "--size", "64MiB", "--threads", "8"),
            40 * MINUTE,
        ),
        Part("flipped-bits", python("flipped_bits", "--trials", "100"), 30 * MINUTE),
        Part("data-loader", python("data_loader"), 16 * MINUTE),
        Part(
            "soak",
            python("soak", "--seconds", str(SOAK_SECONDS), "--seed", str(seed)),
            SOAK_SECONDS + 10 * MINUTE,
        ),
        Part(
            "core-schedules",
            [
                str(ROOT / "build/dev/tests/csrc/ossmc_prefetch_test"),
                "--gtest_filter=SchedulerInvariants.*",
            ],
            40 * MINUTE,
            (("OSSMC_SCHEDULES", str(CORE_SCHEDULES)),),
        ),
    ]
    secrets = str(ROOT / "tests/python/test_secrets_in_texts.py")
    every.append(
        Part(
            "secrets",
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--timeout=1800",
                secrets,
            ],
            30 * MINUTE,
            (("OSSMC_SECRET_INPUTS", str(SECRET_INPUTS)), ("OSSMC_SECRET_SEED", str(seed))),
        ),
    )
    stress = [str(ROOT / "build/asan/tests/stress/ossmc_stress"), "--seconds", str(STRESS_SECONDS)]
    every.append(
        Part("stress", [*stress, "--seed", str(seed)], STRESS_SECONDS + 5 * MINUTE),
    )
    for target in FUZZ_TARGETS:
        program = ROOT / f"build/asan/tests/fuzz/ossmc_{target}_fuzz"
        corpus = ROOT / f"tests/fuzz/corpus/{target}"
        command = [str(program), "--seconds", str(FUZZ_SECONDS), "--seed", str(seed), str(corpus)]
        every.append(Part(f"fuzz-{target}", command, FUZZ_SECONDS + 5 * MINUTE))
    return every


def run(part: Part) -> dict[str, object]:
    """Runs it to its end, or to the end of its time; what it wrote is under "result"."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "result.json")
        command = [str(written) if word == RESULT else word for word in part.command]
        print(f"=== {part.name}: {' '.join(map(str, part.command))}", flush=True)
        begin = time.monotonic()
        try:
            status = subprocess.run(
                command,
                cwd=ROOT / "build",
                env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), **dict(part.environ)},
                timeout=part.limit_seconds,
            ).returncode
        except subprocess.TimeoutExpired:
            print(f"it has taken {part.limit_seconds:.0f} s", file=sys.stderr)
            status = -1
        except OSError as error:
            print(error, file=sys.stderr)
            status = -1
        outcome: dict[str, object] = {
            "passed": status == 0,
            "seconds": round(time.monotonic() - begin, 1),
        }
        if written.exists():
            result = json.loads(written.read_text())
            # Hundreds of samples: they are for who looks at one soak.
            for name in ("under_load", "at_rest"):
                result.pop(name, None)
            outcome["result"] = result
    print(f"=== {part.name}: {'passed' if status == 0 else 'FAILED'}", flush=True)
    return outcome


def main() -> int:
    seed = random.SystemRandom().randrange(1, 1 << 20)
    names = [part.name for part in parts(seed)]
    parser = argparse.ArgumentParser(prog="long", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(names))
    parser.add_argument("--seed", type=int, default=seed)
    options = parser.parse_args()
    unknown = set(options.parts) - set(names)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    report: dict[str, object] = {
        "begun": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "seed": options.seed,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }
    outcomes: dict[str, dict[str, object]] = {}
    report["parts"] = outcomes
    for part in parts(options.seed):
        if not options.parts or part.name in options.parts:
            outcomes[part.name] = run(part)
            # After each: what comes later may be interrupted.
            OUTPUT.parent.mkdir(exist_ok=True)
            OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    failed = [name for name, outcome in outcomes.items() if not outcome["passed"]]
    for name, outcome in outcomes.items():
        print(f"{name:20} {'passed' if outcome['passed'] else 'FAILED'} {outcome['seconds']:8} s")
    print(f"{len(failed)} of {len(outcomes)} failed; {OUTPUT.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
