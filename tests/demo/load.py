"""One client process of the demo: loads the model and writes down what that cost.

Started by run.py with the file of a `Job`; a process of its own, so that its CPU and memory are
the client's alone and no client meets what another left behind.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meter import Figures, Meter, resident_bytes
from oss2.credentials import (  # type: ignore[import-untyped]
    EnvironmentVariableCredentialsProvider,
)
from progress import shard_bar

if TYPE_CHECKING:
    from ossmodelconnector import OssModelConnector

READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Job:
    """What to load, from where."""

    client: str  # a name in CLIENTS
    endpoint: str
    region: str
    bucket: str
    keys: list[str]
    sizes: list[int]
    files: list[str]  # what the server serves under these keys, to compare with
    config_path: str
    limit_bytes: int  # oss2 loads no more than this

    @property
    def total_bytes(self) -> int:
        return sum(self.sizes)


class WrongBytesError(Exception):
    """What was read is not what is in the file."""


def _connect(job: Job) -> OssModelConnector:
    from ossmodelconnector import OssModelConnector

    return OssModelConnector(
        endpoint=job.endpoint,
        cred_provider=EnvironmentVariableCredentialsProvider(),
        config_path=job.config_path,
        region=job.region,
    )


def load_with_connector(job: Job) -> list[Figures]:
    uris = [f"oss://{job.bucket}/{key}" for key in job.keys]
    with _connect(job) as connector:
        resident = resident_bytes()
        figures = []

        print("load 1: read", flush=True)
        meter = Meter("connector, read", resident)
        for obj in [connector.open(uri) for uri in uris]:
            with obj, shard_bar(os.path.basename(obj.key), obj.size) as advance:
                while True:
                    data = obj.read(READ_BYTES)
                    meter.first_read()
                    if not data:
                        break
                    advance(len(data))
        figures.append(meter.stop(job.total_bytes))

        print("load 2: readinto", flush=True)
        buf = bytearray(READ_BYTES)
        meter = Meter("connector, readinto", resident, warm=True)
        for obj in [connector.open(uri) for uri in uris]:
            with obj, shard_bar(os.path.basename(obj.key), obj.size) as advance:
                while True:
                    n = obj.readinto(buf)
                    meter.first_read()
                    if n == 0:
                        break
                    advance(n)
        figures.append(meter.stop(job.total_bytes))

        received = connector.stats().bytes_received
        if received < 2 * job.total_bytes:
            raise WrongBytesError(
                f"two loads of {job.total_bytes} bytes received only {received} from the server"
            )
        _check(connector.open, uris, job)
    return figures


def load_tensors(job: Job) -> list[Figures]:
    """All shards by `open_model`: each is checked by its CRC-64 before a tensor of it is there."""
    import numpy  # noqa: F401 - its import is not what is measured
    from ossmodelconnector.safetensors import open_model

    uris = [f"oss://{job.bucket}/{key}" for key in job.keys]
    with _connect(job) as connector:
        resident = resident_bytes()
        print("load 3: tensors, by open_model", flush=True)
        meter = Meter("connector, tensors", resident)
        tensors = {}
        with open_model(uris, framework="np", connector=connector) as model:
            name = f"{len(uris)} shards"
            with shard_bar(name, model.tensor_bytes) as advance:
                for name, tensor in model.iter_tensors():
                    meter.first_read()
                    tensors[name] = tensor
                    advance(tensor.nbytes)
        figures = [meter.stop(job.total_bytes)]
        _check_tensors(tensors, job)
    return figures


def _check_tensors(tensors: dict[str, Any], job: Job) -> None:
    """Compares every tensor with the one that safetensors reads from the files. Not timed."""
    import numpy as np
    from safetensors.numpy import load_file

    print("check: every tensor against the files, by value", flush=True)
    left = dict(tensors)
    for path in job.files:
        for name, expected in load_file(path).items():
            if name not in left:
                raise WrongBytesError(f"tensor {name} of {path} was not loaded")
            got = left.pop(name)
            # Random bits hold NaNs, which equal nothing: the bits are compared.
            if got.dtype != expected.dtype or not np.array_equal(
                got.view(np.uint16), expected.view(np.uint16)
            ):
                raise WrongBytesError(f"tensor {name} differs from that of {path}")
    if left:
        raise WrongBytesError(f"tensors that no file has were loaded: {sorted(left)[:3]}")


def _check(open_object: Callable[[str], Any], uris: list[str], job: Job) -> None:
    """Compares every byte, by read and by readinto, with the files. Not timed."""
    print("check: every byte of read and of readinto against the files", flush=True)
    buf = bytearray(READ_BYTES)
    for obj, path, size in zip([open_object(uri) for uri in uris], job.files, job.sizes):
        with obj, open(path, "rb") as file:
            position = 0
            while True:
                data = obj.read(READ_BYTES)
                _compare(obj.key, position, data, file.read(READ_BYTES))
                if not data:
                    break
                position += len(data)
            if position != size:
                raise WrongBytesError(f"{obj.key}: read {position} bytes, the file has {size}")
            obj.seek(0)
            file.seek(0)
            position = 0
            while True:
                n = obj.readinto(buf)
                _compare(obj.key, position, memoryview(buf)[:n], file.read(READ_BYTES))
                if n == 0:
                    break
                position += n


def _compare(key: str, position: int, got: bytes | memoryview, want: bytes) -> None:
    if got == want:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    raise WrongBytesError(f"{key}: byte {position + at} differs from the file's")


def load_with_oss2(job: Job) -> list[Figures]:
    import oss2  # type: ignore[import-untyped]

    auth = oss2.ProviderAuthV4(EnvironmentVariableCredentialsProvider())
    bucket = oss2.Bucket(auth, job.endpoint, job.bucket, region=job.region, enable_crc=False)
    print("oss2: one stream, read", flush=True)
    meter = Meter("oss2, one stream", resident_bytes())
    left = job.limit_bytes
    for key, size in zip(job.keys, job.sizes):
        if left <= 0:
            break
        bar = shard_bar(os.path.basename(key), min(size, left))
        with closing(bucket.get_object(key)) as stream, bar as advance:
            while left > 0:
                data = stream.read(min(READ_BYTES, left))
                meter.first_read()
                if not data:
                    break
                advance(len(data))
                left -= len(data)
    return [meter.stop(job.limit_bytes - left)]


CLIENTS: dict[str, Callable[[Job], list[Figures]]] = {
    "connector": load_with_connector,
    "tensors": load_tensors,
    "oss2": load_with_oss2,
}


def main(job_path: str, result_path: str) -> int:
    job = Job(**json.loads(Path(job_path).read_text()))
    try:
        figures = CLIENTS[job.client](job)
    except WrongBytesError as error:
        print(f"demo: wrong bytes: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    Path(result_path).write_text(json.dumps([row.__dict__ for row in figures]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
