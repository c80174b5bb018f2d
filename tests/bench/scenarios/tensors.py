"""A model in safetensors files, from the store to tensors of torch."""

from __future__ import annotations

from bench.clients import fresh, fresh_peer, the_floor, total_bytes, with_server
from bench.scenario import (
    CPU_PER_GB,
    FETCHED,
    GB_PER_SECOND,
    PEAK_GROWTH_MIB,
    Bar,
    Client,
    Scenario,
    cpu_ratio,
    highest_of,
)
from bench.server import PLAIN
from bench.workplace import Workplace

_FLOOR = "floor: bare recv into fresh 4 KiB pages"
_EARLY = "ours, open_model, verify early"
_LATE = "ours, open_model, verify late"
_SMALL = "ours, open_model, budget 512 MiB"
# Beside the model: idle buffers, and what is received ahead of the file that is waited for.
_SPARE_MIB = 64 + 128


def tensors(place: Workplace) -> Scenario:
    files = place.catalogue.tensors()
    size = total_bytes(files)

    def ours(name: str, how: str, memory: str | None = None) -> Client:
        config = {} if memory is None else {"prefetch.memoryBytes": memory}
        return fresh(place, name, PLAIN, how, objects=files, config=config)

    clients = [
        the_floor(place, _FLOOR, files, mode=1),
        ours(_EARLY, "tensors"),
        ours(_LATE, "tensors-late"),
        ours(_SMALL, "tensors", "512 MiB"),
        fresh_peer(place, "osstorchconnector, OssSafetensor", PLAIN, "osstorch-tensors", files),
        fresh_peer(place, "runai, SafetensorsStreamer, cloned", PLAIN, "runai-tensors", files),
        fresh_peer(place, "safetensors, a local copy", PLAIN, "local-tensors", files),
    ]
    return Scenario(
        "tensors",
        "From safetensors files to tensors",
        f"{size / (1 << 30):.3g} GiB in {len(files)} files, each client in a process of its own "
        "that keeps all tensors, in the CPU's memory. torch is imported before the clock starts. "
        "Of runai each tensor is cloned, as those who load by it do: its own live until the next.",
        with_server(place, clients),
        columns=(GB_PER_SECOND, CPU_PER_GB, PEAK_GROWTH_MIB, FETCHED),
        bars=[
            cpu_ratio(_EARLY, _FLOOR, "open_model: CPU against the floor", 1.35),
            Bar(
                "open_model: MiB of peak growth",
                (size >> 20) + _SPARE_MIB,
                highest_of(_EARLY, "peak_growth_mib"),
            ),
        ],
        relative_to=_FLOOR,
        warm_up=False,
    )
