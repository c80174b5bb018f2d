"""Parquet files by pyarrow and DuckDB, through fsspec filesystems."""

from __future__ import annotations

from bench.errors import RunError, UnavailableError
from bench.processes import python_module
from bench.results import Result, Sample
from bench.runner import json_lines
from bench.scenario import Bar, Client, Column, Measured, Run, Scenario, highest_of
from bench.server import BUCKET, STORE_50
from bench.workplace import Workplace

_ENGINES = {"pyarrow": "pyarrow", "duckdb": "DuckDB"}
_PEERS = {"ossfs": 3.0, "obstore": 1.3}
_MOST_FETCHED = 1.5
_FOUND = ("rows", "cents", "seconds_sum")


def _name(who: str, engine: str) -> str:
    through = "obstore's fsspec" if who == "obstore" else who
    return f"{through}, {_ENGINES[engine]}"


def parquet(place: Workplace) -> Scenario:
    files = place.catalogue.sales()
    needs = place.catalogue.sales_needs() if files else {}
    size = sum(row.size for row in files)
    needed = needs.get("needed_bytes", 0) / 1e6
    pairs = [(who, engine) for engine in _ENGINES for who in ("ours", *_PEERS)]
    bars = []
    for engine in _ENGINES:
        ours = _name("ours", engine)
        bars += [
            Bar(
                f"{_ENGINES[engine]}: times as fast as through {who}",
                limit,
                _seconds_ratio(_name(who, engine), ours),
                at_least=True,
            )
            for who, limit in _PEERS.items()
        ]
        bars.append(
            Bar(
                f"{_ENGINES[engine]}: bytes fetched, over those that are needed",
                _MOST_FETCHED,
                highest_of(ours, "fetched_per_byte"),
            )
        )
    return Scenario(
        "parquet",
        "Parquet through fsspec",
        f"{len(files)} files of {size / 1e9:.3g} GB in all, 20 columns and 4 row groups each, in "
        "a folder a store; 20 ms to the first byte and 50 MB/s a connection. Two columns are read "
        "with a filter that the statistics of half of the row groups rule out; the rows are "
        "counted and both columns added up, and a client with another result than a local copy "
        "gives has failed. Each client is a process of its own with defaults, which has imported "
        f"all and then makes its filesystem. The format needs {needed:.3g} MB: the footers of all "
        "files, and of the row groups that are left those two columns' chunks. Bytes and requests "
        "are the server's count, lists with them. ossfs has its `glob` and `modified` mended, "
        "without which DuckDB reads nothing through it.",
        [_client(place, who, engine, needs) for who, engine in pairs],
        columns=(
            Column("seconds", "seconds", spread=True),
            Column("fetched_mb", "MB fetched", 1),
            Column("fetched_per_byte", "over those needed"),
            Column("requests", "requests", 0),
            Column("cpu_seconds", "CPU-s"),
            Column("peak_mib", "peak MiB", 0),
        ),
        bars=bars,
        seconds_over={_name(who, engine): _name("ours", engine) for who, engine in pairs},
    )


def _seconds_ratio(client: str, to: str) -> Measured:
    def measured(result: Result) -> float | None:
        return result.ratio(client, to, "seconds")

    return measured


def _client(place: Workplace, who: str, engine: str, needs: dict[str, int]) -> Client:
    def start(_round: int) -> Run:
        python = place.peers()
        if not needs:
            raise UnavailableError("there are no parquet files")
        words = [who, engine, "--endpoint", place.server.endpoint(STORE_50)]
        words += ["--folder", f"{BUCKET}/{place.catalogue.sales_folder()}"]
        words += ["--bytes", str(needs["needed_bytes"])]
        answered_before = len(place.server.answered())

        def parse(output: str) -> list[Sample]:
            samples = json_lines(output)
            for sample in samples[-1:]:
                check_found(sample, needs)
                answered = place.server.answered()[answered_before:]
                sample["requests"] = len(answered)
                sample["fetched_mb"] = sum(answered) / 1e6
                sample["fetched_per_byte"] = sum(answered) / needs["needed_bytes"]
                sample["cpu_seconds"] = sample["user_seconds"] + sample["system_seconds"]
            return samples

        return Run(python_module("parquet", *words, python=python), parse)

    return Client(_name(who, engine), start, ours=who == "ours")


def check_found(sample: Sample, needs: dict[str, int]) -> None:
    """A client that is fast with a wrong answer has not been measured."""
    found, wanted = ({name: row[name] for name in _FOUND} for row in (sample, needs))
    if found != wanted:
        raise RunError(f"it found {found}, not {wanted}")
