"""The clients that several scenarios share: the floor, ours from C++ and from Python, the peers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bench import floor, ossmc_bench
from bench.errors import RunError
from bench.hosts import with_names
from bench.objects import Object
from bench.processes import keys_and_sizes, python_module
from bench.results import Sample
from bench.runner import json_lines
from bench.scenario import Client, Run
from bench.server import BUCKET, DOMAIN, PLAIN, Network
from bench.workplace import Workplace

MEMORY = "512 MiB"
# What tls_floor insists on, by its names in TLS 1.3 and 1.2: osstorchconnector knows no TLS 1.3.
_AES_256_GCM = re.compile(r"TLSv1\.3 TLS_AES_256_GCM_SHA384|TLSv1\.2 ECDHE-RSA-AES256-GCM-SHA384")
LEAST_FETCHED = 0.999


def paths(objects: Sequence[Object]) -> list[str]:
    return [f"/{BUCKET}/{row.key}" for row in objects]


def total_bytes(objects: Sequence[Object]) -> int:
    return sum(row.size for row in objects)


def with_server(place: Workplace, clients: Sequence[Client]) -> list[Client]:
    """The same clients; their samples tell too what the server did for them."""
    return [_with_server(place, client) for client in clients]


def _with_server(place: Workplace, client: Client) -> Client:
    def start(number: int) -> Run:
        run, server = client.start(number), place.server
        cpu_before, connections_before = server.cpu_seconds(), len(server.negotiated())

        def parse(output: str) -> list[Sample]:
            cpu = server.cpu_seconds() - cpu_before
            samples = run.parse(output)
            if samples:
                size = sum(sample["bytes"] for sample in samples)
                samples[-1]["server_cpu_seconds_per_gb"] = cpu / (size / 1e9)
                if negotiated := set(server.negotiated()[connections_before:]):
                    samples[-1]["tls"] = ", ".join(sorted(negotiated))
            return samples

        return replace(run, parse=parse)

    return replace(client, start=start)


def same_cipher(clients: Sequence[Client]) -> list[Client]:
    """The same clients; each fails where it has not agreed with the server on AES-256-GCM."""
    return [_checked(client, _check_cipher) for client in clients]


def _check_cipher(sample: Sample) -> None:
    found = sample.get("tls", "nothing")
    if not all(_AES_256_GCM.fullmatch(each) for each in found.split(", ")):
        raise RunError(f"it negotiated {found}, not AES-256-GCM alone")


def check_fetched(sample: Sample) -> None:
    """Bytes that are still in memory from the pass before would come without the network."""
    if sample["fetched_per_byte"] < LEAST_FETCHED:
        raise RunError(f"it fetched {sample['fetched_per_byte']:.3f} of each byte from the network")


def _checked(client: Client, check: Callable[[Sample], None]) -> Client:
    def start(number: int) -> Run:
        run = client.start(number)

        def parse(output: str) -> list[Sample]:
            samples = run.parse(output)
            for sample in samples[-1:]:
                check(sample)
            return samples

        return replace(run, parse=parse)

    return replace(client, start=start)


def the_floor(place: Workplace, name: str, objects: Sequence[Object], mode: int = 0) -> Client:
    """Of two passes the second counts; into fresh memory (`mode`, see floor.cc) it is one."""

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
            # Not as a warm-up: it would not tell of that one.
            warm_up=0,
            passes=2,
        )
        return Run(command, ossmc_bench.parse)

    return _checked(Client(name, start, ours=True), check_fetched)


def program(
    place: Workplace,
    name: str,
    network: Network,
    module: str,
    *words: str,
    objects: Sequence[Object],
    config: dict[str, Any],
    fresh_bytes: int = 0,
    waits_itself: bool = False,
    ours: bool = True,
) -> Client:
    """A program of ours on the Python package; `ours` false: it reads by something else."""

    def start(_round: int) -> Run:
        options = ["--endpoint", place.server.endpoint(network), "--bucket", BUCKET]
        options += ["--config", json.dumps(_with_ca(place, network, config))]
        command = python_module(module, *words, *options, *keys_and_sizes(objects))
        return Run(command, json_lines, fresh_bytes=fresh_bytes, waits_itself=waits_itself)

    return Client(name, start, ours=ours)


def python(
    place: Workplace, name: str, network: Network, how: str, config: dict[str, Any], passes: int = 2
) -> Client:
    """Ours from Python: `how` is readinto, read or getbuffer; see programs/ours.py."""
    words = (how, "--passes", str(passes))
    objects = place.catalogue.models()
    client = program(place, name, network, "ours", *words, objects=objects, config=config)
    return _checked(client, check_fetched)


def fresh(
    place: Workplace,
    name: str,
    network: Network,
    how: str,
    *words: str,
    objects: Sequence[Object],
    config: dict[str, Any],
) -> Client:
    """Ours from Python, in a process that reads once: `how` and `words` as in programs/fresh.py."""
    words = (how, "--fresh-bytes", str(total_bytes(objects)), *words)
    client = program(
        place, name, network, "fresh", *words, objects=objects, config=config, waits_itself=True
    )
    return _checked(client, check_fetched)


def peer(place: Workplace, name: str, network: Network, which: str) -> Client:
    """`which` is a name of programs/peers.py; of two passes the second counts."""
    return _peer(place, name, network, which, place.catalogue.models(), ["--passes", "2"])


def fresh_peer(
    place: Workplace, name: str, network: Network, which: str, objects: Sequence[Object]
) -> Client:
    """The same in a process that reads once, which finds as much warm memory as all others."""
    size = total_bytes(place.catalogue.models())
    words = ["--passes", "1", "--fresh-bytes", str(size)]
    return _peer(place, name, network, which, objects, words)


def the_peers_hosts(place: Workplace) -> list[str]:
    """Before the command of osstorchconnector, the one that knows no path style."""
    return with_names([DOMAIN, f"{BUCKET}.{DOMAIN}"], place.folder)


def _peer(
    place: Workplace,
    name: str,
    network: Network,
    which: str,
    objects: Sequence[Object],
    words: Sequence[str],
) -> Client:
    def start(_round: int) -> Run:
        # Python's own client needs no environment but this one.
        python_path = None if which == "http-client" else place.peers()
        host, prefix = "127.0.0.1", list[str]()
        if which.startswith("osstorch"):
            host, prefix = DOMAIN, the_peers_hosts(place)
        options = ["--endpoint", place.server.endpoint(network, host), "--bucket", BUCKET]
        options += ["--folder", str(place.folder), *words]
        options += ["--files", str(place.catalogue.store.path(""))]
        keys = keys_and_sizes(objects)
        command = python_module("peers", which, *options, *keys, python=python_path)
        return Run([*prefix, *command], json_lines, waits_itself="--fresh-bytes" in words)

    return Client(name, start)


def _with_ca(place: Workplace, network: Network, config: dict[str, Any]) -> dict[str, Any]:
    if not network.tls:
        return config
    return {**config, "tls.caFile": str(place.server.ca_file)}
