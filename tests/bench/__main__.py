"""The command: python -m bench [SCENARIO...]; `make bench` calls it."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench import base, floor, host, pages
from bench.base import Base
from bench.beside import with_base
from bench.catalogue import Catalogue, Sizes
from bench.errors import BenchError
from bench.objects import Store
from bench.processes import ROOT, client_environment
from bench.results import Result
from bench.runner import run_scenario
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS, Entry
from bench.server import NETWORKS, STORE_50, serve
from bench.table import beside, held_text, measured_text, verdicts
from bench.workplace import Workplace

_KEPT = ROOT / "docs" / "performance"
_README = ROOT / "README.md"
_BUILT = ROOT / "build" / "default"
_PEERS = (
    "oss2",
    "alibabacloud-oss-v2",
    "osstorchconnector",
    "ossfs",
    "obstore",
    "s3torchconnector",
    "runai-model-streamer",
    "boto3",
    "ossfs",
    "fsspec",
    "pyarrow",
    "duckdb",
)


def main(arguments: Sequence[str]) -> int:
    options = _parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        _make(options.work)
        _make(options.output)
        with tempfile.TemporaryDirectory(prefix="run-", dir=options.work) as folder:
            return _run(options, Path(folder))
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


def _folder(path: str) -> Path:
    return (ROOT / path).resolve()


def _make(folder: Path) -> None:
    """Now, and not when half an hour has been measured."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"cannot make {folder}: {error.strerror}") from error


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measures ours, its peers and the bare floor, side by side on loopback.",
    )
    add = parser.add_argument
    add("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    add("--rounds", type=int, default=5, help="that count, after a warm-up; 5")
    add("--all-peers", action="store_true", help="in the scenario plain: all that are installed")
    add("--no-peers", dest="peers", action="store_false")
    add("--objects", type=int, default=Sizes.objects)
    add("--object-bytes", type=int, default=Sizes.object_bytes)
    add("--congestion", default="", help="control of the server's connections; the system's")
    add("--base", metavar="COMMIT", help="measure that one too, beside each client of ours")
    add(
        "--output", type=_folder, help="for what it finds; docs/performance, with --base WORK/pages"
    )
    add("--work", type=_folder, default=_folder("build/bench"), help="for objects and programs")
    options = parser.parse_args(arguments)
    unknown = set(options.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    if options.output is None:
        # The pages that are kept are of ours and its peers.
        options.output = options.work / "pages" if options.base else _KEPT
    return options


def _run(options: argparse.Namespace, folder: Path) -> int:
    """Sets up what all scenarios share, and runs them."""
    beside_ours = base.prepare(options.base, options.work / "base") if options.base else None
    entries = {name: SCENARIOS[name] for name in SCENARIOS if _wanted(name, options.scenarios)}
    environment = client_environment()
    sizes = Sizes(objects=options.objects, object_bytes=options.object_bytes)
    store = Store(options.work / "served")
    python = options.work / "peers-venv" / "bin" / "python"
    peers_python = python if options.peers and python.exists() else None
    catalogue = Catalogue(store, sizes, environment, peers_python)
    print("preparing: the floor, the objects, the server", flush=True)
    floor.build(options.work / "programs")
    read = {row for entry in entries.values() for made in entry.objects for row in made(catalogue)}
    wanted = {network for entry in entries.values() for network in entry.networks}
    networks = [network for network in NETWORKS if network in wanted]
    listed = sorted(row.key for row in read) if STORE_50 in networks else []
    with (
        store.in_page_cache(sorted(read, key=lambda row: row.key)),
        serve(
            store.folder, store.checksums(), networks, folder, options.congestion, listed
        ) as server,
    ):
        if server.ca_file is not None:
            environment["SSL_CERT_FILE"] = str(server.ca_file)
        place = Workplace(
            server=server,
            catalogue=catalogue,
            programs=options.work / "programs",
            folder=folder,
            ossmc_bench=_BUILT / "ossmc_bench",
            list_server=_BUILT / "ossmc_list_server",
            peers_python=peers_python,
            all_peers=options.all_peers,
        )
        return _run_scenarios(options, entries, place, beside_ours, environment)


def _run_scenarios(
    options: argparse.Namespace,
    entries: Mapping[str, Entry],
    place: Workplace,
    beside_ours: Base | None,
    environment: Mapping[str, str],
) -> int:
    """Exit status: 1 when a client failed. Bars are told, not enforced."""
    machine = {
        **host.describe(place.peers_python, list(_PEERS)),
        "congestion control": place.server.congestion,
    }
    if beside_ours is not None:
        machine["base"] = beside_ours.commit
    failed = False
    for entry in entries.values():
        begin = time.monotonic()
        scenario = with_base(entry.build, place, beside_ours) if beside_ours else entry.build(place)
        print(f"\n== {scenario.title} ==", flush=True)
        asked = bool(options.scenarios)
        rounds = options.rounds if asked else min(options.rounds, scenario.most_rounds)
        result = run_scenario(scenario, rounds, machine, environment)
        page, *_ = pages.write(scenario, result, options.output)
        pages.write_index(options.output, SCENARIOS)
        if scenario.excerpt is not None and options.output == _KEPT:
            pages.write_excerpt(scenario.excerpt, result, _README)
        failed = failed or any(row.failure for row in result.rows)
        _conclude(scenario, result, page, time.monotonic() - begin)
    return 1 if failed else 0


def _wanted(name: str, asked: Sequence[str]) -> bool:
    return name in asked if asked else SCENARIOS[name].default


def _conclude(scenario: Scenario, result: Result, page: Path, seconds: float) -> None:
    for bar in verdicts(scenario, result):
        value = measured_text(bar["measured"])
        held = held_text(bar["held"]).strip("*")
        print(f"   {bar['text']:<60} {bar['limit']:>14} {value:>8}  {held}")
    for client, figure, ours, of_base, ratio in beside(scenario, result):
        print(f"   {client:<48}{figure:<22}{ours:>10}, base {of_base:>10}, ours / base {ratio:>5}")
    print(f"   {seconds:.0f} s; written: {page}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
