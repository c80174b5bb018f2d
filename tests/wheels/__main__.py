"""All checks of the wheels in build/wheels/dist, in bare systems and beside other libraries.

    PYTHONPATH=tests python -m wheels [PART...]

The result goes to build/test-wheels.json. A part that this machine cannot run fails, and says why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path

from support.run_on_pythons import find_python

from wheels import cpp_tests, file_checks, from_source, neighbours
from wheels.roots import REPOSITORY, Root

DIST = REPOSITORY / "build/wheels/dist"
WHEELHOUSE = REPOSITORY / "build/wheels/wheelhouse"
OUTPUT = REPOSITORY / "build/test-wheels.json"
PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64"}
# pip takes wheels for older systems too, but a foreign system's it must be told one by one.
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")

PYENV = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()


def wheel_for(minor: int, architecture: str) -> Path:
    found = sorted(DIST.glob(f"*-cp3{minor}-cp3{minor}-*_{PROCESSORS[architecture]}.whl"))
    if not found:
        raise FileNotFoundError(f"no wheel of CPython 3.{minor} for {architecture}: make wheels")
    return found[-1]


def wheelhouse(minor: int, architecture: str) -> Path:
    """What the local server needs, for a system that is bare and has no network."""
    folder = WHEELHOUSE / f"3.{minor}-{architecture}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
            + ["--only-binary=:all:", f"--python-version=3.{minor}", "--implementation=cp"]
            + [f"--platform={name}_{PROCESSORS[architecture]}" for name in PLATFORMS]
            + ["--dest", str(part), "aiohttp>=3.9,<4", "cryptography>=42"]
            + ["typing_extensions>=4", "async-timeout"],  # pip asks for those by its own Python
            check=True,
        )
        part.rename(folder)
    return folder


def first_example(root: Root, python: str, minor: int, binds: dict[Path, str]) -> dict:
    """Installs the wheel by that Python of the root, and runs README's first example."""
    root.make()
    wheel = wheel_for(minor, root.architecture)
    binds = {
        **binds,
        wheel.parent: "/read/dist",
        wheelhouse(minor, root.architecture): "/read/wheelhouse",
        REPOSITORY / "tests/wheels": "/read/tests",
    }
    environment = "/root/environment"
    script = f"""set -e
rm -rf {environment}
{python} -m venv {environment}
{environment}/bin/pip --disable-pip-version-check install --quiet --no-index \
    --find-links /read/wheelhouse '/read/dist/{wheel.name}[local]'
{environment}/bin/python -X faulthandler /read/tests/late_threads.py
{environment}/bin/python -X faulthandler /read/tests/first_example.py /root/README.md
rm -rf {environment}
"""
    (root.path / "root/README.md").write_bytes((REPOSITORY / "README.md").read_bytes())
    told = json.loads(root.run(["sh", "-c", script], binds).splitlines()[-1])
    if told["compilers"] or told["libraries_brought"]:
        raise AssertionError(told)
    return told


def own_python(suite: str, architecture: str = "amd64") -> dict:
    root = Root(suite, architecture)
    root.make()
    asked = ["python3", "-c", "import sys; print(sys.version_info[1])"]
    return first_example(root, "python3", int(root.run(asked, {})), {})


def pyenv_python(minor: int) -> dict:
    python = find_python(minor)
    if python is None or not Path(python).resolve().is_relative_to(PYENV):
        raise FileNotFoundError(f"pyenv has no CPython 3.{minor} here")
    return first_example(Root("bookworm"), python, minor, {PYENV: str(PYENV)})


PARTS = {
    "files": lambda: file_checks.check_all(DIST),
    "debian-11": lambda: own_python("bullseye"),
    "debian-12": lambda: own_python("bookworm"),
    "debian-13": lambda: own_python("trixie"),
    **{f"pyenv-3.{minor}": lambda minor=minor: pyenv_python(minor) for minor in range(9, 14)},
    "neighbours": lambda: neighbours.check(wheel_for(sys.version_info[1], "amd64")),
    "cpp": cpp_tests.check_here,
    "sdist": from_source.check_sdist,
    "same-bytes": lambda: from_source.check_same_bytes(wheel_for(9, "amd64"), 9),
    "debian-12-arm64": lambda: own_python("bookworm", "arm64"),
    "cpp-arm64": lambda: cpp_tests.check_by_qemu(Root("bookworm", "arm64")),
}


def write(results: dict) -> None:
    """Into the file of results, where those of other parts stay."""
    known = json.loads(OUTPUT.read_text())["parts"] if OUTPUT.exists() else {}
    parts = {name: one for name, one in {**known, **results}.items() if name in PARTS}
    told = {"machine": platform.machine(), "parts": parts}
    OUTPUT.write_text(json.dumps(told, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", help=f"default: all. {' '.join(PARTS)}")
    names = parser.parse_args().part or list(PARTS)
    unknown = set(names) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    results = {}
    for name in names:
        begun = time.monotonic()
        try:
            results[name] = {"passed": True, **PARTS[name]()}
        except Exception as error:
            traceback.print_exc()
            results[name] = {"passed": False, "error": str(error)[-2000:]}
        results[name]["seconds"] = round(time.monotonic() - begun, 1)
        print(f"{'passed' if results[name]['passed'] else 'FAILED'}  {name}", flush=True)
    write(results)
    failed = sum(not one["passed"] for one in results.values())
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
