"""Checkpoints of torch.distributed.checkpoint, from the store into the tensors of ranks."""

from __future__ import annotations

from bench.errors import UnavailableError
from bench.processes import python_module
from bench.runner import json_lines
from bench.scenario import (
    CPU_PER_GB,
    GB_PER_SECOND,
    PEAK_GROWTH_MIB,
    Client,
    Run,
    Scenario,
    speed_ratio,
)
from bench.workplace import Workplace

_RECORDS = "ours, DCP's own format"
_FSSPEC = "torch over fsspec and ossfs, DCP's own format"
_FOLDER = "ours, safetensors"
_COPY = "ossfs copies, then torch, safetensors"


def dcp(place: Workplace) -> Scenario:
    size = place.catalogue.sizes.distributed_bytes
    return Scenario(
        "dcp",
        "Distributed checkpoints",
        f"{size / 1e6:.0f} MB that 4 ranks saved are loaded by 2, with gloo on loopback, from a "
        "server in Python that waits 20 ms before each reply. Time is from barrier to barrier, and "
        "CPU is that of both ranks; of two passes the second counts. torch's own reader for "
        "folders of safetensors takes local ones, so one rank copies the files first.",
        [
            _client(place, _RECORDS, "ours", "records"),
            _client(place, _FSSPEC, "fsspec-ossfs", "records"),
            _client(place, _FOLDER, "ours", "safetensors"),
            _client(place, _COPY, "ossfs-copy", "safetensors"),
        ],
        columns=(GB_PER_SECOND, CPU_PER_GB, PEAK_GROWTH_MIB),
        bars=[
            speed_ratio(_RECORDS, _FSSPEC, "OssStorageReader: GB/s against fsspec and ossfs", 3),
            speed_ratio(_FOLDER, _COPY, "the same for a folder of safetensors files", 3),
        ],
        warm_up=False,
        most_rounds=3,
    )


def _client(place: Workplace, name: str, who: str, form: str) -> Client:
    def start(_round: int) -> Run:
        catalogue = place.catalogue
        objects = (
            catalogue.distributed_records()
            if form == "records"
            else catalogue.distributed_safetensors()
        )
        if not objects:
            raise UnavailableError("torch is not installed")
        words = ["serve", "--who", who, "--bytes", str(catalogue.sizes.distributed_bytes)]
        words += ["--folder", str(catalogue.store.path(objects[0].key).parent)]
        words += ["--scratch", str(catalogue.store.folder)]
        if who != "ours":
            words += ["--python", str(place.peers())]
        return Run(python_module("distributed", *words), json_lines)

    return Client(name, start, ours=who == "ours")
