"""Type checkers take user code: ``tests/typing`` is such code, checked as users do it, strictly.

They see the package as it is installed. A line that must be an error has a ``type: ignore`` behind
it, which both checkers report where there is no such error.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# On a fresh clone mypy begins without a cache: 33 s beside other tests, minutes beside builds.
# A limit that ends takes the worker along, which then looks like a crash.
pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).parents[2]
OF_TORCH = ("data_sets.py", "torch_load.py")
# Kept: what mypy makes of numpy takes it 10 s.
MYPY_CACHE = ROOT / "build" / "mypy-typing"


@pytest.fixture
def user_code(tmp_path):
    """A copy, with the checkers' configuration, of which files can be left out."""
    return shutil.copytree(ROOT / "tests" / "typing", tmp_path / "user_code")


def check(folder, tool, *arguments):
    done = run(folder, tool, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def run(folder, tool, *arguments):
    environ = dict(os.environ)
    # pyright asks the first python in the PATH where packages are.
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # It is pinned, so it need not ask the network for a newer one.
    environ["PYRIGHT_PYTHON_IGNORE_WARNINGS"] = "1"
    command = [sys.executable, "-m", tool, *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


def test_mypy_takes_user_code(user_code):
    # Of torch's sources mypy takes 40 s more, so pyright alone answers for these.
    for name in OF_TORCH:
        (user_code / name).unlink()
    check(user_code, "mypy", "--cache-dir", str(MYPY_CACHE), ".")


def test_pyright_takes_user_code(user_code):
    if importlib.util.find_spec("torch") is None:  # tests/support/install_torch.py says where
        for name in OF_TORCH:
            (user_code / name).unlink()
    check(user_code, "pyright")


def test_all_that_is_public_has_a_type(tmp_path):
    options = ["--outputjson", "--ignoreexternal", "--verifytypes"]
    done = run(tmp_path, "pyright", *options, "ossmodelconnector")
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    unknown = [one for one in symbols if not one["isTypeKnown"]]
    # fsspec has no types, and Ray is not here: a class that is derived from one of theirs has none.
    derived = [
        "ossmodelconnector.fsspec.OssModelFileSystem",
        "ossmodelconnector.ray.ObjectsDatasource",
    ]
    assert [one["name"] for one in unknown if one["isExported"]] == derived
    unknown = [one for one in unknown if not one["name"].startswith("ossmodelconnector.ray.")]
    faults = {fault["message"] for one in unknown for fault in one["diagnostics"]}
    faults -= {"Type of metaclass unknown", "Type of base class unknown"}
    assert [one for one in faults if not one.endswith('FileSystem" is partially unknown')] == []
