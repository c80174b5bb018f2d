"""A name of a test's own, with addresses that it chooses, for programs that it starts."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

NAME = "store.test"
_SHIM = Path(__file__).parent / "names.c"


class Names:
    """What `environ` holds makes a program look NAME up here.

    The library that does it is built for each test, which is skipped where there is no compiler:
    an installed wheel needs none, and may be tested there.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("gcc") is None:
            pytest.skip(f"no gcc to build {_SHIM.name} with")
        shim, self._file = folder / "names.so", folder / "names"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", shim, _SHIM], check=True
        )
        preload = f"{os.environ.get('LD_PRELOAD', '')} {shim}".strip()
        self.environ = {**os.environ, "LD_PRELOAD": preload, "OSSMC_TEST_NAMES": str(self._file)}

    def put(self, addresses: Iterable[str]) -> None:
        """Replaces the addresses of NAME."""
        self._file.write_text("".join(f"{NAME} {address}\n" for address in addresses))


def say_nothing(address: tuple[str, int], stack: contextlib.ExitStack) -> None:
    """Until `stack` is closed the kernel answers no SYN at `address`: its backlog is full."""
    silent = stack.enter_context(socket.create_server(address, backlog=0))
    for _ in range(4):
        one = stack.enter_context(socket.socket())
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(silent.getsockname())
