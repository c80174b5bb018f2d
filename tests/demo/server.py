"""The local OSS server as a child process, so that its CPU and memory are not the client's."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 30.0


class ServerError(Exception):
    """The server did not start."""


@contextmanager
def serve(folder: Path, options: list[str]) -> Iterator[str]:
    """Serves `folder` on a free port of 127.0.0.1 while the context lasts; gives the endpoint."""
    command = [sys.executable, "-m", "ossmodelconnector", "serve", str(folder), "--port", "0"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _endpoint_of(process)
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Ends a child that we started, by its process id; kills it if it does not go."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _endpoint_of(process: subprocess.Popen[str]) -> str:
    """The endpoint, which the server prints once it listens."""
    assert process.stdout is not None
    # The one way to bound a readline: end the writer.
    watchdog = threading.Timer(_START_SECONDS, process.kill)
    watchdog.start()
    seen = []
    try:
        for line in process.stdout:
            seen.append(line)
            found = re.search(r"https?://[^\s,]+", line)
            if found:
                return found[0].rstrip("/")
    finally:
        watchdog.cancel()
    raise ServerError("the local server did not start: " + ("".join(seen).strip() or "see above"))
