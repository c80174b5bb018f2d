"""A peer, over the same objects, as its own documentation has it read.

Each is a package of its own name in the peers' environment (third_party/bench-peers.txt), but for
`http_client`, which is Python's own.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from bench.programs.usage import make_memory_warm, parse_keys, run_passes

CHUNK, READ = 8 << 20, 4 << 20
THREADS = 16
Run = Callable[[], int]
Sizes = dict[str, int]


def drain(reader: Any, buffer: bytearray) -> int:
    total = 0
    while (count := reader.readinto(buffer)) and count > 0:
        total += count
    return total


def ranges(sizes: Sizes) -> list[tuple[str, int, int]]:
    """(key, offset, length) of each chunk."""
    return [
        (key, at, min(CHUNK, size - at))
        for key, size in sizes.items()
        for at in range(0, size, CHUNK)
    ]


def _oss2_bucket(options: argparse.Namespace) -> Any:
    oss2 = import_module("oss2")
    credentials = import_module("oss2.credentials")
    auth = oss2.ProviderAuth(credentials.EnvironmentVariableCredentialsProvider())
    return oss2.Bucket(auth, options.endpoint, options.bucket, enable_crc=False)


def oss2(options: argparse.Namespace, sizes: Sizes) -> Run:
    """One stream."""
    bucket = _oss2_bucket(options)

    def one(key: str) -> int:
        stream, total = bucket.get_object(key), 0
        while data := stream.read(READ):
            total += len(data)
        return total

    return lambda: sum(map(one, sizes))


def oss2_threads(options: argparse.Namespace, sizes: Sizes) -> Run:
    bucket = _oss2_bucket(options)

    def one(job: tuple[str, int, int]) -> int:
        key, offset, length = job
        return len(bucket.get_object(key, byte_range=(offset, offset + length - 1)).read())

    def run() -> int:
        with ThreadPoolExecutor(THREADS) as executor:
            return sum(executor.map(one, ranges(sizes)))

    return run


def ossv2(options: argparse.Namespace, sizes: Sizes) -> Run:
    oss = import_module("alibabacloud_oss_v2")
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.EnvironmentVariableCredentialsProvider()
    config.region, config.endpoint = "cn-test", options.endpoint
    client = oss.Client(config)

    def one(key: str) -> int:
        total = 0
        with client.open_file(options.bucket, key) as reader:
            reader.enable_prefetch = True
            while data := reader.read(READ):
                total += len(data)
        return total

    return lambda: sum(map(one, sizes))


def obstore_store(options: argparse.Namespace) -> Any:
    return import_module("obstore.store").S3Store(
        options.bucket,
        endpoint=options.endpoint,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        region="us-east-1",
    )


def obstore(options: argparse.Namespace, sizes: Sizes) -> Run:
    library = import_module("obstore")
    store = obstore_store(options)

    def one(key: str) -> int:
        parts = [(at, length) for name, at, length in ranges(sizes) if name == key]
        starts, lengths = map(list, zip(*parts))
        got = library.get_ranges(store, key, starts=starts, lengths=lengths)
        return sum(len(memoryview(part)) for part in got)

    return lambda: sum(map(one, sizes))


def s3torch(options: argparse.Namespace, sizes: Sizes) -> Run:
    library = import_module("s3torchconnector")
    config = library.S3ClientConfig(force_path_style=True, throughput_target_gbps=40)
    checkpoint = library.S3Checkpoint(
        "us-east-1", endpoint=options.endpoint, s3client_config=config
    )
    buffer = bytearray(READ)
    uris = [f"s3://{options.bucket}/{key}" for key in sizes]
    return lambda: sum(drain(checkpoint.reader(uri), buffer) for uri in uris)


def runai(options: argparse.Namespace, sizes: Sizes) -> Run:
    os.environ.update(
        RUNAI_STREAMER_CONCURRENCY=str(THREADS),
        AWS_ENDPOINT_URL=options.endpoint,
        RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING="0",
    )
    streamer = import_module("runai_model_streamer.file_streamer.file_streamer")

    def run() -> int:
        parts = [
            streamer.FileChunks.contiguous(
                number,
                f"s3://{options.bucket}/{key}",
                0,
                [length for name, _, length in ranges(sizes) if name == key],
            )
            for number, key in enumerate(sizes)
        ]
        with streamer.FileStreamer() as files:
            files.stream_files(parts)
            return sum(chunk.nbytes for *_, chunk in files.get_chunks())

    return run


def _osstorch_access(options: argparse.Namespace) -> dict[str, Any]:
    folder = tempfile.mkdtemp(dir=options.folder)
    config_path = os.path.join(folder, "config.json")
    with open(config_path, "w") as file:
        config = {
            "logLevel": 2,
            "logPath": os.path.join(folder, "log"),
            "auditPath": os.path.join(folder, "audit"),
            "checkpointConfig": {"prefetchConcurrency": 24, "prefetchWorker": 2},
        }
        json.dump(config, file)
    credentials = import_module("oss2.credentials")
    return {
        "endpoint": options.endpoint,
        "cred_provider": credentials.EnvironmentVariableCredentialsProvider(),
        "config_path": config_path,
        "region": "cn-test",
    }


def osstorch(options: argparse.Namespace, sizes: Sizes) -> Run:
    library = import_module("osstorchconnector")
    checkpoint = library.OssCheckpoint(**_osstorch_access(options))
    buffer = bytearray(READ)

    def run() -> int:
        total = 0
        for reader in [checkpoint.reader(f"oss://{options.bucket}/{key}") for key in sizes]:
            total += drain(reader, buffer)
            # At once, other than ours: its readers hold all that they have read. With those of the
            # pass before kept open until this one is over, as ours are, it took 1.82 in place of
            # 1.59 CPU-seconds a GB and 4.5 in place of 0.9 GiB (medians of 3, taking turns).
            reader.close()
        return total

    return run


def osstorch_tensors(options: argparse.Namespace, sizes: Sizes) -> Run:
    library = import_module("osstorchconnector")
    files = library.OssSafetensor(**_osstorch_access(options))
    kept: dict[str, Any] = {}

    def run() -> int:
        for key in sizes:
            with files.safe_open(f"oss://{options.bucket}/{key}") as file:
                for name in file.offset_keys():
                    kept[name] = file.get_tensor(name)
        return sum(sizes.values())

    return run


def runai_tensors(options: argparse.Namespace, sizes: Sizes) -> Run:
    os.environ.update(
        RUNAI_STREAMER_CONCURRENCY=str(THREADS),
        AWS_ENDPOINT_URL=options.endpoint,
        RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING="0",
    )
    library = import_module("runai_model_streamer")
    kept: dict[str, Any] = {}

    def run() -> int:
        with library.SafetensorsStreamer() as streamer:
            streamer.stream_files([f"s3://{options.bucket}/{key}" for key in sizes])
            for name, tensor in streamer.get_tensors():
                kept[name] = tensor.clone()
        return sum(sizes.values())

    return run


def local_tensors(options: argparse.Namespace, sizes: Sizes) -> Run:
    """No client: the package safetensors over the server's own files, read into memory."""
    safe_open = import_module("safetensors").safe_open
    kept: dict[str, Any] = {}

    def run() -> int:
        for key in sizes:
            with safe_open(os.path.join(options.files, key), "pt") as file:
                for name in file.offset_keys():
                    kept[name] = file.get_tensor(name).clone()
        return sum(sizes.values())

    return run


