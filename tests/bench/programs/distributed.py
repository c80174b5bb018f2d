"""A checkpoint of torch.distributed.checkpoint: saved by 4 ranks, loaded by 2.

`serve` puts up a server that waits 20 ms before each reply, and runs `load` beside it, which may be
in another environment. Ranks are processes, with gloo on loopback; a pass is from barrier to
barrier.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.programs.usage import Meter, forget_peak, status_bytes, tell

SAVING, LOADING = 4, 2
PASSES = 2
BUCKET, FOLDER = "bucket", "checkpoint"
LATENCY_SECONDS = 0.02
LAYER_BYTES = 2 * (4096 * 1024 + 1024)


def shapes(size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Of the tensors of about so many bytes."""
    for layer in range(max(1, size // LAYER_BYTES)):
        yield f"layers.{layer}.attention", (3072, 1024)
        yield f"layers.{layer}.out", (1024, 1024)
        yield f"layers.{layer}.norm", (1024,)


def make_state(size: int, mesh: Any, *, is_blank: bool) -> dict[str, Any]:
    """bfloat16, divided by rows."""
    torch, tensor = import_module("torch"), import_module("torch.distributed.tensor")
    state = {}
    for number, (name, shape) in enumerate(shapes(size)):
        whole = torch.zeros(shape, dtype=torch.bfloat16)
        if not is_blank:  # no two rows beside each other are alike
            rows = (torch.arange(shape[0]) + number) % 251
            whole += rows.view(-1, *[1] * (len(shape) - 1))
        placements = [tensor.Shard(0)]
        state[name] = tensor.distribute_tensor(whole, mesh, placements, src_data_rank=None)
    return state


def in_ranks(count: int, work: Callable[..., None], options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = (count, f"file://{folder}/meeting", work, options)
        import_module("torch.multiprocessing").spawn(_in_rank, arguments, nprocs=count)


def _in_rank(
    rank: int, count: int, meeting: str, work: Callable[..., None], options: argparse.Namespace
) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    warnings.simplefilter("ignore")
    torch, dist = import_module("torch"), import_module("torch.distributed")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count)
    mesh = import_module("torch.distributed.device_mesh").DeviceMesh("cpu", list(range(count)))
    work(rank, mesh, options)
    dist.barrier()
    dist.destroy_process_group()


def save(_rank: int, mesh: Any, options: argparse.Namespace) -> None:
    dcp = import_module("torch.distributed.checkpoint")
    if options.form == "safetensors":
        writer = dcp.HuggingFaceStorageWriter(options.folder, save_distributed=True)
    else:
        writer = dcp.FileSystemWriter(options.folder)
    dcp.save(make_state(options.bytes, mesh, is_blank=False), storage_writer=writer)


def load(rank: int, mesh: Any, options: argparse.Namespace) -> None:
    torch, dist = import_module("torch"), import_module("torch.distributed")
    dcp = import_module("torch.distributed.checkpoint")
    make = READERS[options.who](options)
    expected = make_state(options.bytes, mesh, is_blank=False)
    own = sum(tensor.to_local().nbytes for tensor in expected.values())
    for _ in range(PASSES):
        state = make_state(options.bytes, mesh, is_blank=True)
        forget_peak()
        resident = status_bytes("VmRSS")
        dist.barrier()
        begin, meter = time.perf_counter(), Meter()
        dcp.load(state, storage_reader=make())
        dist.barrier()
        seconds = time.perf_counter() - begin
        figures = {**meter.stop(own), "seconds": seconds, "resident_before_bytes": resident}
        for name, tensor in expected.items():
            if not torch.equal(state[name].to_local(), tensor.to_local()):
                raise SystemExit(f"{name} is not as it was saved")
        everybodys: list[Any] = [None] * LOADING
        dist.all_gather_object(everybodys, figures)
        if rank == 0:
            for added in ("bytes", "user_seconds", "system_seconds"):
                figures[added] = sum(rank_figures[added] for rank_figures in everybodys)
            tell(figures)


Reader = Callable[[], Any]


def ours(options: argparse.Namespace) -> Reader:
    library = import_module("ossmodelconnector")
    connector = library.OssModelConnector(
        options.endpoint,
        cred_provider=library.AnonymousCredentialsProvider(),
        region="cn-hangzhou",
    )
    reader = import_module("ossmodelconnector.torch").OssStorageReader
    return lambda: reader(f"oss://{BUCKET}/{FOLDER}/", connector=connector)


def fsspec_ossfs(options: argparse.Namespace) -> Reader:
    """torch's own reader over ossfs."""
    reader = import_module("torch.distributed.checkpoint._fsspec_filesystem").FsspecReader
    access = {"endpoint": options.endpoint, "key": options.key, "secret": options.secret}
    return lambda: reader(f"oss://{BUCKET}/{FOLDER}", **access)


def ossfs_copy(options: argparse.Namespace) -> Reader:
    """torch's own reader for such folders, which takes local ones: rank 0 makes it by ossfs."""
    files = import_module("ossfs").OSSFileSystem(
        endpoint=options.endpoint, key=options.key, secret=options.secret
    )
    dist = import_module("torch.distributed")
    dcp = import_module("torch.distributed.checkpoint")

    def make() -> Any:
        folder = Path(options.scratch)
        if dist.get_rank() == 0:
            for path in files.ls(f"{BUCKET}/{FOLDER}", detail=False):
                files.get_file(path, str(folder / Path(path).name))
        dist.barrier()
        return dcp.HuggingFaceStorageReader(str(folder))

    return make


READERS: dict[str, Callable[[argparse.Namespace], Reader]] = {
    "ours": ours,
    "fsspec-ossfs": fsspec_ossfs,
    "ossfs-copy": ossfs_copy,
}


def serve(options: argparse.Namespace) -> None:
    local = import_module("ossmodelconnector.local")
    credential = local.DEFAULT_CREDENTIAL
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        served = Path(scratch, "served", BUCKET, FOLDER)
        served.mkdir(parents=True)
        for file in Path(options.folder).iterdir():
            os.link(file, served / file.name)
        copies = Path(scratch, "copies")
        copies.mkdir()
        with local.LocalServer(
            served.parents[1], anonymous=True, latency=LATENCY_SECONDS, log_requests=False
        ) as server:
            server.wait_for_checksums(60)
            words = ["load", "--who", options.who, "--bytes", str(options.bytes)]
            words += ["--endpoint", server.endpoint, "--scratch", str(copies)]
            words += ["--key", credential.access_key_id, "--secret", credential.access_key_secret]
            command = [options.python, "-m", "bench.programs.distributed", *words]
            subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    saving = commands.add_parser("save")
    saving.add_argument("--form", choices=["records", "safetensors"], required=True)
    saving.add_argument("--folder", required=True)
    serving, loading = commands.add_parser("serve"), commands.add_parser("load")
    for command in (saving, serving, loading):
        command.add_argument("--bytes", type=int, required=True)
    for command in (serving, loading):
        command.add_argument("--who", choices=READERS, required=True)
        command.add_argument("--scratch", required=True, help="a folder")
    serving.add_argument("--folder", required=True, help="what is served")
    serving.add_argument("--python", default=sys.executable, help="that loads")
    loading.add_argument("--endpoint", required=True)
    loading.add_argument("--key", required=True)
    loading.add_argument("--secret", required=True)
    options = parser.parse_args()
    if options.what == "serve":
        serve(options)
    elif options.what == "save":
        in_ranks(SAVING, save, options)
    else:
        in_ranks(LOADING, load, options)


if __name__ == "__main__":
    main()
