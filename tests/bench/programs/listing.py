"""Lists the keys of a shape, from a server of its own that is not the limit."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from bench.programs.usage import Figures, Meter, forget_peak, status_bytes, tell

BUCKET = "bench-bucket"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("who", choices=sorted(WHO))
    parser.add_argument("--server", required=True, help="the program ossmc_list_server")
    parser.add_argument("--host", default="127.0.0.1", help="a name of this machine")
    parser.add_argument("--shape", required=True)
    parser.add_argument("--keys", type=int, required=True)
    parser.add_argument("--latency", default="0", help="milliseconds before each reply")
    parser.add_argument("--slots", type=int, default=32)
    options = parser.parse_args()
    with serving(options) as port:
        tell(WHO[options.who](options, f"http://{options.host}:{port}"))


@contextlib.contextmanager
def serving(options: argparse.Namespace) -> Iterator[int]:
    """The server's port; the server ends with the block."""
    command = [options.server, "--shape", options.shape, "--keys", str(options.keys)]
    command += ["--latency", options.latency]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())


def ours(options: argparse.Namespace, endpoint: str, fast: bool) -> Figures:
    connecting = import_module("bench.programs.connecting")
    options.endpoint, options.config = endpoint, {"fastList.workers": options.slots}
    with connecting.connect(options) as connector:
        connector.list(BUCKET, "behind all keys \U0010fffd")  # its threads and a connection
        requests = connector.stats().requests
        before = status_bytes("VmRSS")
        forget_peak()
        meter = Meter()
        objects = connector.list(BUCKET, fast=fast)
        figures = figures_of(meter, len(objects), options)
        figures["requests_a_page"] = (connector.stats().requests - requests) / pages(options)
        figures["bytes_a_key"] = (status_bytes("VmHWM") - before) / options.keys
        begin = time.perf_counter()
        for obj in objects:
            obj.key, obj.size  # noqa: B018 - to have them is what is measured
        figures["objects_a_second"] = len(objects) / (time.perf_counter() - begin)
        return figures


def find(options: argparse.Namespace, endpoint: str, detail: bool) -> Figures:
    fs = import_module("ossmodelconnector.fsspec").OssModelFileSystem(
        endpoint, anon=True, region="cn-test", config={"fastList.workers": options.slots}
    )
    fs.connector.list(BUCKET, "behind all keys \U0010fffd")
    before = status_bytes("VmRSS")
    forget_peak()
    meter = Meter()
    found = fs.find(BUCKET, detail=detail)
    figures = figures_of(meter, len(found), options)
    figures["bytes_a_key"] = (status_bytes("VmHWM") - before) / options.keys
    return figures


def oss2(options: argparse.Namespace, endpoint: str) -> Figures:
    module = import_module("oss2")
    auth = module.Auth("ak-test", "sk-test")
    bucket = module.Bucket(auth, endpoint, BUCKET)
    meter = Meter()
    count = sum(1 for _ in module.ObjectIteratorV2(bucket, max_keys=1000))
    return figures_of(meter, count, options)


def osstorch(options: argparse.Namespace, endpoint: str) -> Figures:
    provider = import_module("oss2.credentials").EnvironmentVariableCredentialsProvider()
    with tempfile.TemporaryDirectory() as folder:
        config_path = os.path.join(folder, "config.json")
        with open(config_path, "w") as file:
            logs = {name: os.path.join(folder, name) for name in ("logPath", "auditPath")}
            json.dump({"logLevel": 2, **logs}, file)
        client: Any = import_module("osstorchconnector._oss_client").OssClient(
            endpoint, config_path=config_path, cred_provider=provider, region="cn-test"
        )
        meter = Meter()
        count = sum(1 for _ in client.list_objects(BUCKET, ""))
        return figures_of(meter, count, options)


def pages(options: argparse.Namespace) -> int:
    keys: int = options.keys
    return max(1, -(-keys // 1000))


def figures_of(meter: Meter, count: int, options: argparse.Namespace) -> Figures:
    figures = meter.stop(0)
    if count != options.keys:
        raise SystemExit(f"{count} of {options.keys} keys")
    seconds = figures["seconds"]
    latency = float(options.latency) / 1e3
    figures["keys_a_second"] = count / seconds
    figures["cpu_seconds_a_million"] = (
        (figures["user_seconds"] + figures["system_seconds"]) / count * 1e6
    )
    if latency:
        # One page alone, then the others in all slots.
        rounds = 1 + -(-(pages(options) - 1) // options.slots)
        figures["over_ideal"] = seconds / (latency * rounds)
    return figures


WHO: dict[str, Callable[[argparse.Namespace, str], Figures]] = {
    "fast": lambda options, endpoint: ours(options, endpoint, fast=True),
    "plain": lambda options, endpoint: ours(options, endpoint, fast=False),
    "find": lambda options, endpoint: find(options, endpoint, detail=False),
    "find-detail": lambda options, endpoint: find(options, endpoint, detail=True),
    "oss2": oss2,
    "osstorch": osstorch,
}


if __name__ == "__main__":
    main()
