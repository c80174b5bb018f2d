"""What happens inside a download: system calls, and where the CPU time goes."""

from __future__ import annotations

import json
import shutil

from bench import ossmc_bench
from bench.clients import MEMORY
from bench.errors import UnavailableError
from bench.processes import keys_and_sizes, python_module
from bench.runner import json_lines
from bench.scenario import Bar, Client, Column, Run, Scenario, highest_of, median_of
from bench.server import BUCKET, PLAIN
from bench.workplace import Workplace

_CPP = "ours, C++, chunks dropped"
_READINTO = "ours, Python, readinto(4 MiB)"
_FEW, _MANY = 1, 4
_PROFILED = 12  # passes


def system_calls(place: Workplace) -> Scenario:
    def start(_round: int) -> Run:
        _need("strace")
        size = (_MANY - _FEW) * sum(row.size for row in place.catalogue.models())
        commands = [json.dumps(_download(place, passes)) for passes in (_FEW, _MANY)]
        file = str(place.folder / "strace")
        command = python_module("count_calls", "--file", file, "--bytes", str(size), *commands)
        return Run(command, json_lines)

    return Scenario(
        "strace",
        "System calls of a steady download",
        f"By `strace -f -c`: what {_MANY} passes take more than {_FEW}, a GB. strace slows the "
        "download down, so that each recv finds more than it would otherwise.",
        [Client(_CPP, start, ours=True)],
        columns=(
            Column("receiving_calls_per_gb", "recv, poll, epoll a GB", 0, spread=True),
            Column("other_calls_per_gb", "others a GB", 0, spread=True),
        ),
        bars=[
            Bar("recv, poll and epoll a GB", 40_000, median_of(_CPP, "receiving_calls_per_gb")),
            Bar("others a GB", 500, median_of(_CPP, "other_calls_per_gb")),
        ],
        warm_up=False,
        plots="bars",
    )


def profile(place: Workplace) -> Scenario:
    def cpp(_round: int) -> Run:
        return _profiled(place, _download(place, _PROFILED))

    def python(_round: int) -> Run:
        options = ["readinto", "--passes", str(_PROFILED), "--bucket", BUCKET]
        options += ["--endpoint", place.server.endpoint(PLAIN)]
        options += ["--config", json.dumps({"prefetch.memoryBytes": MEMORY})]
        return _profiled(
            place, python_module("ours", *options, *keys_and_sizes(place.catalogue.models()))
        )

    return Scenario(
        "profile",
        "Where the CPU time goes",
        "Flat profiles by perf's cpu-clock, of the whole process from its third second on. Where a "
        "virtual machine has no hardware counters, the clock's interrupt comes when the kernel "
        "enables interrupts again, so that its `_raw_spin_unlock_irqrestore` gets the samples of "
        "what ran before it with interrupts disabled.",
        [Client(_CPP, cpp, ours=True), Client(_READINTO, python, ours=True)],
        columns=(),
        bars=[
            Bar(
                f"{which}: rows of 1 % and more in user space of Python, locks, allocators",
                0,
                highest_of(client, "unwanted_rows"),
            )
            for which, client in (("C++", _CPP), ("Python", _READINTO))
        ],
        warm_up=False,
        most_rounds=1,
        plots="",
    )


def _download(place: Workplace, passes: int) -> list[str]:
    return ossmc_bench.download(
        place.ossmc_bench,
        place.server.endpoint(PLAIN),
        BUCKET,
        [row.key for row in place.catalogue.models()],
        memory=MEMORY.replace(" ", ""),
        passes=passes,
    )


def _profiled(place: Workplace, command: list[str]) -> Run:
    _need("perf")
    file = str(place.folder / "perf.data")
    return Run(python_module("profile", "--file", file, *command), json_lines)


def _need(program: str) -> None:
    if shutil.which(program) is None:
        raise UnavailableError(f"there is no {program}")
