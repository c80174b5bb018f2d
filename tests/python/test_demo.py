"""The demo of `make demo`, with a model of a megabyte."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from ossmodelconnector import OssModelConnector
from safetensors.numpy import load_file

DEMO = Path(__file__).parents[1] / "demo"
KEYS = [f"shard-{number}" for number in range(4)]


@pytest.mark.long
def test_the_network_that_people_have_comes_first(tmp_path):
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, str(DEMO / "run.py"), "--size", "1MiB", "--json", str(figures)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    slow, loopback = "20ms, 50MB/s a connection", "loopback"
    loads = [
        ("oss2, one stream", False),
        ("connector, read", False),
        ("connector, readinto", True),
        ("connector, tensors", False),
    ]
    rows = json.loads(figures.read_text())["rows"]
    assert [(row["network"], row["load"], row["warm"]) for row in rows] == [
        (network, load, warm) for network in (slow, loopback) for load, warm in loads
    ]
    (size,) = {row["bytes"] for row in rows}
    assert 0.9 * (1 << 20) < size <= 1.1 * (1 << 20)
    assert done.stdout.splitlines()[-1].startswith(
        f"All bytes are right, and all tensors. Over {slow}, warm"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize(("stream_seconds", "wins"), [(0.5, True), (2.0, False)])
def test_where_one_plain_stream_wins_the_demo_says_why(stream_seconds, wins, monkeypatch):
    monkeypatch.syspath_prepend(str(DEMO))
    meter, table = importlib.import_module("meter"), importlib.import_module("table")

    def row(network, load, seconds):
        return table.Row(network, meter.Figures(load, 10**9, seconds, 0.1, 0.3, 1 << 20))

    rows = [
        row("20ms", "oss2, one stream", 20.0),
        row("20ms", "connector, readinto", 1.25),
        row("loopback", "oss2, one stream", stream_seconds),
        row("loopback", "connector, readinto", 1.0),
    ]
    lines = table.Run(10**9, 256 << 20, 25, rows).text().splitlines()
    why = "Over loopback one plain stream wins: there is no latency and no limit a connection"
    assert any(line.startswith(why) for line in lines) == wins
    last = "All bytes are right, and all tensors. Over 20ms, warm, with its CRC-64 checked: "
    assert lines[-1] == f"{last}0.80 GB/s, 16.0 times one plain stream."


def test_tensors_that_differ_from_the_files_fail_the_demo(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(DEMO))
    load = importlib.import_module("load")
    model = importlib.import_module("model")
    files = list(model.write_model(tmp_path / "model", 1 << 20))
    job = load.Job("tensors", "", "", "", [], [], [str(file) for file in files], "", 0)
    tensors = {name: tensor for file in files for name, tensor in load_file(file).items()}
    load._check_tensors(tensors, job)
    name = sorted(tensors)[5]
    tensors[name].view(np.uint16)[0, 0] ^= 1
    with pytest.raises(load.WrongBytesError, match=f"tensor {name} differs"):
        load._check_tensors(tensors, job)
    for wrong in ({**tensors, "another": tensors[name]}, dict(list(tensors.items())[:-1])):
        with pytest.raises(load.WrongBytesError):
            load._check_tensors(wrong, job)


def test_each_shard_is_closed_before_the_next_is_read(new_bucket, server, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(DEMO))
    load = importlib.import_module("load")
    bucket = new_bucket("demonstrated")
    files = [tmp_path / key for key in KEYS]
    for number, file in enumerate(files):
        file.write_bytes(os.urandom(300_000 + number))
        bucket.put(file.name, file.read_bytes())
    config = tmp_path / "config.json"
    config.write_text("{}")
    for name, value in server.environ().items():
        if name.startswith("OSS_"):
            monkeypatch.setenv(name, value)

    opened, closed_before = [], []
    open_really = OssModelConnector.open

    def open_and_remember(self, uri, binary=True):
        opened.append(open_really(self, uri, binary))
        return opened[-1]

    @contextmanager
    def bar(_name, _size):
        closed_before.append(sum(reader.closed for reader in opened))
        yield lambda _count: None

    monkeypatch.setattr(OssModelConnector, "open", open_and_remember)
    monkeypatch.setattr(load, "shard_bar", bar)
    sizes = [file.stat().st_size for file in files]
    job = load.Job(
        client="connector",
        endpoint=server.endpoint,
        region="cn-hangzhou",
        bucket=bucket.bucket,
        keys=KEYS,
        sizes=sizes,
        files=[str(file) for file in files],
        config_path=str(config),
        limit_bytes=sum(sizes),
    )
    loads = load.load_with_connector(job)
    assert [(row.load, row.bytes) for row in loads] == [
        ("connector, read", sum(sizes)),
        ("connector, readinto", sum(sizes)),
    ]
    assert closed_before == list(range(2 * len(KEYS)))
    assert [reader.closed for reader in opened] == [True] * 3 * len(KEYS)
