"""Runs the tests of the Python layer on the other Pythons of this machine, 3.9 to 3.14.

Each gets the bindings, linked to the core that the wheel was built of, and an environment of its
own in build/pythons/3.N. The Python of .venv is left out: it runs all tests.

Usage: run_on_pythons.py build|test ends|all [PYTEST_ARGUMENT...]
    ends: the oldest and the newest that are there; all: each.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "pythons"
WHEELS = ROOT / "build" / "wheel"
WHEEL_BUILD = ROOT / "build" / "wheel-cmake"
UV = Path(sys.executable).with_name("uv")
MINORS = range(9, 15)
OWN_MINOR = sys.version_info[1]

# The command, files of fsspec, reader, lifecycle, processes, lists and consumers, logs, life
# without threads, tensors, many objects, and the examples of README.
TESTS = [
    "command/test_exits.py",
    "command/test_names.py",
    "command/test_pull.py",
    "command/test_verbs.py",
    "fsspec/test_getting.py",
    "fsspec/test_layers.py",
    "fsspec/test_listing.py",
    "fsspec/test_reading.py",
    "safetensors/test_headers.py",
    "safetensors/test_prefetch_loader.py",
    "safetensors/test_slices.py",
    "safetensors/test_tensor_use.py",
    "test_reader_property.py",
    "test_lifecycle.py",
    "test_interpreters.py",
    "test_processes.py",
    "test_no_threads.py",
    "test_logging.py",
    "test_object_list.py",
    "test_fast_list.py",
    "test_keys.py",
    "test_consumers.py",
    "test_api_surface.py",
    "test_docs.py",
    "test_docstrings.py",
    "test_first_example.py",
    "test_pull_config.py",
    "test_list_delimiter.py",
    "test_read_objects.py",
    "test_torch_load.py",
]

IS_COMPLETE = """
import pathlib, sys, sysconfig
assert sys.version_info[:2] == (3, int(sys.argv[1])) and sys.implementation.name == "cpython"
assert pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file(), "no headers"
print(sys.executable)
"""


def find_python(minor: int) -> str | None:
    """An interpreter of that version that can build and run: on the PATH, or under pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    candidates = [shutil.which(f"python3.{minor}")]
    candidates += map(str, sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python3.{minor}")))
    for candidate in filter(None, candidates):
        # pyenv puts a command on the PATH for versions that are not chosen, too: it only fails.
        command = [candidate, "-c", IS_COMPLETE, str(minor)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return None


def find_pythons(which: str) -> dict[int, str]:
    found = {minor: path for minor in MINORS if (path := find_python(minor))}
    missing = [f"3.{minor}" for minor in MINORS if minor not in found and minor != OWN_MINOR]
    print("Pythons that are not here, or without headers:", ", ".join(missing) or "none")
    if which == "ends":
        ends = {min([*found, OWN_MINOR]), max([*found, OWN_MINOR])}
        found = {minor: path for minor, path in found.items() if minor in ends}
    found.pop(OWN_MINOR, None)
    return found


def build(pythons: dict[int, str]) -> None:
    if not pythons:
        return
    cache = (WHEEL_BUILD / "CMakeCache.txt").read_text()
    (cmake,) = (
        line.partition("=")[2]
        for line in cache.splitlines()
        if line.startswith("CMAKE_COMMAND:INTERNAL=")
    )
    interpreters = ";".join(pythons.values())
    run(cmake, f"-DOSSMC_PYTHONS={interpreters}", str(WHEEL_BUILD), quiet=True)
    targets = [f"_core_3.{minor}" for minor in pythons]
    jobs = str(len(os.sched_getaffinity(0)))
    run(cmake, "--build", str(WHEEL_BUILD), "--parallel", jobs, "--target", *targets)
    for minor, python in pythons.items():
        copy_package(minor)
        make_environment(minor, python)


def copy_package(minor: int) -> None:
    site = BUILD / f"3.{minor}" / "site" / "ossmodelconnector"
    for old in [*site.rglob("*.py"), *site.rglob("*.pyc")]:
        old.unlink()
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "python/ossmodelconnector", site, ignore=ignored, dirs_exist_ok=True)
    copy_distribution(site.parent)


def copy_distribution(site: Path) -> None:
    """Has the package there be an installed one: its version and its entry points are known."""
    for old in site.glob("*.dist-info"):
        shutil.rmtree(old)
    (wheel,) = WHEELS.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith((".dist-info/METADATA", ".dist-info/entry_points.txt")):
                archive.extract(name, site)


def make_environment(minor: int, python: str) -> None:
    """Makes it anew where pyproject.toml has changed, or the interpreter is another."""
    folder = BUILD / f"3.{minor}"
    made_of = f"{python}\n{(ROOT / 'pyproject.toml').read_text()}"
    stamp = folder / "environment-made-of"
    if stamp.exists() and stamp.read_text() == made_of:
        return
    environment = folder / "environment"
    run(str(UV), "venv", "--quiet", "--clear", "--python", python, str(environment))
    how = ("--quiet", "--compile-bytecode")
    packages = ("-r", "pyproject.toml", "--extra", "cli", "--extra", "local", "--group", "test")
    run(str(UV), "pip", "install", *how, "--python", str(environment), *packages)
    (packages_folder,) = environment.glob("lib/python3.*/site-packages")
    (packages_folder / "ossmodelconnector.pth").write_text(f"{folder / 'site'}\n")
    stamp.write_text(made_of)


def run(*command: str, quiet: bool = False) -> None:
    subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL if quiet else None, text=True
    )


def test(pythons: dict[int, str], arguments: list[str]) -> int:
    failed = []
    for minor in pythons:
        print(f"--- Python 3.{minor}", flush=True)
        begin = time.monotonic()
        python = BUILD / f"3.{minor}" / "environment" / "bin" / "python"
        tests = [f"tests/python/{name}" for name in TESTS]
        command = [str(python), "-m", "pytest", "-q", *arguments, *tests]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(f"3.{minor}")
        print(f"--- Python 3.{minor}: {time.monotonic() - begin:.0f} s", flush=True)
    print("Pythons that failed:", ", ".join(failed) or "none")
    return 1 if failed else 0


def main(verb: str, which: str, *arguments: str) -> int:
    pythons = find_pythons(which)
    print("Pythons besides that of .venv:", ", ".join(f"3.{minor}" for minor in pythons) or "none")
    if verb == "build":
        build(pythons)
        return 0
    return test(pythons, list(arguments))


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("build", "test"):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
