"""Processes that open a model with a node copy, and what they hold."""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
import re
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from support.tensor_files import random_tensor, tensor_file

_READY_SECONDS = 60.0


def model_files(seed: int = 0, files: int = 2, elements: int = 5000) -> list[bytes]:
    """Files of 5 tensors each, of whole numbers: no NaN is unlike itself."""
    return [
        tensor_file(
            {f"{i}.{j}": random_tensor("I32", (elements,), 10 * i + j + seed) for j in range(5)}
        )
        for i in range(files)
    ]


class User:
    """A process that opens a model when it is told to."""

    def __init__(self, process: Any, pipe: Connection) -> None:
        self._process = process
        self._pipe = pipe
        self.pid: int = process.pid

    def tell(self, order: str) -> None:
        self._pipe.send(order)

    def answer(self, seconds: float = _READY_SECONDS) -> Any:
        if not self._pipe.poll(seconds):
            raise TimeoutError(f"the process {self.pid} says nothing")
        found = self._pipe.recv()
        if isinstance(found, Exception):
            raise found
        return found

    def ask(self, order: str) -> Any:
        self.tell(order)
        return self.answer()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._process.join(_READY_SECONDS)

    def end(self) -> None:
        """Lets it close its model, and waits for its end."""
        self.tell("end")
        self._process.join(_READY_SECONDS)
        if self._process.exitcode != 0:
            raise RuntimeError(f"the process {self.pid} ended with {self._process.exitcode}")

    def stop(self) -> None:
        if self._process.is_alive():
            self.kill()
        self._pipe.close()

    def held_bytes(self) -> int:
        """Its part of the memory that it has mapped (PSS)."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        found = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
        assert found is not None
        return int(found[1]) << 10


@contextmanager
def users(
    count: int, endpoint: str, keys: tuple[str, str], source: str, **arguments: Any
) -> Iterator[list[User]]:
    """Processes that are ready to open a model: told "open", they answer with a digest of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy", "oss2.credentials", "ossmodelconnector.safetensors"])
    made = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_use, args=(endpoint, keys, source, arguments, theirs))
            process.start()
            theirs.close()
            made.append(User(process, ours))
        for user in made:
            user.answer()
        yield made
    finally:
        for user in made:
            user.stop()


def _use(
    endpoint: str, keys: tuple[str, str], source: str, arguments: dict[str, Any], pipe: Connection
) -> None:
    import oss2.credentials
    from ossmodelconnector import OssModelConnector
    from ossmodelconnector.safetensors import open_model

    warnings.simplefilter("ignore")
    config = arguments.pop("config", None)
    provider = oss2.credentials.StaticCredentialsProvider(*keys)
    pipe.send("ready")
    pipe.recv()
    with OssModelConnector(
        endpoint, cred_provider=provider, region="cn-hangzhou", config=config
    ) as connector:
        try:
            model = open_model(source, "np", connector=connector, **arguments)
        except Exception as error:
            pipe.send(error)
            return
        with model:
            tensors = model.get_tensors()
            pipe.send(_digest(tensors))
            while (order := pipe.recv()) != "end":
                if order == "change":
                    for tensor in tensors.values():
                        tensor[::1000] += 1
                counted = connector.stats().bytes_received
                pipe.send(counted if order == "count" else _digest(tensors))
            tensor = None
            del tensors


def _digest(tensors: dict[str, Any]) -> str:
    made = hashlib.blake2b()
    for name in sorted(tensors):
        made.update(name.encode())
        made.update(tensors[name])
    return made.hexdigest()


def highest(measure: Callable[[], int], until: Callable[[], bool], seconds: float) -> int:
    """The most that is measured, again and again, until something holds."""
    most = 0
    deadline = time.monotonic() + seconds
    for _ in itertools.count():
        most = max(most, measure())
        if until():
            return most
        if time.monotonic() > deadline:
            raise TimeoutError("it lasts too long")
        time.sleep(0.02)
    return most
