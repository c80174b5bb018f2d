"""The Python blocks of README.md and docs/ run.

A block marked ``python`` runs, after those before it in the same file, in one namespace that has:

    ENDPOINT, BUCKET        the local server and a bucket of it with the objects of `CONTENTS`
    the variables OSS_*     so that EnvironmentVariableCredentialsProvider and from_env work

The file's own texts ``https://oss-cn-hangzhou.aliyuncs.com`` (and the internal one) and
``oss://bucket/`` stand for these two and are replaced, and so is ``"bucket"`` as an argument. A
block that cannot run here is marked ``python no-run``, and is compiled all the same.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from support.markdown import code_blocks

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def contents():
    """What the examples may read."""
    objects = {
        "vocabulary.txt": "ä\nb\nc\n".encode(),
        "empty": b"",
        "config.json": b'{"layers": 2}',
    }
    for i in range(1, 5):
        tensors = {f"layer.{i}.weight": np.full((64, 1024), i, dtype=np.float32)}
        shard = safetensors.numpy.save(tensors)
        objects[f"model/model-{i:05d}-of-00004.safetensors"] = shard
        objects[f"qwen/model-{i:05d}-of-00004.safetensors"] = shard
    objects["model.safetensors"] = shard
    return objects


@pytest.fixture(scope="module")
def documented(new_bucket):
    bucket = new_bucket("documented")
    for key, data in contents().items():
        bucket.put(key, data)
    return bucket


def adapted(text, endpoint, bucket):
    text = re.sub(r"https://oss-cn-hangzhou(-internal)?\.aliyuncs\.com", endpoint, text)
    text = text.replace("oss://bucket/", f"oss://{bucket}/")
    return re.sub(r"(?<=[(\s=])(['\"])bucket\1", f'"{bucket}"', text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples(path, server, documented, monkeypatch, tmp_path):
    if not path.exists():
        pytest.fail(f"{path.name} is missing")
    monkeypatch.chdir(tmp_path)
    for name, value in server.environ().items():
        if name.startswith("OSS_"):
            monkeypatch.setenv(name, value)
    names = {"ENDPOINT": server.endpoint, "BUCKET": documented.bucket, "__name__": "example"}
    try:
        for block in code_blocks(path.read_text(encoding="utf-8")):
            kind, *marks = block.info.split() or [""]
            assert kind != "py", f"line {block.line}: mark it python"
            if kind != "python":
                continue
            assert marks in ([], ["no-run"]), f"line {block.line}: unknown mark"
            text = adapted(block.text, server.endpoint, documented.bucket)
            code = compile(text, f"{path}:{block.line}", "exec")
            if not marks:
                with warnings.catch_warnings():
                    # The examples name endpoints that tell their region; the server's does not.
                    warnings.filterwarnings("ignore", message=".*region=")
                    exec(code, names)
    finally:
        for value in list(names.values()):
            if type(value).__name__ == "OssModelConnector":
                value.close()


def test_blocks_are_found_also_in_lists():
    text = "# T\n\n- item\n\n    ```python\n    a = 1\n      # b\n    ```\n\n```\nplain\n```\n"
    assert [tuple(block) for block in code_blocks(text)] == [
        ("python", "a = 1\n  # b\n", 6),
        ("", "plain\n", 11),
    ]
