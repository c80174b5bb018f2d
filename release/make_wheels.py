"""Makes self-contained wheels, for the Pythons that are here and the processors asked for.

    python release/make_wheels.py           x86_64, each CPython from 3.9 on that is here
    python release/make_wheels.py --processor aarch64 --python 3.12

They go to build/wheels/dist, what debuggers want to build/wheels/debug. Each is built without an
environment of pip's own and by SOURCE_DATE_EPOCH (else the date of the last commit), so that the
same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/wheels"
BUNDLED = ROOT / "third_party/bundled"
sys.path[:0] = [str(BUNDLED), str(ROOT / "tests")]

import compilers  # noqa: E402
import pybind11  # noqa: E402
from support.run_on_pythons import find_python  # noqa: E402

import build as bundled  # noqa: E402

TAG = f"manylinux_{compilers.GLIBC.replace('.', '_')}"


def run(*words: str | Path, **options: Any) -> None:
    code = subprocess.call([str(word) for word in words], **options)
    if code:
        raise SystemExit(f"{' '.join(map(str, words))}: exit code {code}")


def source_date() -> str:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    asked = ["git", "log", "-1", "--format=%ct"]
    return subprocess.check_output(asked, cwd=ROOT, text=True).strip()


def build_requirements() -> list[str]:
    """Those of pyproject.toml, by its one line of that form: tomllib is not in each Python."""
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if line.startswith("requires = ["):
            return [
                word
                for word in line.split('"')
                if word[0].isalpha() and not word.startswith("requires")
            ]
    raise SystemExit("pyproject.toml has no line that begins with: requires = [")


def environment_of(python: str, name: str) -> Path:
    """An environment with what the build requires, made once."""
    folder = BUILD / "environments" / name
    uv = Path(sys.executable).with_name("uv")
    if not (folder / "bin/python").exists():
        run(uv, "venv", "--quiet", "--python", python, folder)
    install = [uv, "pip", "install", "--quiet", "--python", folder / "bin/python"]
    run(*install, "pip", *build_requirements())
    return folder


def make(minor: int, processor: str, python: str) -> Path:
    """One wheel; its path in build/wheels/dist. The core is compiled once for all Pythons."""
    prefix = ROOT / "build/bundled" / processor
    environment = environment_of(python, f"3.{minor}")
    suffix = f".cpython-3{minor}-{processor}-linux-gnu.so"
    raw, work = BUILD / "raw" / f"cp3{minor}-{processor}", BUILD / "cmake" / processor
    shutil.rmtree(raw, ignore_errors=True)
    defines = {
        "CMAKE_TOOLCHAIN_FILE": BUNDLED / "toolchain.cmake",
        "OSSMC_BUNDLED": prefix,
        "OSSMC_COMMANDS": prefix / "commands",
        "OSSMC_PROCESSOR": processor,
        "pybind11_DIR": Path(pybind11.get_cmake_dir()),
    }
    run(
        *[environment / "bin/python", "-m", "pip", "--disable-pip-version-check", "wheel"],
        *["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", raw],
        f"--config-settings=build-dir={work}",
        *[f"--config-settings=cmake.define.{key}={value}" for key, value in defines.items()],
        ROOT,
        env={
            **compilers.environment(prefix / "commands"),
            "OSSMC_BUILD_ROOT": str(ROOT),
            "SOURCE_DATE_EPOCH": source_date(),
            # For scikit-build-core: which processor's wheel this is.
            "_PYTHON_HOST_PLATFORM": f"linux-{processor}",
            "SETUPTOOLS_EXT_SUFFIX": suffix,
            "OSSMC_PYTHON_ROOT": str(Path(python).resolve().parents[1]),
        },
    )
    [wheel] = raw.glob("*.whl")
    [symbols] = work.rglob(f"_core{suffix}.debug")
    return finish(wheel, symbols, processor)


def finish(wheel: Path, symbols: Path, processor: str) -> Path:
    """Checks that the wheel is what its name will say, and puts its debug information beside it."""
    dist, debug = BUILD / "dist", BUILD / "debug"
    for folder in (dist, debug):
        folder.mkdir(parents=True, exist_ok=True)
    scripts = Path(sys.executable).parent
    run(
        *[scripts / "auditwheel", "repair", "--plat", "auto", "--only-plat"],
        *["--wheel-dir", dist, wheel],
        env={
            **os.environ,
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "SOURCE_DATE_EPOCH": source_date(),
        },
    )
    tags = wheel.stem.rpartition("-")[0]
    made = dist / f"{tags}-{TAG}_{processor}.whl"
    if not made.exists():
        raise SystemExit(f"{wheel.name} is not good for {TAG}: auditwheel show {wheel}")
    build_id = build_id_of(symbols)
    with zipfile.ZipFile(debug / f"{made.stem}.debug.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(symbols, f".build-id/{build_id[:2]}/{build_id[2:]}.debug")
    return made


def build_id_of(symbols: Path) -> str:
    notes = subprocess.check_output(["readelf", "--notes", symbols], text=True)
    return notes.partition("Build ID: ")[2].split()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processor", choices=compilers.PROCESSORS, action="append")
    parser.add_argument(
        "--python", action="append", metavar="3.N", help="default: each that is here"
    )
    asked = parser.parse_args()
    minors = [int(each.split(".")[1]) for each in asked.python or []] or range(9, 15)
    pythons = {minor: find_python(minor) for minor in minors}
    missing = [minor for minor in minors if asked.python and not pythons[minor]]
    if missing:
        raise SystemExit(f"CPython 3.{missing[0]} with its headers is not here")
    for processor in asked.processor or [sysconfig.get_platform().split("-")[-1]]:
        bundled.build(processor, ROOT / "build/bundled" / processor)
        shutil.rmtree(BUILD / "cmake" / processor, ignore_errors=True)
        for minor, python in pythons.items():
            if python:
                print(make(minor, processor, python), flush=True)


if __name__ == "__main__":
    main()
