"""Who finds a mutant: the tests that `make test` runs, the cheapest first."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from .copy import ENDLESS, Copy, EndlessError

# From the lowest up, as in csrc/CMakeLists.txt: the tests of a floor do not hold those above it.
FLOORS = (
    "base",
    "memory",
    "protocol",
    "auth",
    "transfer",
    "fetch",
    "prefetch",
    "listing",
    "connector",
)
FAILED_CASE = re.compile(r"^\d*:? *\[  FAILED  \] (\w+(?:/\w+)?\.\w+(?:/\w+)?)", re.MULTILINE)
CRASH = re.compile(
    r"SUMMARY: .*|.*Assertion .* failed.*|.*runtime error: .*|.*\*\*\*Exception: \w+", re.MULTILINE
)
FAILED_PYTHON = re.compile(r"^(?:FAILED|ERROR) (tests/\S+)", re.MULTILINE)
# Cases of minutes under sanitizers: they run when no other has found anything.
LONG = "*RandomSchedule*:SchedulerInvariants.*:FastListing*"
SHORT = f"-{LONG}"
PYTEST = ["-n", "3", "--dist", "worksteal", "-m", "not long"]
# How much longer than on the unchanged tree: the machine may be busy with something else.
PATIENCE = 4
LEAST_SECONDS = 90
# While that is not known.
FIRST_LIMIT = {SHORT: 120.0, LONG: 1200.0, "pytest": 1800.0}


class NotCompiledError(Exception):
    """The change is none that could be tested."""


class UnsoundError(Exception):
    """The tests fail on the unchanged tree."""


class Suite:
    """The tests, which have passed on the unchanged tree of `copy`."""

    def __init__(self, copy: Copy, say: Callable[[str], None]) -> None:
        self._copy = copy
        self._say = say
        self._limits: dict[str, float] = {}
        # Tests of Python that fail here without a change.
        self.left_out: list[str] = []

    def pass_unchanged(self, with_python: bool) -> None:
        """Learns how long they take; raises UnsoundError when a C++ test fails."""
        for cases in (SHORT, LONG):
            for floor in FLOORS:
                begin = time.monotonic()
                found = self._floor(floor, cases)
                if found is not None:
                    raise UnsoundError(f"without any change: {found}")
                self._note(f"{floor} {cases}", time.monotonic() - begin)
        if with_python:
            self._build_module()
            begin = time.monotonic()
            _, said = self._pytest(PYTEST)
            self.left_out = FAILED_PYTHON.findall(said)
            self._say("pytest: " + said.strip().rpartition("\n")[2])
            self._note("pytest", time.monotonic() - begin)

    def _note(self, name: str, seconds: float) -> None:
        self._say(f"unchanged: {name} in {seconds:.0f} s")
        self._limits[name] = max(LEAST_SECONDS, PATIENCE * seconds)

    def who_finds(self, floor: str, with_python: bool) -> str | None:
        """The first test that fails twice with the change that is in the copy; None: nobody."""
        for cases in (SHORT, LONG):
            for above in FLOORS[FLOORS.index(floor) :]:
                found = self._floor(above, cases)
                if found is not None and self._again(above, cases, found):
                    return found
        return self._python() if with_python else None

    def _floor(self, floor: str, cases: str) -> str | None:
        compiled, said = self._copy.build("asan", f"ossmc_{floor}_test")
        if not compiled:
            raise NotCompiledError(said)
        environ = {"GTEST_FILTER": cases, "GTEST_FAIL_FAST": "1"}
        limit = self._limits.get(f"{floor} {cases}") or FIRST_LIMIT.get(cases, FIRST_LIMIT[LONG])
        try:
            status, said = self._copy.ctest(rf"^{floor}(_[0-9]+)?$", limit, environ)
        except EndlessError as endless:
            return f"{floor}: {endless}"
        if status == 0:
            return None
        case = FAILED_CASE.search(said)
        crash = CRASH.search(said)
        if case is not None:
            return f"{floor}: {case[1]}"
        return f"{floor}: {crash[0].strip() if crash else 'ended by status ' + str(status)}"

    def _again(self, floor: str, cases: str, found: str) -> bool:
        """A test that fails once may have failed by chance; a limit of time is generous."""
        case = found.partition(": ")[2]
        if case.startswith(ENDLESS):
            return True
        return self._floor(floor, case if re.fullmatch(r"[\w/.]+", case) else cases) is not None

    def _build_module(self) -> None:
        compiled, said = self._copy.build("module", "_core")
        if not compiled:
            raise NotCompiledError(said)
        self._copy.place_module()

    def _python(self) -> str | None:
        self._build_module()
        left_out = [word for name in self.left_out for word in ("--deselect", name)]
        for _ in range(3):
            try:
                status, said = self._pytest([*PYTEST, "-x", *left_out])
            except EndlessError as endless:
                return f"pytest: {endless}"
            if status == 0:
                return None
            failed = FAILED_PYTHON.findall(said)
            if not failed or self._fails_again(failed):
                return f"pytest: {failed[0] if failed else 'ended by status ' + str(status)}"
        return None

    def _fails_again(self, failed: Sequence[str]) -> bool:
        try:
            return self._pytest([*failed, "-x"])[0] != 0
        except EndlessError:
            return True

    def _pytest(self, arguments: Sequence[str]) -> tuple[int, str]:
        return self._copy.pytest(arguments, self._limits.get("pytest", FIRST_LIMIT["pytest"]))
