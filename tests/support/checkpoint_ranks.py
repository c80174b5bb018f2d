"""Ranks of a job: some save a sharded state by torch, others load it by OssStorageReader.

Each is a process of its own, with gloo on loopback. `run_ranks` bounds their time. They come from a
server of forks, which imports torch once for all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

RANK_SECONDS = 150
_IMPORTED_ONCE = [
    "torch.distributed.checkpoint.state_dict",
    "torch.distributed.fsdp",
    "torch.distributed.tensor",
]


def run_ranks(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Runs ``work(rank, *arguments)`` in `count` processes that know each other.

    What one of them raises is raised here. TimeoutError: they took too long, and are ended.
    """
    folder = Path(arguments[0])
    meeting = folder / f"meeting-{time.monotonic_ns()}"
    multiprocessing.set_forkserver_preload(_IMPORTED_ONCE)
    context = torch.multiprocessing.start_processes(
        _in_rank,
        (count, str(meeting), work, arguments),
        nprocs=count,
        join=False,
        start_method="forkserver",
    )
    deadline = time.monotonic() + RANK_SECONDS
    try:
        while not context.join(timeout=1):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} ranks are not done after {RANK_SECONDS} s")
    finally:
        for process in context.processes:
            process.kill()


def _in_rank(rank: int, count: int, meeting: str, work: Callable[..., None], given: Any) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    work(rank, *given)  # if it fails, this process ends at once: its error is the first one
    dist.barrier()
    dist.destroy_process_group()


def whole_state() -> dict[str, torch.Tensor]:
    """Tensors as they are before they are divided: uneven ones, small ones, of several types."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "rows": random(301, 128),  # 150 kB in 4 shards
        "columns": random(64, 902),
        "both": random(150, 260).to(torch.bfloat16),
        "replicated": random(90, 300),
        "few rows": random(3, 7),  # not every rank has one
        "unsigned": torch.arange(70_000).to(torch.uint16).view(350, 200),
        "float8": random(400, 256).to(torch.float8_e4m3fn),
    }


def sharded(mesh: DeviceMesh, *, is_blank: bool) -> dict[str, DTensor]:
    """That state, divided among the ranks of a mesh; blank: for a load."""
    placements = {"columns": Shard(1), "replicated": Replicate(), "both": Shard(1)}
    return {
        name: distribute_tensor(
            torch.zeros_like(tensor) if is_blank else tensor,
            mesh,
            [placements.get(name, Shard(0))],
            src_data_rank=None,
        )
        for name, tensor in whole_state().items()
    }


def check_equal(loaded: dict[str, DTensor], mesh: DeviceMesh) -> None:
    expected = sharded(mesh, is_blank=False)
    assert list(loaded) == list(expected)
    for name, tensor in expected.items():
        ours = loaded[name].to_local()
        assert ours.dtype == tensor.dtype, name
        assert torch.equal(ours.view(torch.uint8), tensor.to_local().view(torch.uint8)), name


def trained(mesh: DeviceMesh, seed: int) -> dict[str, Any]:
    """The state of a model under FSDP, and of its optimizer after a step."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(48, 101), torch.nn.Linear(101, 48, bias=False))
    for layer in model:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(2, 48)).sum().backward()
    optimizer.step()
    weights, state = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": state, "progress": {"step": seed, "name": f"run {seed}"}}


def flat(state: Any, prefix: str = "") -> dict[str, Any]:
    """Whole tensors and values by their path."""
    if isinstance(state, dict):
        pairs = [flat(value, f"{prefix}.{name}") for name, value in state.items()]
        return {name: value for pair in pairs for name, value in pair.items()}
    return {prefix: state.full_tensor() if isinstance(state, DTensor) else state}


def save_and_load(rank: int, folder: str, uri: str, connector: Any) -> None:
    """Four of six ranks save; two of them, and then all, load."""
    from ossmodelconnector.torch import OssStorageReader

    meshes = {count: DeviceMesh("cpu", list(range(count))) for count in (4, 2, 6)}
    target = Path(folder) / "models"
    if rank < 4:
        group = meshes[4].get_group()
        dcp.save(
            sharded(meshes[4], is_blank=False),
            checkpoint_id=target / "tensors",
            process_group=group,
        )
        dcp.save(trained(meshes[4], 1), checkpoint_id=target / "fsdp", process_group=group)
        writer = dcp.HuggingFaceStorageWriter(str(target / "hf"), save_distributed=True)
        names = set(whole_state()) - {"unsigned", "float8"}  # that writer knows fewer types
        state = {name: t for name, t in sharded(meshes[4], is_blank=False).items() if name in names}
        dcp.save(state, storage_writer=writer, process_group=group)
        saved = flat(trained(meshes[4], 1))
        if rank == 0:
            torch.save(saved, Path(folder) / "saved.pt")
    dist.barrier()
    expected = torch.load(Path(folder) / "saved.pt")
    for count in (2, 6):
        if rank >= count:
            continue
        mesh, group = meshes[count], meshes[count].get_group()
        for kind in ("tensors", "hf"):
            state = sharded(mesh, is_blank=True)
            if kind == "hf":
                del state["unsigned"], state["float8"]
            reader = OssStorageReader(f"{uri}/{kind}", connector=connector)
            dcp.load(state, storage_reader=reader, process_group=group)
            if kind == "tensors":
                check_equal(state, mesh)
            else:
                check_equal({**sharded(mesh, is_blank=False), **state}, mesh)
        state = trained(mesh, 2)
        reader = OssStorageReader(f"{uri}/none", connector=connector)
        dcp.load(state, checkpoint_id=f"{uri}/fsdp", storage_reader=reader, process_group=group)
        loaded = flat(state)
        assert list(loaded) == list(expected)
        for name, value in expected.items():
            same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
            assert same(loaded[name], value), name
    dist.barrier()
