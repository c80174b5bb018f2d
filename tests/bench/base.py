"""The commit that ours is held against: its package and its programs, built once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.processes import ROOT

_PROGRAMS = ("ossmc_bench", "ossmc_list_simulation")
_BUILD_SECONDS = 3600
_SHOWN_LINES = 15


@dataclass(frozen=True)
class Base:
    """A commit, and where it lies ready to run."""

    commit: str
    package: Path  # the folder to import from
    programs: Path

    @property
    def name(self) -> str:
        return f"base {self.commit[:9]}"

    @property
    def ossmc_bench(self) -> Path:
        return self.programs / "ossmc_bench"

    def environment(self) -> dict[str, str]:
        """What a client finds in its environment, so that it imports this package, not ours."""
        return {"PYTHONPATH": os.pathsep.join([str(self.package), str(ROOT / "tests")])}


def prepare(revision: str, folder: Path) -> Base:
    """Builds what git calls `revision` into `folder`, unless an earlier run has.

    It is built with the tools of this environment, as ours was: a difference is one of the code.
    """
    commit = _commit(revision)
    # The package is for one version of Python alone.
    place = folder / f"{commit}-{sys.implementation.cache_tag}"
    base = Base(commit, place / "package", place / "programs")
    if not place.exists():
        print(f"building {base.name}, once: it takes minutes", flush=True)
        partial = place.with_name(place.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _build(base, partial)
        partial.rename(place)
    _check(base)
    return base


def _commit(revision: str) -> str:
    words = ["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"--base takes git, which does not run: {error.strerror}") from error
    if done.returncode != 0:
        raise BenchError(f"{revision!r} is no commit of this repository\n{done.stderr}".strip())
    return done.stdout.strip()


def _build(base: Base, folder: Path) -> None:
    source, made = folder / "source", folder / "made"
    archive = folder / "source.tar"
    source.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    options = [f"build-dir={made}", "cmake.define.OSSMC_BUILD_BENCH=ON"]
    settings = [f"--config-settings={option}" for option in options]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    _run(base, ["git", "archive", "--output", str(archive), base.commit], ROOT)
    _run(base, ["tar", "--extract", "--file", str(archive)], source)
    _run(base, [*wheel, *settings, "."], source)
    (built,) = folder.glob("*.whl")
    target = ["--target", str(folder / "package")]
    _run(base, [*pip, "install", "--no-deps", "--quiet", *target, str(built)], folder)
    (folder / "programs").mkdir()
    for name in _PROGRAMS:
        if (made / name).exists():  # not all commits have them
            shutil.copy2(made / name, folder / "programs" / name)
    for path in (source, made):
        shutil.rmtree(path)
    for path in (archive, built):
        path.unlink()


def _run(base: Base, command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_BUILD_SECONDS,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-_SHOWN_LINES:])
        raise BenchError(f"{base.name} was not built: {' '.join(command)}:\n{last}")


def _check(base: Base) -> None:
    """That its package, and no other, is what a client imports."""
    done = subprocess.run(
        [sys.executable, "-c", "import ossmodelconnector as o; print(o.__file__)"],
        env={**os.environ, **base.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if not done.stdout.startswith(str(base.package)):
        told = done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]
        raise BenchError(
            f"{base.name} is not what clients would import ({told}): remove {base.package.parent}"
        )
