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
_SECONDS = 60


@contextlib.contextmanager
def cluster(environ: Mapping[str, str]) -> Iterator[None]:
    """Runs a cluster, whose workers have `environ`, and connects this process to it."""
    with contextlib.ExitStack() as stack:
        # Short, for the names of sockets are in it.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp")))
        with reserve() as holder:
            port = holder.getsockname()[1]
        address = f"{_HOSTS[0]}:{port}"
        environ = {**os.environ, **environ}
        head = ["--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false"]
        join = [f"--address={address}"]
        for count, options in enumerate([head, join]):
            log = folder / f"{count}.log"
            stack.enter_context(_node(log, environ, _HOSTS[count], options))
            _wait_for(address, log, count + 1)
        yield


def _wait_for(address: str, log: Path, nodes: int) -> None:
    """Returns when this process is connected to a cluster of so many nodes."""
    end = time.monotonic() + _SECONDS
    while True:
        try:
            if not ray.is_initialized():
                ray.init(address, _node_ip_address=_HOSTS[0], log_to_driver=False)
            if sum(node["Alive"] for node in ray.nodes()) == nodes:
                return
        except ConnectionError as error:
            problem: object = error
        else:
            problem = ray.nodes()
        if time.monotonic() > end:
            raise TimeoutError(f"{nodes} nodes of Ray: {problem}\n{log.read_text()}")
        time.sleep(0.2)


@contextlib.contextmanager
def _node(log: Path, environ: Mapping[str, str], host: str, options: list[str]) -> Iterator[None]:
    """A node of one processor; it and its workers end with the context, and no other's do."""
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--block",
        "--num-cpus=1",
        f"--node-ip-address={host}",
        f"--object-store-memory={_OBJECT_STORE_BYTES}",
        "--disable-usage-stats",
        *options,
    ]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=environ, start_new_session=True
        )
    try:
        yield
    finally:
        ray.shutdown()
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
