"""The harness of `make bench`: its arithmetic, its tables, and a run with tiny objects."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench.programs.count_calls import parse as parse_strace
from bench.programs.usage import parse_keys
from bench.results import Result, Row, with_rates
from bench.scenario import Bar, Client, Scenario, cpu_ratio, highest_of, speed_ratio
from bench.server import FAR, PLAIN, SLOW_50, nginx_program
from bench.table import page, rows_table, verdicts

ROOT = Path(__file__).parents[2]
MACHINE = {"cpu": "a CPU", "cores": "2"}


def sample(seconds, cpu):
    return with_rates(
        {"bytes": 2_000_000_000, "seconds": seconds, "user_seconds": cpu, "system_seconds": 0.0}
    )


def result(*rows):
    return Result("name", "2026-01-01T00:00:00+00:00", 3, MACHINE, rows)


FLOOR = Row("floor", [sample(1.0, 0.5), sample(0.5, 0.4), sample(0.8, 0.9)])
OURS = Row("ours", [sample(1.0, 1.0), sample(2.0, 1.2), sample(1.25, 0.6)])
ABSENT = Row("peer", left_out="it is not installed")


def scenario(**options):
    clients = [Client(row.client, lambda _: pytest.fail("it is not started")) for row in (FLOOR,)]
    return Scenario("name", "Title", "About.", clients, **options)


def test_rates_follow_from_bytes_seconds_and_cpu():
    rates = with_rates(
        {
            "bytes": 3_000_000_000,
            "seconds": 2.0,
            "user_seconds": 0.5,
            "system_seconds": 1.0,
            "peak_rss_bytes": 5 << 20,
        }
    )
    assert (rates["gb_per_second"], rates["cpu_seconds_per_gb"]) == (1.5, 0.5)
    assert rates["peak_mib"] == 5


def test_a_rate_that_a_client_tells_stays():
    assert with_rates({"bytes": 1, "seconds": 1.0, "gb_per_second": 7.0})["gb_per_second"] == 7.0


def test_medians_and_ratios():
    both = result(FLOOR, OURS)
    assert both.median("floor", "seconds") == 0.8
    assert (OURS.low("seconds"), OURS.high("seconds")) == (1.0, 2.0)
    assert both.ratio("ours", "floor", "cpu_seconds_per_gb") == pytest.approx(1.0 / 0.5)
    assert both.ratio("ours", "absent", "seconds") is None
    assert result(ABSENT).median("peer", "seconds") is None


def test_bars_are_held_not_held_or_not_measured():
    bars = [
        cpu_ratio("ours", "floor", "CPU", 2.0),
        speed_ratio("ours", "floor", "speed", 0.7),
        cpu_ratio("ours", "peer", "CPU against the peer", 0.5),
        Bar("the worst", 1.9, highest_of("ours", "seconds")),
    ]
    found = verdicts(scenario(bars=bars), result(FLOOR, OURS, ABSENT))
    assert [bar["held"] for bar in found] == [True, False, None, False]
    assert [bar["limit"] for bar in found][:2] == ["at most 2", "at least 0.7"]


def test_table_has_medians_spreads_and_ratios():
    text = rows_table(scenario(relative_to="floor"), result(FLOOR, OURS, ABSENT))
    assert text.splitlines() == [
        "| client | GB/s | CPU-s a GB | CPU, the floor = 1 |",
        "| --- | ---: | ---: | ---: |",
        "| floor | 2.50 (2.00 to 4.00) | 0.250 (0.200 to 0.450) | 1.00 |",
        "| ours | 1.60 (1.00 to 2.00) | 0.500 (0.300 to 0.600) | 2.00 |",
    ]


def test_page_says_what_is_missing_and_on_what_it_ran():
    failed = Row("other", failure="exit status 1: reason")
    text = page(scenario(), result(FLOOR, ABSENT, failed), ["name.png"])
    assert "![Title](name.png)" in text
    assert "- peer: left out, it is not installed" in text
    assert "- other: FAILED, exit status 1: reason" in text
    assert "cpu a CPU; cores 2" in text


def test_strace_table_with_and_without_errors():
    text = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.600000           6    100000      5000 recvfrom
 40.00    0.400000           4       120           poll
------ ----------- ----------- --------- --------- ----------------
100.00    1.000000           9    100120      5000 total
"""
    assert parse_strace(text) == {"recvfrom": 100000, "poll": 120}


def test_keys_may_hold_an_equals_sign():
    assert parse_keys(["a=b=5", "c=0"]) == {"a=b": 5, "c": 0}


def test_networks_wait_and_limit():
    assert PLAIN.limits == ""
    assert "ngx.sleep(0.1)" in FAR.limits
    assert "limit_rate 50m; sendfile_max_chunk 512k;" in SLOW_50.limits


@pytest.mark.skipif(nginx_program() is None, reason="nginx is not installed")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_small_run(tmp_path):
    options = {
        "--rounds": "1",
        "--objects": "2",
        "--object-bytes": str((9 << 20) + 5),
        "--output": str(tmp_path / "pages"),
        "--work": str(tmp_path / "work"),
    }
    words = [word for option in options.items() for word in option]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "plain", "https", "--no-peers", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("plain", "https"):
        found = json.loads((tmp_path / "pages" / f"{name}.json").read_text())
        rows = {row["client"]: row for row in found["rows"]}
        floor, readinto = (
            next(row for client, row in rows.items() if client.startswith(start))
            for start in ("floor", "ours, Python, readinto")
        )
        for row in (floor, readinto):
            assert [s["bytes"] for s in row["samples"]] == [2 * ((9 << 20) + 5)]
            assert row["samples"][0]["gb_per_second"] > 0
        assert "peers' environment" in rows["osstorchconnector, readinto(4 MiB)"]["left_out"]
        page_text = (tmp_path / "pages" / f"{name}.md").read_text()
        assert page_text.count("| ours, Python, readinto(4 MiB) |") == 1
    index = (tmp_path / "pages" / "README.md").read_text()
    assert "[Plain http on loopback](plain.md)" in index
    # Objects stay for the next run; what belonged to this one is gone.
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["programs", "served"]
