"""C++ tests of the lower floors, built as the wheels are, on the libraries inside them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from wheels.roots import REPOSITORY, Root

# Run here, and by qemu in a bare system of arm64. Those of transfer cannot be linked: functions of
# their own stand before those of a shared libcurl, which this one is not.
FLOORS = {"x86_64": ("base", "memory", "auth"), "aarch64": ("base", "memory")}
# They look at what madvise() did: qemu-user says that it succeeded, and does nothing.
BEYOND_QEMU = (
    "ChunkTest.PagesAreMadeAsItIsFilled",
    "Mapping.PagesComeAtOnceOrWhenTheyAreWritten",
    "Mapping.WhatIsHiddenFromForksIsSeenWhereItMovesTo",
    "NewPagesTest.PagesComeASliceAtATimeAndNotBeforeTheyAreNeeded",
    "NewPagesTest.NoPageIsMadeBeyondWhatWasAskedFor",
    "NewPagesTest.PagesSharedWithNeighboursAreLeftToThem",
    "NewPagesTest.LargeMemoryOfCallersGetsHugePagesWhereTheyAreCheaper",
    "PagePoolTest.NewMemoryGetsItsPagesAsItIsWrittenAndUsedMemoryHasThem",
    "PagePoolTest.RetireGivesTheMemoryBackToTheSystem",
    "PagePoolTest.AForkedChildMayDropItsBlocksAndThePool",
)
GOOGLETEST = Path("/usr/src/googletest")  # Debian's package brings the sources


def check_here() -> dict:
    tests = build("x86_64")
    return {"tests_passed": {floor: passed(run_here(tests, floor)) for floor in FLOORS["x86_64"]}}


def check_by_qemu(root: Root) -> dict:
    root.make()
    tests = build("aarch64")
    counts = {}
    for floor in FLOORS["aarch64"]:
        command = [f"/read/tests/ossmc_{floor}_test", f"--gtest_filter=-{':'.join(BEYOND_QEMU)}"]
        counts[floor] = passed(root.run(command, {tests: "/read/tests"}, limit_seconds=1800))
    return {"tests_passed": counts, "beyond_qemu": len(BEYOND_QEMU)}


def run_here(tests: Path, floor: str) -> str:
    done = subprocess.run(
        [tests / f"ossmc_{floor}_test"], stdout=subprocess.PIPE, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def passed(told: str) -> int:
    return int(re.search(r"\[  PASSED  \] (\d+) tests", told).group(1))


def build(processor: str) -> Path:
    folder = REPOSITORY / "build/wheels/cpp-tests" / processor
    bundled = REPOSITORY / "build/bundled" / processor
    toolchain = [
        f"-DCMAKE_TOOLCHAIN_FILE={REPOSITORY / 'third_party/bundled/toolchain.cmake'}",
        f"-DOSSMC_COMMANDS={bundled / 'commands'}",
        f"-DOSSMC_PROCESSOR={processor}",
        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-GNinja",
    ]
    installed = folder / "googletest"
    if not (installed / "include").exists():
        made = folder / "googletest-build"
        cmake("-S", GOOGLETEST, "-B", made, *toolchain, f"-DCMAKE_INSTALL_PREFIX={installed}")
        cmake("--build", made, "--target", "install")
    made = folder / "cmake"
    cmake(
        *["-S", REPOSITORY, "-B", made, *toolchain, f"-DOSSMC_BUNDLED={bundled}"],
        *[f"-DCMAKE_PREFIX_PATH={installed}", "-DOSSMC_BUILD_TESTS=ON", "-DOSSMC_BUILD_BENCH=OFF"],
        # Tests name headers that their floor does not hand on: elsewhere the system has them.
        f"-DCMAKE_CXX_FLAGS=-isystem {bundled / 'include'}",
    )
    cmake("--build", made, *[f"--target=ossmc_{floor}_test" for floor in FLOORS[processor]])
    return made / "tests/csrc"


def cmake(*words: str | Path) -> None:
    environ = {**os.environ, "OSSMC_BUILD_ROOT": str(REPOSITORY)}
    subprocess.run(["cmake", *map(str, words)], check=True, env=environ, stdout=subprocess.DEVNULL)
