"""`make bench SCENARIOS='fresh pauses firstbytes'`: processes that read once."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench import floor
from bench.errors import BenchError
from bench.objects import Store
from bench.pages import marks, write_excerpt
from bench.processes import client_environment, keys_and_sizes, python_module
from bench.programs.fresh import STOPS, Job
from bench.results import Result, Row, with_rates
from bench.runner import json_lines, run_scenario
from bench.scenario import Client, Column, Excerpt, Run, Scenario
from bench.scenarios import SCENARIOS, fresh, pauses
from bench.server import BUCKET, PLAIN, nginx_program, serve

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
KEYS = ["a=1000", "b=600"]
LARGE = (9 << 20) + 5
needs_nginx = pytest.mark.skipif(nginx_program() is None, reason="nginx is not installed")


class Reader:
    """Of `size` bytes, in reads of 100."""

    def __init__(self, key, size, happened):
        self.key, self._left, self._happened = key, size, happened

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._happened.append(f"{self.key} closed")

    def readinto(self, _buffer):
        count = min(100, self._left)
        self._left -= count
        self._happened.append(count)
        return count

    def read(self):
        self._happened.append(f"{self.key} read")
        return bytes(self._left)


class Connector:
    """Its readers write down what is done with them."""

    def __init__(self, sizes):
        self._sizes = sizes
        self.happened = []

    def open_many(self, uris):
        self.happened.append("opened")
        keys = [uri.rpartition("/")[2] for uri in uris]
        return [Reader(key, self._sizes[key], self.happened) for key in keys]


@pytest.fixture
def job(monkeypatch):
    connector = Connector({"a": 1000, "b": 600})
    options = argparse.Namespace(bucket=BUCKET, keys=KEYS, pause_seconds=5.0)
    made = Job(connector, options)
    made.happened = connector.happened
    monkeypatch.setattr("time.sleep", lambda seconds: made.happened.append(f"slept {seconds:g}"))
    return made


def test_a_reader_that_stops_does_so_between_eighths_and_not_at_the_end(job):
    assert job.stopping() == 1600
    read, stops = 0, []
    for what in job.happened:
        if what == "slept 5":
            stops.append(read)
        elif isinstance(what, int):
            read += what
    assert stops == [1600 // STOPS * part for part in range(1, STOPS)]


def test_a_reader_that_sleeps_has_opened_all_and_read_nothing(job):
    assert job.sleeping() == 1600
    assert job.happened[:3] == ["opened", "slept 5", 100]
    assert job.happened.count("slept 5") == 1


def test_the_five_lines_close_each_reader_before_the_next_is_read(job):
    assert job.five_lines() == 1600
    assert job.happened == ["opened", "a read", "a closed", "b read", "b closed"]


def test_growth_is_the_peak_over_what_was_resident_unless_a_client_tells_it():
    sample = {"peak_rss_bytes": 70 << 20, "resident_before_bytes": 50 << 20}
    assert with_rates(sample)["peak_growth_mib"] == 20
    assert with_rates({**sample, "peak_growth_mib": 7.0})["peak_growth_mib"] == 7.0


def test_a_client_that_makes_memory_warm_itself_is_not_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr("bench.runner.let_host_take_back", lambda: waits.append(1))
    words = [sys.executable, "-c", "print('{\"peak_rss_bytes\": 1073741824}')"]

    def client(name, itself):
        return Client(name, lambda _: Run(words, json_lines, waits_itself=itself))

    def waited(itself):
        waits.clear()
        clients = [client(name, itself) for name in ("one", "another")]
        run_scenario(Scenario("name", "Title", "About.", clients), 1, {}, dict(os.environ))
        return len(waits)

    assert waited(False) == 3
    assert waited(True) == 0


def test_what_makes_memory_warm_needs_no_package_of_either_environment():
    modules = "bench.host, bench.programs.peers, bench.programs.first_bytes"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import {modules}"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def row(client, speed, cpu, **more):
    return Row(client, [{"gb_per_second": speed, "cpu_seconds_per_gb": cpu, **more}])


def result(name, *rows):
    machine = {"cpu": "a CPU", "cores": "2"}
    return Result(name, "2026-01-01T00:00:00+00:00", 5, machine, rows, warm_up=False)


def test_defaults_are_held_against_the_one_budget_that_is_fastest():
    found = result(
        "fresh",
        row("ours, slow, readinto(4 MiB), defaults", 1.2, 0.66),
        row("ours, slow, readinto(4 MiB), 512 MiB", 1.6, 0.60),
        row("ours, slow, readinto(4 MiB), 128 MiB", 0.5, 0.30),
        row("ours, plain, readinto(4 MiB), 256 MiB", 9.0, 0.10),
    )
    bars = {bar.text: bar.measured(found) for bar in fresh._bars("slow", 2048)}
    assert bars["slow, readinto: GB/s against the fastest of the budgets"] == pytest.approx(0.75)
    assert bars["slow, readinto: CPU against the fastest of the budgets"] == pytest.approx(1.1)
    assert bars["slow, readinto: CPU against osstorchconnector"] is None


def test_the_five_lines_may_hold_the_model_and_300_mib():
    name = "slow, README's five lines: MiB of peak growth"
    (bar,) = (bar for bar in fresh._bars("slow", 2048) if bar.text == name)
    client = "ours, slow, README's five lines"
    samples = [{"peak_growth_mib": growth} for growth in (2100.0, 2100.0, 2349.0)]
    value = bar.measured(result("fresh", Row(client, samples)))
    assert (bar.limit, value) == (2348, 2349.0)
    assert not bar.holds(value)


def test_pauses_are_held_against_the_base_too():
    ours = {
        "ours, plain, stops of 1 s, defaults": 1.2,
        "ours, plain, stops of 1 s, a budget for all": 0.6,
        "ours, plain, sleeps 5 s first, defaults": 1.0,
    }
    twins = {
        name.replace("plain", net): f"b{name}{net}" for name in ours for net in ("plain", "slow")
    }
    rows = [Row(name, [{"read_seconds": value}]) for name, value in ours.items()]
    rows += [Row(f"b{name}plain", [{"read_seconds": 0.9 * value}]) for name, value in ours.items()]
    bars = {bar.text: bar for bar in pauses._bars_of_base(twins)}
    stops = bars["plain, stops: time in reads against the base's, a budget for all"]
    sleeps = bars["plain, sleeps first: speed of the reads against the base's"]
    found = result("pauses", *rows)
    assert stops.measured(found) == pytest.approx(1.2 / 0.54)
    assert sleeps.measured(found) == pytest.approx(0.9)
    assert not stops.holds(stops.measured(found))
    assert not sleeps.holds(sleeps.measured(found))


def test_fresh_leads():
    assert next(iter(SCENARIOS)) == "fresh"
    numbers = (ROOT / "README.md").read_text().partition("## Numbers")[2]
    begin, end = marks("fresh")
    assert numbers.index(begin) < numbers.index(end) < numbers.index("make demo")


EXCERPT = Excerpt(
    {"ours": ("loopback", "`readinto`"), "peer": ("loopback", "a peer"), "left": ("x", "y")},
    [Column("gb_per_second", "GB/s", spread=True)],
)


def test_readme_gets_the_medians_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    begin, end = marks("fresh")
    readme.write_text(f"before\n\n{begin}\nold\n{end}\n\nafter\n")
    found = result("fresh", row("peer", 0.5, 1.0), row("ours", 1.25, 0.5), Row("left"))
    for _ in range(2):
        write_excerpt(EXCERPT, found, readme)
    assert readme.read_text().splitlines() == [
        "before",
        "",
        begin,
        "",
        "Medians of 5 runs on 2 cores (a CPU), which client and server shared; "
        "[all rows](docs/performance/fresh.md):",
        "",
        "| network | client | GB/s |",
        "| --- | --- | ---: |",
        "| loopback | `readinto` | 1.25 |",
        "| loopback | a peer | 0.50 |",
        "",
        end,
        "",
        "after",
    ]


def test_a_readme_without_marks_stays_as_it_is(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("text\n")
    with pytest.raises(BenchError, match=r"README\.md has no place for fresh"):
        write_excerpt(EXCERPT, result("fresh"), readme)
    assert readme.read_text() == "text\n"


@pytest.fixture
def reads(tmp_path):
    """Runs a program of the benchmark over objects that a server has; gives the last sample."""
    run = tmp_path / "run"
    run.mkdir()
    store = Store(tmp_path / "served")
    objects = store.random("any", 3, LARGE)
    with serve(store.folder, store.checksums(), [PLAIN], run) as server:

        def read(name, *words):
            access = ["--endpoint", server.endpoint(PLAIN), "--bucket", BUCKET]
            done = subprocess.run(
                python_module(name, *words, *access, *keys_and_sizes(objects)),
                env=client_environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, done.stderr
            return with_rates(json_lines(done.stdout)[-1])

        yield read


@needs_nginx
def test_each_way_reads_everything_once(reads):
    for how in ("readinto", "stopping", "sleeping", "five-lines", "getbuffer"):
        sample = reads("fresh", how, "--fresh-bytes", "0", "--pause-seconds", "0.01")
        assert sample["bytes"] == 3 * LARGE
        assert sample["fetched_per_byte"] >= 0.999
        assert ("read_seconds" in sample) == (how not in ("five-lines", "getbuffer"))
        assert sample.get("read_seconds", 0.0) <= sample["seconds"]
        if how in ("five-lines", "getbuffer"):
            assert sample["peak_growth_mib"] >= 3 * LARGE / (1 << 20)


@needs_nginx
def test_pythons_own_client_keeps_all_that_it_reads(reads, tmp_path):
    sample = reads("peers", "http-client", "--passes", "1", "--folder", str(tmp_path))
    assert sample["bytes"] == 3 * LARGE
    assert sample["peak_growth_mib"] >= 0.9 * 3 * LARGE / (1 << 20)


@needs_nginx
def test_first_bytes_are_those_of_the_first_object(reads):
    sample = reads("first_bytes", "ours", "--fresh-bytes", "0")
    assert sample["bytes"] == 4 << 20
    assert sample["first_ms"] == pytest.approx(sample["seconds"] * 1e3)


@needs_nginx
def test_the_floor_into_fresh_memory_keeps_all_bytes(tmp_path):
    programs, run = tmp_path / "programs", tmp_path / "run"
    run.mkdir()
    floor.build(programs)
    store = Store(tmp_path / "served")
    (any_object,) = store.random("any", 1, LARGE)
    with serve(store.folder, store.checksums(), [PLAIN], run) as server:

        def growth(mode):
            words = floor.command(
                programs, server.port(PLAIN), mode, LARGE, [f"/{BUCKET}/{any_object.key}"]
            )
            done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
            return with_rates(json_lines(done.stdout)[-1])["peak_growth_mib"]

        assert growth(0) < LARGE / (1 << 20) / 2
        for mode in (1, 2):
            assert growth(mode) >= LARGE / (1 << 20)
