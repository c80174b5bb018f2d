"""The benchmark program, as its users run it: against a server, by its command line.

Of build/asan: `make check` builds it there.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long

KiB, MiB = 1 << 10, 1 << 20

PROGRAM = Path(__file__).parents[2] / "build" / "asan" / "ossmc_bench"
SIZES = {"a.bin": 300 * KiB + 17, "b.bin": 64 * KiB, "c.bin": 1, "empty.bin": 0}
LISTED = 40
# Chunks small enough that the small objects have several.
SMALL_CHUNKS = ("--region", "cn-hangzhou", "--chunk-size", "64KiB", "--memory", "64MiB")

Row = dict[str, Any]


@pytest.fixture(scope="session")
def program() -> Path:
    if not PROGRAM.exists():
        text = f"{PROGRAM} is not there: cmake --build --preset asan --target ossmc_bench_program"
        if "OSSMC_NEEDS_BENCH" in os.environ:  # set by `make check-python`
            pytest.fail(text)
        pytest.skip(text)
    return PROGRAM


@pytest.fixture(scope="session")
def bucket(new_bucket: Callable[..., Any]) -> Any:
    bucket = new_bucket("bench")
    for key, size in SIZES.items():
        bucket.put(f"some/{key}", os.urandom(size))
    for i in range(LISTED):
        bucket.put(f"small/{i:03d}.bin", os.urandom(100 + i))
    return bucket


class Figures:
    """A run that was done: what it printed, and what it wrote."""

    def __init__(self, human: str, figures: dict[str, Any]) -> None:
        self.human = human
        self.settings: Row = figures["settings"]
        self.figures = figures

    def __getitem__(self, section: str) -> list[Row]:
        rows: list[Row] = self.figures[section]
        return rows


def run_program(
    program: Path, served: Any, *words: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [program, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**served.environ(), **(environ or {})},
        stdin=subprocess.DEVNULL,
    )
    for secret in (served.access_key_secret, *served.sts[1:]):
        assert secret not in result.stdout + result.stderr
    return result


@pytest.fixture
def measure(program: Path, bucket: Any, tmp_path: Path) -> Callable[..., Figures]:
    """measure(workload, ...): runs it to its end, on `bucket`."""

    def measure(workload: str, *words: str) -> Figures:
        path = tmp_path / "figures.json"
        options = (*SMALL_CHUNKS, "--bucket", bucket.bucket, "--json", str(path))
        done = run_program(program, bucket.served, workload, *options, *words)
        assert (done.returncode, done.stderr) == (0, "")
        figures = Figures(done.stdout, json.loads(path.read_text()))
        assert figures.settings["workload"] == workload
        assert figures.settings["endpoint"] == bucket.served.endpoint
        assert figures.settings["verify_crc64"] is True
        return figures

    return measure


def check_cost(row: Row) -> None:
    assert row["cpu_seconds"] == pytest.approx(row["user_seconds"] + row["system_seconds"])
    assert 0 <= row["cpu_seconds"] < 60
    assert 1 * MiB < row["peak_resident_bytes"] < 1024 * MiB
    assert row["syscalls"] is None or row["syscalls"] > 0


def check_work(row: Row, objects: int, size: int) -> None:
    check_cost(row)
    assert (row["objects"], row["bytes"]) == (objects, size)
    assert row["seconds"] > 0
    assert row["objects_per_second"] == pytest.approx(objects / row["seconds"])
    assert row["gigabytes_per_second"] == pytest.approx(size / 1e9 / row["seconds"])
    assert row["requests"] > 0
    assert (row["retries"], row["refetches"]) == (0, 0)
    if size > 0:
        assert row["gigabytes_per_second"] > 0
        assert row["bytes_received"] >= size
        check_percentiles(row, "chunk_first_byte_ms")
        check_percentiles(row, "chunk_ms")


def check_percentiles(row: Row, name: str) -> None:
    values = [row[f"{name}_{part}"] for part in ("p50", "p90", "p99", "max")]
    assert values == sorted(values)
    assert values[0] > 0


def check_table(text: str, headings: str, rows: Sequence[str]) -> None:
    """The last table: the words of its heading, and what its rows begin with."""
    heading, *lines = text.rstrip("\n").rpartition("\n\n")[2].split("\n")
    assert re.sub(r" {2,}", ",", heading.strip()) == headings
    assert [line.split()[0] for line in lines] == list(rows)
    assert {len(line) for line in lines} == {len(heading)}


def check_passes(figures: Figures, headings: str) -> None:
    assert [row["pass"] for row in figures["passes"]] == [1, 2]
    seconds = [row["seconds"] for row in figures["passes"]]
    assert figures.figures["median"]["seconds"] == pytest.approx(sum(seconds) / 2)
    check_table(figures.human, headings, ["1", "2", "median"])
    check_syscalls_are_told(figures, figures["passes"])


def check_syscalls_are_told(figures: Figures, rows: Sequence[Row]) -> None:
    """Once, why they are not counted where they are not."""
    told = figures.human.count("system calls: not counted: ")
    assert told == (1 if rows[0]["syscalls"] is None else 0)
    assert all((row["syscalls"] is None) == (told == 1) for row in rows)


DOWNLOAD_HEADINGS = (
    "pass,GB/s,s,cpu-s/GB,user s,sys s,peak MiB,faults,switches,syscalls/GB,requests,again,"
    "first ms,chunk ms,p99 ms,conns"
)


@pytest.mark.parametrize("into", ["drop", "keep", "buffer"])
def test_download(measure: Callable[..., Figures], into: str) -> None:
    figures = measure("download", "--prefix", "some/", "--into", into, "--passes", "2")
    assert figures.settings["into"] == into
    assert figures.settings["objects"] == len(SIZES)
    assert (figures.settings["warmup"], figures.settings["passes"]) == (1, 2)
    for row in figures["passes"]:
        check_work(row, len(SIZES), sum(SIZES.values()))
        assert row["cpu_seconds_per_gigabyte"] == pytest.approx(
            row["cpu_seconds"] / (row["bytes"] / 1e9)
        )
    check_passes(figures, DOWNLOAD_HEADINGS)


def test_download_for_some_seconds(measure: Callable[..., Figures]) -> None:
    figures = measure("download", "--prefix", "some/", "--seconds", "2")
    assert figures.settings["seconds"] == 2
    assert [row["second"] for row in figures["seconds"]][:1] == [1]
    for row in figures["seconds"]:
        assert row["gigabytes_per_second"] > 0
        assert row["connections"] > 0
        assert row["limited_by"] in (
            "idle",
            "network",
            "memory",
            "reader",
            "cpu",
            "throttle",
            "limit",
        )
    [total] = figures["total"]
    assert total["seconds"] >= 2
    assert total["objects"] >= len(SIZES)
    assert total["bytes"] > sum(SIZES.values())
    check_cost(total)
    check_percentiles(total, "chunk_ms")
    assert "limited by" in figures.human
    check_table(
        figures.human,
        DOWNLOAD_HEADINGS.removeprefix("pass,"),
        [figures.human.split("\n")[-2].split()[0]],
    )
    check_syscalls_are_told(figures, [total])


def test_first_byte(measure: Callable[..., Figures], bucket: Any) -> None:
    figures = measure("first-byte", "--count", "5", "--bytes", "1KiB", bucket.uri("some/a.bin"))
    assert [row["connection"] for row in figures["connections"]] == ["new", "used"]
    for row in figures["connections"]:
        assert row["samples"] == 5
        check_cost(row)
        assert row["cpu_ms_per_sample"] == pytest.approx(row["cpu_seconds"] * 1e3 / 5)
        check_percentiles(row, "open_ms")
        check_percentiles(row, "open_and_read_ms")
        assert row["open_ms_p50"] <= row["open_and_read_ms_p50"]
    check_table(
        figures.human,
        "connection,samples,open p50 ms,p99,open+read p50 ms,p90,p99,max,cpu-ms/sample,"
        "syscalls/sample,peak MiB",
        ["new", "used"],
    )
    check_syscalls_are_told(figures, figures["connections"])


def test_small(measure: Callable[..., Figures]) -> None:
    figures = measure("small", "--prefix", "small/", "--batch", "7", "--passes", "2")
    assert (figures.settings["objects"], figures.settings["batch"]) == (LISTED, 7)
    for row in figures["passes"]:
        check_work(row, LISTED, sum(100 + i for i in range(LISTED)))
        check_percentiles(row, "object_ms")
        if row["syscalls"] is not None:
            assert row["syscalls_per_object"] == pytest.approx(row["syscalls"] / LISTED)
    check_passes(
        figures,
        "pass,objects/s,s,MB,cpu-ms/object,p50 ms,p90 ms,p99 ms,max ms,peak MiB,syscalls/object,"
        "requests,connections",
    )


@pytest.mark.parametrize("fast", [False, True])
def test_list(measure: Callable[..., Figures], fast: bool) -> None:
    words = ["--fast"] if fast else []
    figures = measure("list", "--prefix", "small/", "--passes", "2", *words)
    assert figures.settings["fast"] is fast
    for row in figures["passes"]:
        check_work(row, LISTED, 0)
        assert row["bytes_in_memory"] > 0
        if fast:
            assert row["page_ms_p50"] is None
        else:
            check_percentiles(row, "page_ms")
            assert row["page_ms_max"] <= row["seconds"] * 1e3
    check_passes(
        figures,
        "pass,keys,keys/s,s,cpu-us/key,requests,retries,page p50 ms,p99,max,peak MiB",
    )


def test_no_crc_is_said(program: Path, bucket: Any) -> None:
    words = ["download", *SMALL_CHUNKS, "--no-crc", "--json", "-", bucket.uri("some/a.bin")]
    done = run_program(program, bucket.served, *words)
    assert done.returncode == 0
    assert json.loads(done.stdout)["settings"]["verify_crc64"] is False


@pytest.mark.parametrize("workload", ["download", "first-byte", "small"])
def test_a_missing_object_is_named(program: Path, bucket: Any, workload: str) -> None:
    uris = [bucket.uri("some/a.bin"), bucket.uri("not there")]
    done = run_program(program, bucket.served, workload, *SMALL_CHUNKS, *uris)
    assert (done.returncode, done.stdout) == (1, "")
    assert uris[1] in done.stderr
    assert "NoSuchKey" in done.stderr


@pytest.mark.parametrize("workload", ["download", "first-byte", "small", "list"])
def test_wrong_credentials_are_told(program: Path, bucket: Any, workload: str) -> None:
    place = bucket.uri("some/a.bin")
    wrong = "canary-of-a-wrong-secret"
    done = run_program(
        program,
        bucket.served,
        workload,
        *SMALL_CHUNKS,
        place,
        environ={"OSS_ACCESS_KEY_SECRET": wrong},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert place in done.stderr
    assert "SignatureDoesNotMatch" in done.stderr
    assert wrong not in done.stderr


@pytest.mark.parametrize(
    ("workload", "progress"),
    [("download", "warm-up 1/1: "), ("first-byte", "sample 1/100: "), ("small", "warm-up 1/1: ")],
)
def test_ctrl_c_ends_it(program: Path, slow_store: Any, workload: str, progress: str) -> None:
    # At 20 kB/s, on one connection: a minute at least.
    words = [workload, *SMALL_CHUNKS, "--workers", "1", "--threads", "1", "--progress"]
    if workload == "first-byte":
        words += ["--bytes", "4MiB"]
    with subprocess.Popen(
        [program, *words, slow_store.uri("large.bin")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=slow_store.served.environ(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            shown = b""
            while b"connections" not in shown:
                piece = os.read(process.stderr.fileno(), 1000)
                assert piece, f"it ended: {shown!r}"
                shown += piece
            assert progress.encode() in shown
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 1
    assert output == b""
    assert errors.decode().rpartition("\x1b[K")[2] == "ossmc_bench: interrupted\n"
