"""Objects into files: `ossmc pull` beside other people's."""

from __future__ import annotations

import shutil

from bench.processes import python_module
from bench.results import Sample
from bench.runner import json_lines
from bench.scenario import (
    CPU_PER_GB,
    GB_PER_SECOND,
    PEAK_MIB,
    Client,
    Column,
    Run,
    Scenario,
    cpu_ratio,
    speed_ratio,
)
from bench.server import BUCKET, STORE_50
from bench.workplace import Workplace

_OURS = "ossmc pull"
_OSSFS = "ossfs, get"
_DOWNLOADER = "alibabacloud-oss-v2, Downloader"
_WHO = {_OURS: "ours", _OSSFS: "ossfs", _DOWNLOADER: "downloader"}


def pull(place: Workplace) -> Scenario:
    objects = place.catalogue.shards()
    size = sum(row.size for row in objects)
    return Scenario(
        "pull",
        "Objects into files",
        f"{len(objects)} objects with {size / 1e9:.3g} GB in all are written into files, in a "
        "folder that is empty; 20 ms to the first byte and 50 MB/s a connection. Each client is a "
        "process of its own with defaults, which has imported all. Ours lists the bucket, and it "
        "and the Downloader check CRC-64.",
        [_client(place, name, who) for name, who in _WHO.items()],
        columns=(Column("seconds", "seconds", spread=True), GB_PER_SECOND, CPU_PER_GB, PEAK_MIB),
        bars=[
            speed_ratio(_OURS, _OSSFS, "ossmc pull: GB/s against ossfs", 5),
            speed_ratio(_OURS, _DOWNLOADER, "ossmc pull: GB/s against the Downloader", 5),
            cpu_ratio(_OURS, _DOWNLOADER, "ossmc pull: CPU against the Downloader's", 0.5),
        ],
        seconds_over=dict.fromkeys(_WHO, _OURS),
        warm_up=False,
        most_rounds=3,
    )


def _client(place: Workplace, name: str, who: str) -> Client:
    def start(number: int) -> Run:
        python = place.peers()
        objects = place.catalogue.shards()
        folder = place.folder / f"pull-{who}-{number}"
        folder.mkdir()
        words = [who, "--endpoint", place.server.endpoint(STORE_50), "--bucket", BUCKET]
        words += ["--folder", str(folder), "--bytes", str(sum(row.size for row in objects))]
        words += [row.key for row in objects]

        def parse(output: str) -> list[Sample]:
            shutil.rmtree(folder)
            return json_lines(output)

        return Run(python_module("pull", *words, python=python), parse, timeout_seconds=600)

    return Client(name, start, ours=who == "ours")
