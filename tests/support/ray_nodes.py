"""A cluster of Ray: two nodes on this machine, on the loopback interface."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import ray
from support.ports import reserve

# Ray would take 127.0.0.1 for the address of the machine in its network.
_HOSTS = ("127.0.0.2", "127.0.0.3")
_OBJECT_STORE_BYTES = 100 << 20
_RAY = str(Path(sys.executable).with_name("ray"))
_SECONDS = 90
# A node gives up when its own processes have not started within 15 seconds. On a busy machine they
# need more, the first time; the next time their files are in memory.
_ATTEMPTS = 4


@contextlib.contextmanager
def cluster(environ: Mapping[str, str], nodes: int = 2) -> Iterator[None]:
    """Runs a cluster, whose workers have `environ`, and connects this process to it."""
    environ = {**os.environ, **environ}
    with contextlib.ExitStack() as stack:
        # Short, for the names of sockets are in it.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp")))
        with reserve() as holder:
            address = f"{_HOSTS[0]}:{holder.getsockname()[1]}"
        port = address.rpartition(":")[2]
        head = ["--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false"]
        stack.enter_context(_node(folder / "head.log", environ, _HOSTS[0], head))
        for host in _HOSTS[1:nodes]:
            join = [f"--address={address}"]
            stack.enter_context(_node(folder / f"{host}.log", environ, host, join))
        ray.init(address, _node_ip_address=_HOSTS[0], log_to_driver=False)
        stack.callback(ray.shutdown)
        yield


@contextlib.contextmanager
def _node(log: Path, environ: Mapping[str, str], host: str, options: list[str]) -> Iterator[None]:
    """A node of one processor; it and its workers end with the context, and no other's do."""
    command = [
        *(_RAY, "start", "--block", "--num-cpus=1", f"--node-ip-address={host}"),
        *(f"--object-store-memory={_OBJECT_STORE_BYTES}", "--include-log-monitor=false"),
        *options,
    ]
    for _ in range(_ATTEMPTS):
        with log.open("w") as file:
            # A group of its own: Ctrl-C is for the tests, which then end the node.
            process = subprocess.Popen(
                command, stdout=file, stderr=file, env=environ, preexec_fn=os.setpgrp
            )
        try:
            if _has_started(process, log):
                yield
                return
        finally:
            _end(process)
    raise RuntimeError(f"no node of Ray after {_ATTEMPTS} attempts:\n{log.read_text()}")


def _has_started(process: subprocess.Popen[bytes], log: Path) -> bool:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        if "Ray runtime started" in log.read_text():
            return True
        time.sleep(0.2)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # and it ends its own processes
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
