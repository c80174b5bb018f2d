"""The demo: loads a sharded safetensors model from a local OSS server and prints what that cost.

    make demo SIZE=1GiB

It writes a model of 8 shards, serves it with `python -m ossmodelconnector serve`, and loads it with
the code of the README in a client process of its own: all shards opened, then read(4 MiB) to the
end of each (load 1), then the same by readinto in the same process, which is warm now (load 2). A
third process loads all tensors by open_model (load 3) and keeps them. One plain oss2 stream stands
beside it. All of that twice: over a server that is as far and as slow as a network is, and over
loopback. Every byte, and every tensor's value, is then compared with the files, outside the clock.
Exit status: 0 when all of them are right.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from load import Job
from meter import Figures
from model import MIN_BYTES, SHARDS, write_model
from ossmodelconnector.local import DEFAULT_CREDENTIAL
from server import ServerError, end, serve
from sizes import binary, parse_rate, parse_size
from table import Row, Run

BUCKET = "ai-testset"
PREFIX = "demo/Model"
# The local server's own.
REGION = "cn-hangzhou"
CLIENT_ENVIRONMENT = {
    "OSS_ACCESS_KEY_ID": DEFAULT_CREDENTIAL.access_key_id,
    "OSS_ACCESS_KEY_SECRET": DEFAULT_CREDENTIAL.access_key_secret,
    # A proxy that the user has for the world must not see this.
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
# One slow stream takes 20 s and more for a gigabyte: it loads no more than what this allows.
SLOW_STREAM_SECONDS = 25


class DemoError(Exception):
    """Why the demo ends with another status than 0."""


@dataclass(frozen=True)
class Network:
    """A server's options and what the table calls it."""

    name: str
    options: list[str]
    stream_bytes_per_second: int | None = None  # None: no limit


def main(arguments: Sequence[str]) -> int:
    options = parse_arguments(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="ossmodelconnector-demo-") as folder:
            done = run(Path(folder), options)
    except KeyboardInterrupt:
        print("\ndemo: interrupted; the files are removed", file=sys.stderr)
        return 130
    except (DemoError, ServerError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(done.text())
    if options.json:
        Path(options.json).write_text(json.dumps(done.as_json(), indent=2) + "\n")
    return 0


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", type=size_of_model, default="1GiB", help="model size (1GiB)")
    parser.add_argument(
        "--memory",
        type=parse_size,
        default="256MiB",
        help="prefetch.memoryBytes, the connector's budget of chunk memory (256MiB)",
    )
    parser.add_argument("--latency", default="20ms", help="of the slow network (20ms)")
    parser.add_argument(
        "--rate-per-connection", default="50MB", help="of the slow network, a second (50MB)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    return parser.parse_args(arguments)


def size_of_model(text: str) -> int:
    size = parse_size(text)
    if size < MIN_BYTES:
        raise argparse.ArgumentTypeError(f"a model has at least {binary(MIN_BYTES)}")
    return size


def run(folder: Path, options: argparse.Namespace) -> Run:
    free = shutil.disk_usage(folder).free
    if free < options.size * 1.1:
        raise DemoError(
            f"{folder.parent} has {binary(free)} free, which is too little for a model of "
            f"{binary(options.size)}: set TMPDIR to another folder, or choose a smaller --size"
        )
    print(f"writing a model of {binary(options.size)} in {SHARDS} shards", flush=True)
    begin = time.perf_counter()
    served = folder / "buckets"
    files = list(write_model(served / BUCKET / PREFIX, options.size))
    print(f"  done in {time.perf_counter() - begin:.1f} s\n", flush=True)
    (folder / "config.json").write_text(json.dumps({"prefetch": {"memoryBytes": options.memory}}))

    rate = parse_rate(options.rate_per_connection)
    networks = [
        Network(
            f"{options.latency}, {options.rate_per_connection}/s a connection",
            ["--latency", options.latency, "--rate-per-connection", options.rate_per_connection],
            rate,
        ),
        Network("loopback", []),
    ]
    rows: list[Row] = []
    for network in networks:
        print(f"== {network.name} ==", flush=True)
        with serve(served, network.options) as endpoint:
            for client in ("oss2", "connector", "tensors"):
                job = make_job(client, endpoint, network, files, folder)
                rows += [Row(network.name, figures) for figures in run_client(job, folder)]
        print(flush=True)
    return Run(options.size, options.memory, SLOW_STREAM_SECONDS, rows)


def make_job(
    client: str, endpoint: str, network: Network, files: Sequence[Path], folder: Path
) -> Job:
    sizes = [file.stat().st_size for file in files]
    limit = sum(sizes)
    if network.stream_bytes_per_second is not None:
        limit = min(limit, SLOW_STREAM_SECONDS * network.stream_bytes_per_second)
    return Job(
        client=client,
        endpoint=endpoint,
        region=REGION,
        bucket=BUCKET,
        keys=[f"{PREFIX}/{file.name}" for file in files],
        sizes=sizes,
        files=[str(file) for file in files],
        config_path=str(folder / "config.json"),
        limit_bytes=limit,
    )


def run_client(job: Job, folder: Path) -> list[Figures]:
    """Runs a job in a process of its own."""
    job_file, result_file = folder / "job.json", folder / "result.json"
    job_file.write_text(json.dumps(asdict(job)))
    result_file.unlink(missing_ok=True)
    program = Path(__file__).with_name("load.py")
    with subprocess.Popen(
        [sys.executable, str(program), str(job_file), str(result_file)],
        env={**os.environ, **CLIENT_ENVIRONMENT},
        text=True,
    ) as process:
        try:
            status = process.wait()
        finally:
            end(process)
    if status == 130:
        raise KeyboardInterrupt
    if status == 3:
        raise DemoError("FAILED: what was read is not what the files hold (see above)")
    if status != 0:
        raise DemoError(f"FAILED: the client process ended with status {status} (see above)")
    return [Figures(**fields) for fields in json.loads(result_file.read_text())]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
