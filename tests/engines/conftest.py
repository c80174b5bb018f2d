"""What the tests of engines share: models on a local server, and a hub that nobody is to ask.

They run in an environment of their own, `make test-engines`. An engine takes a minute of a
processor to start, so a test has one engine do many things, in a program of its own (`programs/`).
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import safetensors.torch
import torch
from ossmodelconnector import _core
from ossmodelconnector.local import DEFAULT_CREDENTIAL, LocalServer

from . import models

PROGRAMS = Path(__file__).parent / "programs"
# An engine starts in a minute on a machine of its own.
SECONDS = 900


class Models(NamedTuple):
    """The models as local folders, and the server that has them too."""

    server: LocalServer
    folders: dict[str, Path]

    def sent_bytes(self, prefix: str) -> int:
        """How many bytes of weights went out, below a prefix."""
        return sum(
            record.bytes_sent
            for record in self.server.requests
            if record.key.startswith(prefix) and record.key.endswith(".safetensors")
        )


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    top = tmp_path_factory.mktemp("models")
    folders = {
        "minilm": models.minilm(),
        "step-1": models.llama(top / "step-1", seed=1, max_shard_size="300KB"),
        "step-2": models.llama(top / "step-2", seed=2),
    }
    folders["adapters/sql"] = models.adapter(top / "sql", folders["step-1"])
    with LocalServer(buckets=["models"]) as server:
        for name, folder in folders.items():
            for path in folder.rglob("*"):
                if path.is_file():
                    key = f"{name}/{path.relative_to(folder)}"
                    server.put_object("models", key, path.read_bytes())
        shards = models.shard_names(folders["step-1"])
        for path in folders["step-1"].iterdir():
            data = path.read_bytes()
            if path.name != shards[1]:
                server.put_object("models", f"missing/{path.name}", data)
            crc = _core.crc64(data)
            if path.name == shards[2]:
                data = data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
            server.put_object("models", f"flipped/{path.name}", data, crc64=crc)
        _put_small_files(server)
        yield Models(server, folders)


def _put_small_files(server: LocalServer) -> None:
    """What loader.py reads."""
    files = {
        "experts/model": ["layers.0.mlp.experts.0.up.weight", "layers.0.mlp.experts.1.up.weight"],
        "experts-and-other/model": ["norm.weight"],
        "experts-and-other/other": ["other.weight"],
        "nested/model": ["norm.weight"],
        "nested/inner/model": ["norm.weight"],
    }
    for key, names in files.items():
        data = safetensors.torch.save({name: torch.ones(2) for name in names})
        server.put_object("models", f"{key}.safetensors", data)


@pytest.fixture(scope="session")
def hub() -> Iterator[tuple[str, list[str]]]:
    """A server in the hub's place, and what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(500)

        do_HEAD = do_GET  # noqa: N815  # as the base class has it
        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def environ_of(served: Models, hub: str, folder: Path) -> dict[str, str]:
    """The environment of an engine."""
    made = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("OSS", "VLLM", "HF_"))
    }
    made |= {
        "OSS_ENDPOINT": served.server.endpoint,
        "OSS_ACCESS_KEY_ID": DEFAULT_CREDENTIAL.access_key_id,
        "OSS_ACCESS_KEY_SECRET": DEFAULT_CREDENTIAL.access_key_secret,
        "OSS_REGION": "cn-hangzhou",
        "HF_HUB_OFFLINE": "1",
        "HF_ENDPOINT": hub,
        "HF_HOME": str(folder / "hf"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    return made


@pytest.fixture
def environ(served: Models, hub: tuple[str, list[str]], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of an engine. At the end nobody has asked the hub."""
    yield environ_of(served, hub[0], tmp_path)
    assert hub[1] == []


@pytest.fixture(scope="module")
def module_environ(
    served: Models, hub: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The same, for a program of which many tests are."""
    yield environ_of(served, hub[0], tmp_path_factory.mktemp("module"))
    assert hub[1] == []


class Ended(NamedTuple):
    """What became of a program: the JSON that its last line is, and all that it and vLLM said."""

    code: int
    result: Any
    log: str


def run(name: str, environ: dict[str, str], *arguments: str) -> Ended:
    """Runs a program of `programs`, and ends all that it left."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAMS / name), *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        log, _ = process.communicate(timeout=SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    results = [line for line in log.splitlines() if line.startswith("RESULT ")]
    print(log)
    result = json.loads(results[-1].removeprefix("RESULT ")) if results else None
    return Ended(process.returncode, result, log)
