"""A copy of the tree, in which one line at a time is changed, and its builds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.measure_coverage import ROOT

MINUTE = 60
BUILDS = {
    # As `make test` builds the C++ tests.
    "asan": [
        "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1",
        "-DOSSMC_BUILD_TESTS=ON",
        "-DOSSMC_SANITIZE=address,undefined",
    ],
    # As pip builds the module.
    "module": ["-DOSSMC_BUILD_PYTHON=ON"],
}


ENDLESS = "no end"


class EndlessError(Exception):
    """A command has not ended in its time."""


def call(
    command: Sequence[str], folder: Path, limit_seconds: float, environ: Mapping[str, str]
) -> tuple[int, str]:
    """Its status and all that it says; it ends with what it has started."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        raise EndlessError(f"{ENDLESS} after {limit_seconds:.0f} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, said


class Copy:
    """The tree as it is in the working folder, below `folder`, with its builds beside it."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.tree = folder / "tree"
        self._folder = folder
        self._jobs = jobs
        self._bring()

    def _bring(self) -> None:
        """Files that are as they were keep their time, so that nothing is compiled again."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
        for name in names:
            to = self.tree / name
            if not to.exists() or to.read_bytes() != (ROOT / name).read_bytes():
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, to)
        for part in ("csrc", "python", "tests"):
            for there in (self.tree / part).rglob("*"):
                ours = "__pycache__" in there.parts or there.suffix == ".so"
                if there.is_file() and not ours and str(there.relative_to(self.tree)) not in names:
                    there.unlink()

    @contextmanager
    def changed(self, name: str, number: int, after: str) -> Iterator[None]:
        """Line `number` of a file is `after`, for a while."""
        path = self.tree / name
        before = path.read_text(encoding="utf-8")
        lines = before.split("\n")
        lines[number - 1] = after
        path.write_text("\n".join(lines), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")

    def build(self, name: str, target: str) -> tuple[bool, str]:
        """Brings a target of one of BUILDS up to date: whether it compiles, and what was said."""
        folder = self._folder / name
        common = ["-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DOSSMC_BUILD_BENCH=OFF"]
        python = f"-DPython_EXECUTABLE={sys.executable}"
        if not (folder / "build.ninja").exists():
            configure = ["cmake", "-S", str(self.tree), "-B", str(folder), *common, python]
            subprocess.run([*configure, *BUILDS[name]], check=True, timeout=5 * MINUTE)
        ninja = ["ninja", "-C", str(folder), f"-j{self._jobs}", target]
        status, said = call(ninja, self._folder, 30 * MINUTE, {})
        return status == 0, said

    def place_module(self) -> None:
        """Puts the module where the copy's own package finds it."""
        (core,) = (self._folder / "module").glob("csrc/bindings/_core*.so")
        shutil.copy(core, self.tree / "python/ossmodelconnector" / core.name)

    def ctest(
        self, tests: str, limit_seconds: float, environ: Mapping[str, str]
    ) -> tuple[int, str]:
        """Runs the CTest tests whose names match."""
        command = ["ctest", "-R", tests, "-LE", "check", f"-j{self._jobs}"]
        command += ["--output-on-failure", "--stop-on-failure", "--no-tests=error"]
        sanitizers = {
            "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        return call(command, self._folder / "asan", limit_seconds, {**sanitizers, **environ})

    def pytest(self, arguments: Sequence[str], limit_seconds: float) -> tuple[int, str]:
        """Runs pytest on the copy's tests, package and module."""
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        environ = {"PYTHONPATH": str(self.tree / "python")}
        return call(command, self.tree, limit_seconds, environ)
