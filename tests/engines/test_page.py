"""What docs/vllm.md shows runs, word for word, over the bucket that it names."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support import examples
from support.markdown import code_blocks
from support.ports import reserve

from . import models
from .conftest import PROGRAMS, SECONDS, environ_of, run

pytestmark = pytest.mark.timeout(2 * SECONDS + 300)
PAGE = Path(__file__).parents[2] / "docs" / "vllm.md"
BLOCKS = [block for block in code_blocks(PAGE.read_text()) if block.info.endswith(" engine")]
PROMPT = "The sky is"
SMALL = ["--enforce-eager", "--dtype", "float32", "--max-model-len", "64", "--max-num-seqs", "4"]


@pytest.fixture(scope="module")
def environ(served, hub, tmp_path_factory):
    names = {"llama": "step-1", "llama-step-100": "step-2", "adapters/sql": "adapters/sql"}
    files = {
        f"{name}/{path.name}": path.read_bytes()
        for name, folder in names.items()
        for path in served.folders[folder].iterdir()
    }
    with examples.service(files) as service:
        yield {**environ_of(served, hub[0], tmp_path_factory.mktemp("page")), **service}
    assert hub[1] == []


def test_python(served, environ):
    blocks = [block.text for block in BLOCKS if block.info.startswith("python")]
    assert len(blocks) == 3
    ended = run("page.py", environ, json.dumps(blocks))
    assert ended.code == 0
    first, second = served.folders["step-1"], served.folders["step-2"]
    said = {
        "first": models.greedy(first, prompts=[PROMPT]),
        "second": models.greedy(second, prompts=[PROMPT]),
        "third": models.greedy(second, served.folders["adapters/sql"], prompts=[PROMPT]),
    }
    assert ended.result == {name: tokens[0] for name, tokens in said.items()}


def command_of(lines: str) -> tuple[dict[str, str], list[str]]:
    """What a block exports, and the words of its command."""
    exports = {}
    words: list[str] = []
    for line in lines.splitlines():
        found = shlex.split(line)
        if found[0] == "export":
            name, _, value = found[1].partition("=")
            exports[name] = value
        else:
            words = found
    assert words[:2] == ["vllm", "serve"]
    return exports, words


def post(url: str, fields: object) -> object:
    data = json.dumps(fields).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def wait_for(url: str, process: subprocess.Popen) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert process.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise AssertionError(f"vllm serve did not start in {SECONDS} s")


def test_served(served, environ, tmp_path):
    """All `vllm serve` of the page at once: the exports and options of each in one command."""
    exports, words = {}, ["vllm", "serve", "oss://bucket/llama/"]
    blocks = [block.text for block in BLOCKS if block.info.startswith("bash")]
    assert len(blocks) == 3
    for block in blocks:
        more, command = command_of(block)
        assert command[2] == words[2]
        exports.update(more)
        words += command[3:]
    holder = reserve()
    port = holder.getsockname()[1]
    program = [sys.executable, str(PROGRAMS / "vllm_command.py")]
    own = ["--max-lora-rank", "8", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*program, *words[1:], *SMALL, *own],
            env={**environ, **exports},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{url}/health", process)
        fields = {"prompt": PROMPT, "max_tokens": models.TOKENS, "temperature": 0}
        fields |= {"return_token_ids": True}
        said = {
            name: post(f"{url}/v1/completions", {**fields, "model": name})["choices"][0]
            for name in ("oss://bucket/llama/", "sql")
        }
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(f"{url}/v1/completions", {**fields, "model": "../llama"})
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        holder.close()
        print(log.read_text())
    folder = served.folders["step-1"]
    expected = {
        "oss://bucket/llama/": models.greedy(folder, prompts=[PROMPT])[0],
        "sql": models.greedy(folder, served.folders["adapters/sql"], prompts=[PROMPT])[0],
    }
    assert {name: one["token_ids"] for name, one in said.items()} == expected
    assert caught.value.code == 404
