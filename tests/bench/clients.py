"""The clients that several scenarios share: the floor, ours from C++ and from Python, the peers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bench import floor, ossmc_bench
from bench.hosts import with_names
from bench.objects import Object
from bench.processes import keys_and_sizes, python_module
from bench.runner import json_lines
from bench.scenario import Client, Run
from bench.server import BUCKET, DOMAIN, PLAIN, Network
from bench.workplace import Workplace

MEMORY = "512 MiB"


def paths(objects: Sequence[Object]) -> list[str]:
    return [f"/{BUCKET}/{row.key}" for row in objects]


def total_bytes(objects: Sequence[Object]) -> int:
    return sum(row.size for row in objects)


def the_floor(place: Workplace, name: str, objects: Sequence[Object], mode: int = 0) -> Client:
    """A fresh process each time: it has nothing to keep warm."""

    def start(_round: int) -> Run:
        port = place.server.port(PLAIN)
        command = floor.command(place.programs, port, mode, objects[0].size, paths(objects))
        return Run(command, json_lines, fresh_bytes=total_bytes(objects) if mode else 0)

    return Client(name, start)


def the_tls_floor(
    place: Workplace, name: str, network: Network, objects: Sequence[Object]
) -> Client:
    def start(_round: int) -> Run:
        ca_file = place.server.ca_file
        assert ca_file is not None, "this network has no TLS"
        command = floor.tls_command(
            place.programs, place.server.port(network), objects[0].size, ca_file, paths(objects)
        )
        return Run(command, json_lines)

    return Client(name, start)


def cpp(place: Workplace, name: str, network: Network, into: str, memory: str = MEMORY) -> Client:
    def start(_round: int) -> Run:
        command = ossmc_bench.download(
            place.ossmc_bench,
            place.server.endpoint(network),
            BUCKET,
            [row.key for row in place.catalogue.models()],
            into=into,
            memory=memory.replace(" ", ""),
            ca_file=place.server.ca_file if network.tls else None,
        )
        return Run(command, ossmc_bench.parse)

    return Client(name, start)


def program(
    place: Workplace,
    name: str,
    network: Network,
    module: str,
    *words: str,
    objects: Sequence[Object],
    config: dict[str, Any],
    fresh_bytes: int = 0,
) -> Client:
    """A program of ours on the Python package."""

    def start(_round: int) -> Run:
        options = ["--endpoint", place.server.endpoint(network), "--bucket", BUCKET]
        options += ["--config", json.dumps(_with_ca(place, network, config))]
        command = python_module(module, *words, *options, *keys_and_sizes(objects))
        return Run(command, json_lines, fresh_bytes=fresh_bytes)

    return Client(name, start)


def python(
    place: Workplace, name: str, network: Network, how: str, config: dict[str, Any], passes: int = 2
) -> Client:
    """Ours from Python: `how` is readinto, read or getbuffer; see programs/ours.py."""
    words = (how, "--passes", str(passes))
    objects = place.catalogue.models()
    return program(place, name, network, "ours", *words, objects=objects, config=config)


def peer(place: Workplace, name: str, network: Network, which: str, passes: int = 2) -> Client:
    """`which` is a name of programs/peers.py."""

    def start(_round: int) -> Run:
        python_path = place.peers()
        # The one peer that knows no path style.
        host, prefix = "127.0.0.1", list[str]()
        if which == "osstorch":
            host, prefix = DOMAIN, with_names([DOMAIN, f"{BUCKET}.{DOMAIN}"], place.folder)
        options = ["--endpoint", place.server.endpoint(network, host), "--bucket", BUCKET]
        options += ["--folder", str(place.folder), "--passes", str(passes)]
        keys = keys_and_sizes(place.catalogue.models())
        command = python_module("peers", which, *options, *keys, python=python_path)
        return Run([*prefix, *command], json_lines)

    return Client(name, start)


def _with_ca(place: Workplace, network: Network, config: dict[str, Any]) -> dict[str, Any]:
    if not network.tls:
        return config
    return {**config, "tls.caFile": str(place.server.ca_file)}
