"""The code blocks of the description that this library was made after run as they stand there.

``data/description.md`` has them, unchanged. They make a connector of an endpoint, oss2's provider
and ``/tmp/config.json``, and read objects of a bucket named ``ai-testset``, which the local server
has. One thing of them is not as it stands: another path is put in for that of the file, since it
is the machine's, and may be somebody's.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import warnings
from pathlib import Path

import ossmodelconnector
import pytest
from support.markdown import code_blocks
from support.relay import ForwardProxy

DESCRIPTION = Path(__file__).parents[1] / "data" / "description.md"
CONFIG_PATH = "/tmp/config.json"  # as the blocks name it; never written
BLOCKS = code_blocks(DESCRIPTION.read_text(encoding="utf-8"))
MiB = 1 << 20

LISTED = "geonet/images/DISC/DISC.01/2022.001"
SHARD = "qwen/Qwen1.5-72B-Chat/model-{:05d}-of-00038.safetensors"


@pytest.fixture(scope="module")
def objects(new_bucket, server, https_server):
    """The bucket of the description on both servers, with all objects that the blocks name."""
    for served in (https_server, server):
        bucket = fill(new_bucket("ai-testset", served))
    return bucket


def fill(bucket):
    generator = random.Random(38)
    for i in range(25):
        bucket.put(f"{LISTED}/{i:03d}.png", generator.randbytes(i))
    bucket.put("geonet/images/DISC/DISC.01/2022.002/000.png", b"another day")
    bucket.put("dir1/obj1", "".join(f"línea {i}\r\n" for i in range(600_000)).encode())
    for i in range(1, 39):
        # Some longer than the buffer of the blocks, one of exactly its size.
        size = {1: 4 * MiB, 2: 4 * MiB + 1, 3: 9 * MiB}.get(i, 300_000 + i)
        bucket.put(SHARD.format(i), generator.randbytes(size))
    return bucket


@contextlib.contextmanager
def reached_by_name(served):
    """Yields an endpoint that tells its region, and the configuration that leads it to `served`.

    The blocks pass no region, so signature V4 needs an endpoint whose host tells it, and such names
    are not ours: a proxy, which the configuration names, takes them for the local server.
    """
    scheme = served.endpoint.partition(":")[0]
    with ForwardProxy(*served.address) as proxy:
        yield (
            f"{scheme}://oss-cn-hangzhou.aliyuncs.com",
            {"proxy": f"http://127.0.0.1:{proxy.port}"},
        )
        # It was asked for the bucket's host, as virtual-hosted addressing has it.
        assert {host.partition(":")[0] for host in proxy.hosts} == {
            "ai-testset.oss-cn-hangzhou.aliyuncs.com"
        }


@pytest.mark.parametrize("signature", ["V1", "V4"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_each_block_runs_as_it_stands(
    objects, server, https_server, tmp_path, monkeypatch, capsys, signature, scheme
):
    served = server if scheme == "http" else https_server
    config = {"tls": {"caFile": served.ca_file}} if scheme == "https" else {}
    with contextlib.ExitStack() as stack:
        endpoint = served.endpoint
        if signature == "V4":
            endpoint, by_proxy = stack.enter_context(reached_by_name(served))
            config.update(by_proxy)
        config_path = tmp_path / "config.json"
        config_path.write_text(json.dumps(config))
        for name, value in served.environ().items():
            if name.startswith("OSS_ACCESS_KEY"):
                monkeypatch.setenv(name, value)
        monkeypatch.delenv("OSS_SESSION_TOKEN", raising=False)
        names = run_blocks(endpoint, config_path, signature, stack)

    assert len(BLOCKS) == 6
    assert f"signature {signature}" in repr(names["connector"])
    check_output(capsys.readouterr().out)
    assert_reads(names, objects)


def run_blocks(endpoint, config_path, signature, stack):
    """Runs all blocks, one after the other, in one namespace; returns it."""
    # What the first blocks take for granted.
    names = {"ENDPOINT": endpoint}
    exec("from ossmodelconnector import OssModelConnector", names)
    exec("from oss2.credentials import EnvironmentVariableCredentialsProvider", names)
    for block in BLOCKS:
        assert block.info == "python"
        makes_connector = "OssModelConnector(" in block.text
        # So that none reads the machine's file, or none at all.
        assert block.text.count(CONFIG_PATH) == makes_connector
        text = block.text.replace(CONFIG_PATH, str(config_path))
        code = compile(text, f"{DESCRIPTION}:{block.line}", "exec")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            exec(code, names)
        expected = ["region="] if makes_connector and signature == "V1" else []
        assert [word for word in expected if word in str(caught[0].message)] == expected
        assert len(caught) == len(expected)
        if makes_connector:
            stack.callback(names["connector"].close)
        if "connector.list" in block.text:
            listed = names["objs"]
            assert {obj.key for obj in listed} == {f"{LISTED}/{i:03d}.png" for i in range(25)}
        if "connector.open('oss://ai-testset/dir1/obj1')" in block.text:
            # The blocks say what the two are, and the next one reads from the first.
            assert isinstance(names["obj"], ossmodelconnector.ObjectReader)
            assert isinstance(names["obj1"], io.TextIOWrapper)
            names["text"] = names["obj1"].read()
        if "obj.read()" in block.text:
            names["first"] = (names["data"], names["obj"].tell(), names["obj"].read())
    return names


def check_output(output):
    lines = output.splitlines()
    # The first listing prints key and size of each; the example one line a shard, twice.
    assert lines[:50] == [text for i in range(25) for text in (f"{LISTED}/{i:03d}.png", str(i))]
    assert lines[50:] == [
        *(f"read object done  {i}" for i in range(1, 39)),
        *(f"readinto object done  {i}" for i in range(1, 39)),
    ]


def assert_reads(names, objects):
    text = objects["dir1/obj1"]
    assert names["text"] == text.decode().replace("\r\n", "\n")
    data, position, rest = names["first"]
    # read() took all, so read(4 MiB) and readinto() met the end, and seek(0) went back.
    assert (data, position, rest) == (b"", 0, text)
    buffer = names["buf"]
    size = len(objects[SHARD.format(38)])
    assert buffer[:size] == objects[SHARD.format(38)]
