"""The C++ tests of base and memory, built by the compiler of the wheels and run by qemu."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from wheels.roots import REPOSITORY, Root

FLOORS = ("base", "memory")
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
BUILD = REPOSITORY / "build/wheels/arm64-tests"
GOOGLETEST = Path("/usr/src/googletest")  # Debian's package brings the sources
BUNDLED = REPOSITORY / "build/bundled/aarch64"


def check(root: Root) -> dict:
    root.make()
    tests = build()
    passed = {}
    for floor in FLOORS:
        command = [f"/read/tests/ossmc_{floor}_test", f"--gtest_filter=-{':'.join(BEYOND_QEMU)}"]
        told = root.run(command, {tests: "/read/tests"}, limit_seconds=1800)
        passed[floor] = int(re.search(r"\[  PASSED  \] (\d+) tests", told).group(1))
    return {"tests_passed": passed, "beyond_qemu": len(BEYOND_QEMU)}


def build() -> Path:
    toolchain = [
        f"-DCMAKE_TOOLCHAIN_FILE={REPOSITORY / 'third_party/bundled/toolchain.cmake'}",
        f"-DOSSMC_COMMANDS={BUNDLED / 'commands'}",
        "-DOSSMC_PROCESSOR=aarch64",
        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-GNinja",
    ]
    installed = BUILD / "googletest"
    if not (installed / "include").exists():
        cmake(
            "-S",
            GOOGLETEST,
            "-B",
            BUILD / "googletest-build",
            *toolchain,
            f"-DCMAKE_INSTALL_PREFIX={installed}",
        )
        cmake("--build", BUILD / "googletest-build", "--target", "install")
    cmake(
        *["-S", REPOSITORY, "-B", BUILD / "cmake", *toolchain, f"-DOSSMC_BUNDLED={BUNDLED}"],
        *[f"-DCMAKE_PREFIX_PATH={installed}", "-DOSSMC_BUILD_TESTS=ON", "-DOSSMC_BUILD_BENCH=OFF"],
    )
    cmake("--build", BUILD / "cmake", *[f"--target=ossmc_{floor}_test" for floor in FLOORS])
    return BUILD / "cmake/tests/csrc"


def cmake(*words: str | Path) -> None:
    environ = {**os.environ, "OSSMC_BUILD_ROOT": str(REPOSITORY)}
    subprocess.run(["cmake", *map(str, words)], check=True, env=environ, stdout=subprocess.DEVNULL)
