"""The command: python -m bench [SCENARIO...]; `make bench` calls it."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench import floor, host, pages
from bench.catalogue import Catalogue, Sizes
from bench.errors import BenchError
from bench.objects import Store
from bench.processes import ROOT, client_environment
from bench.results import Result
from bench.runner import run_scenario
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS
from bench.server import NETWORKS, serve
from bench.table import held_text, verdicts
from bench.workplace import Workplace

BUILD = ROOT / "build" / "bench"

_PEERS = (
    "oss2",
    "alibabacloud-oss-v2",
    "osstorchconnector",
    "obstore",
    "s3torchconnector",
    "runai-model-streamer",
    "boto3",
)


def main(arguments: Sequence[str]) -> int:
    options = _parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    BUILD.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="run-", dir=BUILD) as folder:
            return _run(options, Path(folder))
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description="Measures ours, peers and the floor."
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=5, help="that count, after a warm-up (5)")
    parser.add_argument("--all-peers", action="store_true", help="in the scenario plain")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--objects", type=int, default=Sizes.objects)
    parser.add_argument("--object-bytes", type=int, default=Sizes.object_bytes)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "performance")
    options = parser.parse_args(arguments)
    unknown = set(options.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return options


def _run(options: argparse.Namespace, folder: Path) -> int:
    names = [name for name in SCENARIOS if _wanted(name, options.scenarios)]
    environment = client_environment()
    sizes = Sizes(objects=options.objects, object_bytes=options.object_bytes)
    catalogue = Catalogue(Store(BUILD / "served"), sizes, environment)
    print("preparing: the floor, the objects, memory", flush=True)
    floor.build(BUILD / "programs")
    read = [row for name in names for made in SCENARIOS[name].objects for row in made(catalogue)]
    peers = BUILD / "peers-venv" / "bin" / "python"
    peers_python = None if options.no_peers or not peers.exists() else peers
    machine = host.describe(peers_python, list(_PEERS))
    wanted = {network for name in names for network in SCENARIOS[name].networks}
    networks = [network for network in NETWORKS if network in wanted]
    failed = False
    store = catalogue.store
    with (
        store.in_page_cache(list(dict.fromkeys(read))),
        serve(store.folder, store.checksums(), networks, folder) as server,
    ):
        if server.ca_file is not None:
            environment["SSL_CERT_FILE"] = str(server.ca_file)
        place = Workplace(
            server=server,
            catalogue=catalogue,
            programs=BUILD / "programs",
            folder=folder,
            ossmc_bench=ROOT / "build" / "default" / "ossmc_bench",
            peers_python=peers_python,
            all_peers=options.all_peers,
        )
        for name in names:
            begin = time.monotonic()
            scenario = SCENARIOS[name].build(place)
            print(f"\n== {scenario.title} ==", flush=True)
            result = run_scenario(scenario, options.rounds, machine, environment)
            files = pages.write(scenario, result, options.output)
            pages.write_index(options.output, SCENARIOS)
            failed = failed or any(row.failure for row in result.rows)
            _conclude(scenario, result, files[0], time.monotonic() - begin)
    return 1 if failed else 0


def _wanted(name: str, asked: Sequence[str]) -> bool:
    return name in asked if asked else SCENARIOS[name].default


def _conclude(scenario: Scenario, result: Result, page: Path, seconds: float) -> None:
    for bar in verdicts(scenario, result):
        value = "" if bar["measured"] is None else f"{bar['measured']:.3g}"
        held = held_text(bar["held"]).strip("*")
        print(f"   {bar['text']:<60} {bar['limit']:>14} {value:>8}  {held}")
    print(f"   {seconds:.0f} s; written: {page}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
