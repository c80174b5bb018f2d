"""What is counted in waits and not in bytes: first bytes, round trips, small reads."""

from __future__ import annotations

import json
from typing import Any

from bench import floor
from bench.clients import MEMORY, paths, program
from bench.errors import UnavailableError
from bench.objects import Object
from bench.processes import keys_and_sizes, python_module
from bench.results import Result
from bench.runner import json_lines
from bench.scenario import Bar, Client, Column, Run, Scenario, median_of
from bench.scenarios.fresh import NETWORKS
from bench.server import BUCKET, FAR, PLAIN, Network
from bench.workplace import Workplace

_OURS = "ours"
_BYTES_IO = "io.BytesIO, read(64)"
_SMALL_READS = "ours, read(64)"
_LOCAL = "local file, torch.load(path)"
_LOCAL_FILE = "local file, torch.load(file object)"
_LOAD = "ours, torch.load(reader)"
_TRANSFER = "floor: bare recv of the checkpoint"
_DEMO_MEMORY = "256 MiB"
_FIRST_MS = Column("first_ms", "ms to the first 4 MiB", 0, spread=True)


def first_bytes(place: Workplace) -> Scenario:
    small = {"prefetch.memoryBytes": _DEMO_MEMORY}
    clients, bars = [], []
    for where, network in NETWORKS.items():
        ours = f"ours, {where}, defaults"
        clients += [
            _first(place, ours, network, "ours", {}),
            _first(place, f"ours, {where}, {_DEMO_MEMORY}", network, "ours", small),
            _first(place, f"oss2, {where}, one stream", network, "oss2", {}),
        ]
        if where == "plain":
            text = f"{where}: ms to the first 4 MiB, defaults"
            bars.append(Bar(text, 50, median_of(ours, _FIRST_MS.figure)))
    shards = place.catalogue.shards()
    return Scenario(
        "firstbytes",
        "First bytes",
        f"{len(shards)} shards of {shards[0].size >> 20} MiB are opened with `open_many`, then the "
        "first 4 MiB of the first are read: milliseconds from the first open to those bytes, each "
        "time in a fresh process; one oss2 stream opens that one shard alone. plain: loopback as "
        "it is; slow: 20 ms to the first byte and 50 MB/s a connection. `make demo` has the same "
        f"figure, with {_DEMO_MEMORY} and a server in Python.",
        clients,
        columns=(_FIRST_MS,),
        bars=bars,
        warm_up=False,
    )


def _first(
    place: Workplace, name: str, network: Network, who: str, config: dict[str, Any]
) -> Client:
    def start(_round: int) -> Run:
        python = None if who == "ours" else place.peers()
        words = [who, "--endpoint", place.server.endpoint(network), "--bucket", BUCKET]
        words += ["--config", json.dumps(config), *keys_and_sizes(place.catalogue.shards())]
        command = python_module("first_bytes", *words, python=python)
        return Run(command, json_lines, waits_itself=True)

    return Client(name, start, ours=who == "ours")


def round_trips(place: Workplace) -> Scenario:
    figures = {
        "open_and_read": ("open and read a small object", 1.1),
        "open_many": ("40 small objects by open_many, 32 slots and 16 more for opens", 3.0),
        "open_many_32": ("40 small objects by open_many, 16 slots and 16 more for opens", 3.0),
        "jump_busy": ("a jump of 50 MiB, all 16 slots busy before it", 2.5),
        "jump_full": ("a jump of 50 MiB, the budget full before it", 2.5),
    }
    large = keys_and_sizes(place.catalogue.models())
    words = ["--wait", str(FAR.wait_seconds), "--large", *large]
    small = place.catalogue.small()
    return Scenario(
        "roundtrips",
        "Round trips",
        "100 ms to the first byte, and no limit after it; times in round trips, each from a new "
        "connector. The first includes connecting. What is jumped to has not been asked for "
        "before.",
        [program(place, _OURS, FAR, "round_trips", *words, objects=small, config={})],
        columns=[Column(name, text, spread=True) for name, (text, _) in figures.items()],
        bars=[Bar(text, limit, median_of(_OURS, name)) for name, (text, limit) in figures.items()],
        plots="bars",
    )


def small_reads(place: Workplace) -> Scenario:
    ready = place.catalogue.ready()
    config = {"prefetch.memoryBytes": MEMORY}
    return Scenario(
        "smallreads",
        "Small reads",
        "read(64) from bytes that are in memory; torch.load of a checkpoint of "
        f"{place.catalogue.sizes.checkpoint_bytes // 10**6} MB, from the page cache and over "
        "loopback. The last pass of each process counts.",
        [
            program(
                place,
                _BYTES_IO,
                PLAIN,
                "small_reads",
                "bytesio",
                objects=ready,
                config={},
                ours=False,
            ),
            program(
                place, _SMALL_READS, PLAIN, "small_reads", "ours", objects=ready, config=config
            ),
            _checkpoint(place, _LOCAL, "path"),
            _checkpoint(place, _LOCAL_FILE, "file"),
            _checkpoint(place, _LOAD, "ours"),
            _transfer(place),
        ],
        columns=(
            Column("read_ns", "ns a read(64)", 0, spread=True),
            Column("load_ms", "ms", 0, spread=True),
        ),
        bars=[
            Bar(
                "read(64): time against io.BytesIO",
                6.0,
                lambda result: result.ratio(_SMALL_READS, _BYTES_IO, "read_ns"),
            ),
            Bar("torch.load: time against local file and bare transfer", 1.25, _load_ratio),
        ],
        plots="bars",
    )


def _checkpoint_object(place: Workplace) -> Object:
    found = place.catalogue.checkpoint()
    if not found:
        raise UnavailableError("torch is not installed, so there is no checkpoint")
    return found[0]


def _checkpoint(place: Workplace, name: str, what: str) -> Client:
    def start(_round: int) -> Run:
        row = _checkpoint_object(place)
        options = [what, "--path", str(place.catalogue.store.path(row.key))]
        options += ["--endpoint", place.server.endpoint(PLAIN), "--bucket", BUCKET]
        command = python_module("checkpoint", *options, *keys_and_sizes([row]))
        return Run(command, json_lines)

    return Client(name, start, ours=what == "ours")


def _transfer(place: Workplace) -> Client:
    def start(_round: int) -> Run:
        row = _checkpoint_object(place)
        port = place.server.port(PLAIN)
        command = floor.command(place.programs, port, 0, row.size, paths([row]))
        return Run(command, lambda text: [_in_milliseconds(line) for line in json_lines(text)])

    return Client(_TRANSFER, start)


def _in_milliseconds(sample: dict[str, float]) -> dict[str, float]:
    return {"load_ms": sample["seconds"] * 1e3}


def _load_ratio(result: Result) -> float | None:
    ours, local, transfer = (
        result.median(client, "load_ms") for client in (_LOAD, _LOCAL, _TRANSFER)
    )
    if ours is None or local is None or transfer is None:
        return None
    return ours / (local + transfer)
