"""Where the examples of the documentation run, word for word.

They name objects of a bucket ``bucket`` at ``https://oss-cn-hangzhou.aliyuncs.com``, or at the
internal endpoint. Both lead to a local server here: by a proxy, which the environment names.
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

from ossmodelconnector.local import DEFAULT_CREDENTIAL, LocalServer
from support.relay import ForwardProxy

ENDPOINT = "https://oss-cn-hangzhou.aliyuncs.com"
HOSTS = ("oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou-internal.aliyuncs.com")
MiB = 1 << 20
# What torch.save wrote: {"weight": a tensor of 2 x 3, "bias": one of 2}.
DATA = Path(__file__).parents[1] / "data"
CHECKPOINT = DATA / "checkpoint.pt"
# What torch.distributed.checkpoint.save wrote of a Linear(3, 2), its Adam, and the step, 100.
DISTRIBUTED_CHECKPOINT = DATA / "distributed-checkpoint"
# As torchrun has them for a job of one rank.
RANK = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}


def safetensors_file(size: int) -> bytes:
    """One tensor of float32, all ones, in a file of `size` bytes, of which the header has 1 KiB."""
    count = (size - 1024) // 4
    tensor = {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}
    header = json.dumps({"weight": tensor}).encode().ljust(1024 - 8)
    return struct.pack("<Q", len(header)) + header + struct.pack("<f", 1.0) * count


def tiny_model() -> dict[str, bytes]:
    """A model of two files and their index."""
    files = {}
    shapes = {"embed.weight": [8, 4], "head.weight": [4, 8]}
    names = [f"model-{i:05d}-of-00002.safetensors" for i in (1, 2)]
    for (tensor, shape), name in zip(shapes.items(), names):
        info = {"dtype": "F32", "shape": shape, "data_offsets": [0, 128]}
        header = json.dumps({tensor: info}).encode().ljust(128)
        files[name] = struct.pack("<Q", len(header)) + header + struct.pack("<32f", *range(32))
    index = {"metadata": {"total_size": 256}, "weight_map": dict(zip(shapes, names))}
    return {**files, "model.safetensors.index.json": json.dumps(index).encode()}


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar of them."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as made:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return data.getvalue()


def objects() -> dict[str, bytes]:
    """What the examples may read."""
    config = b'{"layers": 2}\n'
    found = {
        "config.json": config,
        "qwen/config.json": config,
        "vocabulary.txt": "ä\nb\nc\n".encode(),
        "model.safetensors": safetensors_file(4 * MiB),
        "checkpoint.pt": CHECKPOINT.read_bytes(),
    }
    for path in DISTRIBUTED_CHECKPOINT.iterdir():
        found[f"run/step-100/{path.name}"] = path.read_bytes()
    found.update({f"tiny/{name}": data for name, data in tiny_model().items()})
    found.update({f"train/{i:03d}.bin": bytes([i]) * (8 + i) for i in range(20)})
    found["shards/0.tar"] = tar({"a.txt": b"first", "a.cls": b"0", "b.txt": b"second"})
    for i in range(1, 5):
        for folder in ("model", "qwen"):
            found[f"{folder}/model-{i:05d}-of-00004.safetensors"] = safetensors_file(MiB)
    return found


@contextlib.contextmanager
def service(more: Mapping[str, bytes] | None = None) -> Iterator[dict[str, str]]:
    """Serves the objects, and `more`. Yields the environment in which the examples reach them."""
    with contextlib.ExitStack() as stack:
        local = LocalServer(buckets=["bucket"], tls=True, virtual_host=HOSTS)
        server = stack.enter_context(local)
        proxy = stack.enter_context(ForwardProxy("127.0.0.1", server.port))
        for key, data in {**objects(), **(more or {})}.items():
            modified = datetime(2024, 8, 2, 15, 4, 5, tzinfo=timezone.utc)
            server.put_object("bucket", key, data, last_modified=modified)
        assert server.ca_file is not None
        yield {
            **RANK,
            "OSS_ENDPOINT": ENDPOINT,
            "OSS_ACCESS_KEY_ID": DEFAULT_CREDENTIAL.access_key_id,
            "OSS_ACCESS_KEY_SECRET": DEFAULT_CREDENTIAL.access_key_secret,
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": server.ca_file,
        }
