"""Runs pytest on a core that was built with sanitizers by GCC.

The interpreter is not sanitized, so their runtimes are loaded before everything else. What they
find, in whichever process, is in files, for pytest captures what goes to standard error: they are
printed at the end, and then the run has failed.

Usage: run_sanitized_pytest.py BUILD_FOLDER [ARGUMENT_OF_PYTEST...]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPPRESSIONS = Path(__file__).parent / "tsan_python.supp"
# What stands before the runtimes and the C library.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>

/* Some modules (that of pycryptodome, which oss2 imports) want RTLD_DEEPBIND: the runtime would
 * not see their malloc, and ends the process instead. */
void *dlopen(const char *file, int flags) {
  static void *(*next)(const char *, int);
  if (!next) next = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
  return next(file, flags & ~RTLD_DEEPBIND);
}
"""
RUNTIMES = {
    "address,undefined": ["libasan.so", "libubsan.so", "libstdc++.so"],
    "thread": ["libtsan.so", "libstdc++.so"],
}


def sanitizers(build: Path) -> str:
    """What the build folder was configured with: a key of RUNTIMES."""
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    found = re.search(r"^OSSMC_SANITIZE:STRING=(.+)$", cache, re.MULTILINE)
    if found is None:
        sys.exit(f"{build} was configured without OSSMC_SANITIZE")
    return found[1]


def options(report: Path) -> dict[str, str]:
    """What the runtimes are told."""
    # Leaks are not looked for: the interpreter's own would be found.
    asan = "detect_leaks=0:detect_stack_use_after_return=1:verify_asan_link_order=0"
    # A forked child of a process with threads may start threads: that is what is tested.
    tsan = f"die_after_fork=0:second_deadlock_stack=1:suppressions={SUPPRESSIONS}"
    return {
        "ASAN_OPTIONS": f"{asan}:log_path={report}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={report}",
        "TSAN_OPTIONS": f"{tsan}:log_path={report}",
    }


def package(build: Path) -> Path:
    """A folder with the package of this tree, and the sanitized module in it."""
    (core,) = build.glob("csrc/bindings/_core*.so")
    folder = build / "site"
    shutil.rmtree(folder, ignore_errors=True)
    ours = folder / "ossmodelconnector"
    shutil.copytree(ROOT / "python" / "ossmodelconnector", ours)
    shutil.copy(core, ours / core.name)
    return folder


def runtime(name: str) -> str:
    found = subprocess.run(
        ["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def main(build: Path, arguments: list[str]) -> int:
    shim = build / "shim.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(shim), "-ldl"],
        input=SHIM,
        text=True,
        check=True,
    )
    report = build / "finding"
    for old in build.glob(f"{report.name}.*"):
        old.unlink()
    runtimes = [runtime(name) for name in RUNTIMES[sanitizers(build)]]
    environ = {
        **os.environ,
        **options(report),
        "PYTHONPATH": str(package(build)),
        "LD_PRELOAD": " ".join([str(shim), *runtimes]),
        "OSSMC_SANITIZED": sanitizers(build),
    }
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environ, check=False)
    findings = sorted(build.glob(f"{report.name}.*"))
    for finding in findings:
        print(f"--- {finding}\n{finding.read_text(encoding='utf-8', errors='replace')}")
    return done.returncode or bool(findings)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
