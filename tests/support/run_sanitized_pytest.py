"""Runs pytest on a core that was built with AddressSanitizer and UndefinedBehaviorSanitizer by GCC.

The interpreter is not sanitized, so their runtimes are loaded before everything else. What they
find ends the process that it was found in.

Usage: run_sanitized_pytest.py BUILD_FOLDER [ARGUMENT_OF_PYTEST...]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Some modules (pycryptodome's, which oss2 imports) want RTLD_DEEPBIND, with which the sanitizer's
# runtime would not see their malloc: it ends the process instead.
WITHOUT_DEEPBIND = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
void *dlopen(const char *file, int flags) {
  static void *(*next)(const char *, int);
  if (!next) next = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
  return next(file, flags & ~RTLD_DEEPBIND);
}
"""
# Leaks are not looked for: the interpreter's own would be found.
ASAN_OPTIONS = "detect_leaks=0:detect_stack_use_after_return=1:verify_asan_link_order=0"


def package(build: Path) -> Path:
    """A folder with the installed package, in which the sanitized module stands for its own."""
    (core,) = build.glob("csrc/bindings/_core*.so")
    installed = subprocess.run(
        [sys.executable, "-c", "import ossmodelconnector as o; print(o.__file__)"],
        check=True,
        capture_output=True,
        text=True,
    )
    folder = build / "site"
    shutil.rmtree(folder, ignore_errors=True)
    ours = folder / "ossmodelconnector"
    shutil.copytree(Path(installed.stdout.strip()).parent, ours)
    shutil.copy(core, ours / core.name)
    return folder


def runtime(name: str) -> str:
    found = subprocess.run(
        ["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def main(build: Path, arguments: list[str]) -> int:
    shim = build / "without_deepbind.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(shim), "-ldl"],
        input=WITHOUT_DEEPBIND,
        text=True,
        check=True,
    )
    runtimes = [runtime(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so")]
    environ = dict(
        os.environ,
        PYTHONPATH=str(package(build)),
        LD_PRELOAD=" ".join([str(shim), *runtimes]),
        ASAN_OPTIONS=ASAN_OPTIONS,
        UBSAN_OPTIONS="print_stacktrace=1",
        OSSMC_SANITIZED="1",
    )
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environ, check=False)
    return done.returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
