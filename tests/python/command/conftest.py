"""What the tests of the command share: a bucket, and runs of it in this process or another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

import pytest

pytest.importorskip("click", reason="the extra cli is not installed")
pytest.importorskip("rich", reason="the extra cli is not installed")

from ossmodelconnector.command import main
from support.tries import HANG_SECONDS

COMMAND = [sys.executable, "-m", "ossmodelconnector"]


class Ran(NamedTuple):
    """How a run ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)["error"]


@pytest.fixture
def environment(server, monkeypatch):
    """The server's, in this process too."""
    found = {**server.environ(), "OSS_REGION": "cn-hangzhou"}
    for name, value in found.items():
        if name.startswith("OSS"):
            monkeypatch.setenv(name, value)
    found["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return found


@pytest.fixture
def ossmc(environment, capfd):
    """ossmc("ls", ...): runs the command in this process."""

    def run(*words: object) -> Ran:
        capfd.readouterr()
        code = main([str(word) for word in words])
        sys.stdout.flush()
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture
def run_ossmc(environment):
    """run_ossmc("ls", ..., env={}, **of_subprocess): runs it in a process of its own."""

    def run(*words: object, env: dict[str, str] | None = None, **options: Any) -> Ran:
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            env={**environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HANG_SECONDS,
            check=False,
            **options,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="module")
def bucket(new_bucket, request):
    """An empty bucket of the module's own."""
    return new_bucket(request.module.__name__.rpartition(".")[2].replace("_", "-"))
