"""`make bench BASE=COMMIT`: another commit of ours is one more client of the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ossmodelconnector
import pytest
from bench import base as bases
from bench.__main__ import main
from bench.base import Base
from bench.beside import with_base
from bench.catalogue import Catalogue, Sizes
from bench.errors import BenchError
from bench.objects import Store
from bench.results import Result, Row
from bench.scenario import Client, Column, Scenario
from bench.scenarios import SCENARIOS
from bench.server import NETWORKS, Server, nginx_program
from bench.table import beside_table, page
from bench.workplace import Workplace

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHERS = (
    "alibabacloud-oss-v2",
    "floor",
    "osstorchconnector",
    "oss2",
    "http.client",
    "local file",
    "io.BytesIO",
    "runai",
    "safetensors",
    "obstore",
    "20 ms: obstore",
    "ossfs",
    "torch over fsspec",
)
needs_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout")


@pytest.fixture
def place(tmp_path):
    """Where nothing runs: scenarios can be made of it."""
    sizes = Sizes(
        objects=1, object_bytes=1000, budget_objects=1, budget_object_bytes=1000, checkpoint_bytes=0
    )
    ports = {network.name: number for number, network in enumerate(NETWORKS, 1)}
    ours = tmp_path / "ours"
    ours.mkdir()
    for name in ("ossmc_bench", "ossmc_list_simulation", "ossmc_list_server"):
        (ours / name).touch()
    return Workplace(
        server=Server(ports, tmp_path / "ca.pem", os.getpid(), tmp_path),
        catalogue=Catalogue(Store(tmp_path / "served"), sizes, {}),
        programs=tmp_path,
        folder=tmp_path,
        ossmc_bench=ours / "ossmc_bench",
        list_server=ours / "ossmc_list_server",
        peers_python=None,
        all_peers=False,
    )


@pytest.fixture
def base(tmp_path):
    programs = tmp_path / "base" / "programs"
    programs.mkdir(parents=True)
    for name in ("ossmc_bench", "ossmc_list_simulation"):
        (programs / name).touch()
    return Base(COMMIT, tmp_path / "base" / "package", programs)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_client_of_ours_has_the_base_right_behind_it(name, place, base):
    alone = SCENARIOS[name].build(place)
    ours = [client.name for client in alone.clients if client.ours]
    assert [c.name for c in alone.clients if not c.ours and not c.name.startswith(OTHERS)] == []
    assert ours

    scenario = with_base(SCENARIOS[name].build, place, base)
    names = [client.name for client in scenario.clients]
    assert [one for one in names if not one.startswith("base 012345678")] == [
        client.name for client in alone.clients
    ]
    assert list(scenario.twins) == ours
    assert [names[names.index(one) + 1] for one in ours] == list(scenario.twins.values())
    assert len(set(names)) == len(names)


def test_the_base_runs_its_own_package_and_its_own_program(place, base, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    for name in ("plain", "strace", "listsim", "lists"):
        scenario = with_base(SCENARIOS[name].build, place, base)
        clients = {client.name: client for client in scenario.clients}
        for ours, twin in scenario.twins.items():
            run, other = clients[ours].start(0), clients[twin].start(0)
            assert run.environment == {}
            assert other.environment["PYTHONPATH"].split(os.pathsep) == [
                str(base.package),
                str(ROOT / "tests"),
            ]
            # The server that lists come from is not what is measured.
            own = str(place.ossmc_bench.parent)
            swapped = [
                word.replace(f"{own}/ossmc_bench", f"{base.programs}/ossmc_bench").replace(
                    f"{own}/ossmc_list_simulation", f"{base.programs}/ossmc_list_simulation"
                )
                for word in run.command
            ]
            assert other.command == swapped


def test_table_has_ours_the_base_and_their_ratio():
    clients = [Client(name, lambda _: pytest.fail("it is not started")) for name in ("ours", "b")]
    columns = [
        Column("seconds", "s", spread=True),
        Column("peak", "peak MiB", 0),
        Column("left", "left MiB", 0, spread=True),
        Column("absent", "absent", spread=True),
    ]
    scenario = Scenario("n", "T", "A.", clients, columns=columns, twins={"ours": "b", "x": "y"})
    rows = [
        Row("ours", [{"seconds": 1.5, "peak": 9, "left": 3}]),
        Row("b", [{"seconds": 2.0, "peak": 9, "left": 0}]),
    ]
    result = Result("n", "2026-01-01T00:00:00+00:00", 1, {"base": COMMIT}, rows)
    assert beside_table(scenario, result).splitlines() == [
        "| client | figure | ours | base | ours / base |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| ours | s | 1.50 | 2.00 | 0.75 |",
        "| ours | left MiB | 3 | 0 |  |",
    ]
    assert "## Beside the base" in page(scenario, result, [])
    assert f"base {COMMIT}" in page(scenario, result, [])
    assert "## Beside the base" not in page(replace(scenario, twins={}), result, [])


@needs_git
def test_what_is_no_commit_is_told_before_anything_is_measured(tmp_path, capsys):
    words = ["plain", "--work", str(tmp_path), "--base", "no-such-commit"]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.err == "bench: 'no-such-commit' is no commit of this repository\n"
    assert captured.out == ""


@needs_git
def test_a_base_that_does_not_build_says_why_and_is_built_again_the_next_time(
    tmp_path, monkeypatch
):
    complains = [sys.executable, "-c", "print('no compiler'); raise SystemExit(1)"]

    def build(base, folder):
        bases._run(base, complains, folder)

    monkeypatch.setattr(bases, "_build", build)
    for _ in range(2):
        with pytest.raises(BenchError, match=r"base [0-9a-f]{9} was not built: .*\nno compiler"):
            bases.prepare("HEAD", tmp_path)


@needs_git
def test_a_base_that_is_not_what_clients_would_import_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bases, "_build", lambda _base, folder: (folder / "package").mkdir())
    with pytest.raises(BenchError, match=r"is not what clients would import \(.*\): remove "):
        bases.prepare("HEAD", tmp_path)


@pytest.mark.long
@needs_git
@pytest.mark.skipif(nginx_program() is None, reason="nginx is not installed")
def test_a_small_run_beside_a_base(tmp_path):
    # As an earlier run left it, but the package is the one that is installed.
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    built = tmp_path / "base" / f"{commit}-{sys.implementation.cache_tag}"
    (built / "programs").mkdir(parents=True)
    (built / "package").mkdir()
    installed = Path(ossmodelconnector.__file__).parent
    (built / "package" / "ossmodelconnector").symlink_to(installed)
    options = {
        "--rounds": "1",
        "--objects": "1",
        "--object-bytes": str(9 << 20),
        "--work": str(tmp_path),
        "--base": "HEAD",
    }
    words = [word for option in options.items() for word in option]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "plain", "--no-peers", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "pages" / "plain.json").read_text())
    assert found["machine"]["base"] == commit
    rows = {row["client"]: row for row in found["rows"]}
    twin = rows[f"base {commit[:9]}, Python, readinto(4 MiB)"]
    assert [sample["bytes"] for sample in twin["samples"]] == [9 << 20]
    assert "is not built" in rows[f"base {commit[:9]}, C++, chunks dropped"]["left_out"]
    text = (tmp_path / "pages" / "plain.md").read_text()
    assert text.count("| ours, Python, readinto(4 MiB) | CPU-s a GB | ") == 1
    assert "ours / base" in done.stdout
