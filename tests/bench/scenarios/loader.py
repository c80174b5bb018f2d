"""Many small objects through torch's DataLoader, as training reads them."""

from __future__ import annotations

from bench.clients import the_peers_hosts
from bench.processes import python_module
from bench.runner import json_lines
from bench.scenario import Bar, Client, Column, Run, Scenario
from bench.server import BUCKET, DOMAIN, NEAR
from bench.workplace import Workplace

_OURS = "ours, IterableObjectDataset"
_OSS2 = "oss2, get_object a sample"
_OSSTORCH = "osstorchconnector, OssIterableDataset"
# oss2 has one request at a time in each worker, so its epoch takes half a minute.
_READS = 2000


def loader(place: Workplace) -> Scenario:
    items = place.catalogue.many()

    def client(name: str, who: str, ours: bool = False) -> Client:
        def start(_round: int) -> Run:
            host, prefix = "127.0.0.1", list[str]()
            if who == "osstorch":
                host, prefix = DOMAIN, the_peers_hosts(place)
            options = ["--endpoint", place.server.endpoint(NEAR, host), "--bucket", BUCKET]
            options += ["--folder", str(place.folder), "--reads", str(_READS)]
            options += ["--count", str(len(items)), "--size", str(items[0].size)]
            options += ["--stem", items[0].key[:-2]]
            python = None if ours else place.peers()
            return Run(
                [*prefix, *python_module("loader", who, *options, python=python)], json_lines
            )

        return Client(name, start, ours=ours)

    def faster_than(other: str, text: str) -> Bar:
        return Bar(
            text, 3, lambda result: result.ratio(_OURS, other, "items_a_second"), at_least=True
        )

    return Scenario(
        "loader",
        "A DataLoader over small objects",
        f"{_READS} objects of {items[0].size // 1000} kB through torch's DataLoader with 2 workers "
        "in batches of 50, 20 ms to the first byte. The clock runs from the start of the workers; "
        "their CPU counts too. osstorchconnector prefetches by its defaults.",
        [
            client(_OURS, "ours-iterable", ours=True),
            client("ours, ObjectDataset", "ours-map", ours=True),
            client(_OSS2, "oss2"),
            client(_OSSTORCH, "osstorch"),
        ],
        columns=(
            Column("items_a_second", "items a second", 0, spread=True),
            Column("cpu_us_an_item", "CPU-us an item", 0, spread=True),
        ),
        bars=[
            faster_than(_OSS2, "items a second against oss2"),
            faster_than(_OSSTORCH, "items a second against osstorchconnector"),
        ],
        warm_up=False,
        plots="bars",
    )