def boto3(options: argparse.Namespace, sizes: Sizes) -> Run:
    config = import_module("botocore.config").Config(
        s3={"addressing_style": "path"}, max_pool_connections=THREADS + 4
    )
    client = import_module("boto3").client("s3", endpoint_url=options.endpoint, config=config)
    transfer = import_module("boto3.s3.transfer").TransferConfig(
        max_concurrency=THREADS, multipart_chunksize=CHUNK
    )

    def one(key: str) -> int:
        out = io.BytesIO()
        client.download_fileobj(options.bucket, key, out, Config=transfer)
        return len(out.getbuffer())

    return lambda: sum(map(one, sizes))


def http_client(options: argparse.Namespace, sizes: Sizes) -> Run:
    """One stream, into memory that holds all of it."""
    address = urlsplit(options.endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    kept: list[bytearray] = []

    def one(key: str) -> int:
        connection.request("GET", f"/{options.bucket}/{key}")
        reply, total = connection.getresponse(), 0
        kept.append(bytearray(sizes[key]))
        into = memoryview(kept[-1])
        while count := reply.readinto(into[total : total + READ]):
            total += count
        return total

    return lambda: sum(map(one, sizes))


PEERS = (
    oss2,
    oss2_threads,
    ossv2,
    obstore,
    s3torch,
    runai,
    osstorch,
    boto3,
    http_client,
    osstorch_tensors,
    runai_tensors,
    local_tensors,
)


def main() -> None:
    peers = {peer.__name__.replace("_", "-"): peer for peer in PEERS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=peers)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--folder", required=True, help="for files of the peer's")
    parser.add_argument("--files", default="", help="where the server has its objects")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--fresh-bytes", type=int, default=0, help="of memory to make warm before")
    parser.add_argument("keys", nargs="+", metavar="KEY=BYTES")
    options = parser.parse_args()
    if options.peer.endswith("tensors"):
        import_module("torch")  # before what is resident is looked at
    sizes = parse_keys(options.keys)
    run = peers[options.peer](options, sizes)
    make_memory_warm(options.fresh_bytes)
    run_passes(run, sum(sizes.values()), options.passes)


if __name__ == "__main__":
    main()
