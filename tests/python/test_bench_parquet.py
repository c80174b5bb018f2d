"""`make bench SCENARIOS=parquet`: a server that lists, the files, and what a client must find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench.errors import BenchError, RunError
from bench.lister import lists_of
from bench.objects import Store
from bench.processes import client_environment, python_module
from bench.results import Result, Row
from bench.runner import json_lines
from bench.scenario import Client, Scenario
from bench.scenarios.parquet import check_found
from bench.server import BUCKET, STORE_50, Network, lua_is_there, nginx_program, serve
from bench.table import rows_table
from ossmodelconnector import (
    AnonymousCredentialsProvider,
    ObjectChangedError,
    ObjectInfo,
    OssModelConnector,
)

pytestmark = pytest.mark.long

LISTING = Network("a store", lists=True)
KEYS = ["sales/store=000/part-0.parquet", "sales/store=001/part-0.parquet", "other"]
needs_nginx = pytest.mark.skipif(
    nginx_program() is None or not lua_is_there(), reason="nginx and its Lua module are not there"
)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "served")
    for number, key in enumerate([*KEYS, "unlisted"]):
        made.path(key).parent.mkdir(parents=True, exist_ok=True)
        made.path(key).write_bytes(bytes([number]) * (300_000 if number == 0 else 1000 + number))
        made.add(key, made.path(key))
    return made


@pytest.fixture
def served(store, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with serve(store.folder, store.checksums(), [LISTING], run, listed=KEYS) as server:
        yield server


def get(address, **headers):
    request = urllib.request.Request(
        address, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def listed(body):
    rows = ElementTree.fromstring(body).findall("Contents")
    return {row.findtext("Key"): (row.findtext("ETag"), row.findtext("Size")) for row in rows}


@needs_nginx
def test_what_a_list_tells_is_what_the_object_has(served, store):
    root = f"{served.endpoint(LISTING)}/{BUCKET}"
    for address in (f"{root}/?list-type=2", f"{root}?list-type=2&prefix=", f"{root}/?prefix="):
        status, _, body = get(address)
        assert status == 200
        assert sorted(listed(body)) == sorted(KEYS)
    for key, (etag, size) in listed(body).items():
        for method in ("GET", "HEAD"):
            request = urllib.request.Request(f"{root}/{key}", method=method)
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request
            ) as reply:
                assert (reply.headers["ETag"], reply.headers["Content-Length"]) == (etag, size)
                crc = store.known(key).crc64
                assert reply.headers["x-oss-hash-crc64ecma"] == str(crc)
        assert get(f"{root}/{key}", If_Match=etag)[0] == 200
        assert get(f"{root}/{key}", If_Match=etag, Range="bytes=5-9")[:1] == (206,)
        assert get(f"{root}/{key}", If_Match='"another"')[0] == 412


@needs_nginx
def test_what_is_not_there_is_so_as_a_store_tells_it(served):
    status, _, body = get(f"{served.endpoint(LISTING)}/{BUCKET}/none")
    assert status == 404
    assert ElementTree.fromstring(body).findtext("Code") == "NoSuchKey"


@needs_nginx
def test_replies_are_counted_with_their_bytes(served):
    root = f"{served.endpoint(LISTING)}/{BUCKET}"
    assert served.answered() == []
    get(f"{root}/other")
    get(f"{root}/{KEYS[0]}", Range="bytes=0-99")
    size = len(get(f"{root}/?list-type=2")[2])
    assert served.answered() == [1002, 100, size]


@needs_nginx
def test_ours_reads_what_was_listed_and_no_other_version(served, store):
    with OssModelConnector(
        served.endpoint(LISTING), cred_provider=AnonymousCredentialsProvider(), region="cn-test"
    ) as connector:
        objects = connector.list(BUCKET, "sales/")
        assert [one.key for one in objects] == KEYS[:2]
        with connector.open(objects[0], prefetch=False) as reader:
            assert reader.read(10) == bytes(10)
        other = ObjectInfo(BUCKET, KEYS[1], 1001, "0" * 32, objects[1].last_modified, "Standard")
        with connector.open(other, prefetch=False) as reader, pytest.raises(ObjectChangedError):
            reader.read(10)


def test_a_list_that_lacks_a_key_is_told_before_anything_is_measured(store, tmp_path):
    missing = lists_of(store.folder, BUCKET, ["not-there"], tmp_path)
    with pytest.raises(FileNotFoundError), missing:
        pytest.fail("it is not served")
    (tmp_path / "listed" / BUCKET / "more").write_bytes(b"")
    more = lists_of(store.folder, BUCKET, ["other"], tmp_path)
    with pytest.raises(BenchError, match="lists 2 keys, not 1"), more:
        pytest.fail("it lists too much")


@pytest.fixture(scope="module")
def sales(tmp_path_factory):
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("sales")
    paths = [folder / f"store={number:03d}" / "part-0.parquet" for number in range(3)]
    run("write", "--rows", "4000", *map(str, paths))
    return folder


def run(*words):
    command = python_module("sales", *words)
    done = subprocess.run(
        command, env=client_environment(), capture_output=True, text=True, check=True, timeout=110
    )
    return json_lines(done.stdout)


def test_the_files_are_as_the_page_says(sales):
    import pyarrow.parquet as pq

    for path in sales.rglob("*.parquet"):
        metadata = pq.read_metadata(path)
        assert (metadata.num_columns, metadata.num_row_groups, metadata.num_rows) == (20, 4, 4000)


def test_what_the_format_needs_is_less_than_half_of_two_columns_and_some_rows(sales):
    import pyarrow.parquet as pq

    (needs,) = run("needs", str(sales))
    chunks = needs["needed_bytes"] - needs["footer_bytes"]
    two_columns = 0
    for path in sales.rglob("*.parquet"):
        metadata = pq.read_metadata(path)
        for group in map(metadata.row_group, range(4)):
            columns = {group.column(at).path_in_schema: group.column(at) for at in range(20)}
            two_columns += columns["sold_at"].total_compressed_size
            two_columns += columns["amount_cents"].total_compressed_size
    assert two_columns * 0.4 < chunks < two_columns * 0.6
    assert 3500 < needs["rows"] < 4500  # four of twelve months


def test_files_of_the_same_rows_are_the_same_bytes(sales, tmp_path):
    run("write", "--rows", "4000", str(tmp_path / "again.parquet"))
    assert (tmp_path / "again.parquet").read_bytes() == next(
        path for path in sorted(sales.rglob("*.parquet"))
    ).read_bytes()


@needs_nginx
@pytest.mark.parametrize("engine", ["pyarrow", "duckdb"])
def test_ours_finds_what_a_local_copy_has(sales, tmp_path, engine):
    pytest.importorskip("fsspec")
    pytest.importorskip(engine)
    store, work = Store(tmp_path / "served"), tmp_path / "run"
    work.mkdir()
    (needs,) = run("needs", str(sales))
    keys = []
    for path in sorted(sales.rglob("*.parquet")):
        key = f"sales/{path.relative_to(sales)}"
        store.path(key).parent.mkdir(parents=True)
        store.path(key).write_bytes(path.read_bytes())
        keys.append(store.add(key, store.path(key)).key)
    with serve(store.folder, store.checksums(), [STORE_50], work, listed=keys) as server:
        words = ["ours", engine, "--endpoint", server.endpoint(STORE_50)]
        words += ["--folder", f"{BUCKET}/sales", "--bytes", str(needs["needed_bytes"])]
        done = subprocess.run(
            python_module("parquet", *words),
            env=client_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
        assert done.returncode == 0, done.stderr
        (sample,) = json_lines(done.stdout)
        assert server.answered()
    check_found(sample, needs)


def test_a_wrong_result_fails_its_client():
    right = {"rows": 5, "cents": 6, "seconds_sum": 7, "needed_bytes": 8}
    check_found({**right, "seconds": 1.0}, right)
    for name in ("rows", "cents", "seconds_sum"):
        with pytest.raises(RunError, match="it found"):
            check_found({**right, name: 1}, right)


def test_the_table_has_the_seconds_over_ours():
    rows = [Row("ours", [{"seconds": 2.0}]), Row("peer", [{"seconds": 5.0}]), Row("gone")]
    clients = [Client(row.client, lambda _: pytest.fail("not started")) for row in rows]
    scenario = Scenario("name", "Title", "About.", clients, seconds_over={"peer": "ours"})
    result = Result("name", "2026-01-01T00:00:00+00:00", 1, {}, rows)
    assert rows_table(scenario, result).splitlines() == [
        "| client | seconds, ours = 1 |",
        "| --- | ---: |",
        "| ours |  |",
        "| peer | 2.50 |",
    ]


def test_without_the_peers_the_scenario_is_left_out(tmp_path):
    work, output = str(tmp_path / "work"), str(tmp_path / "pages")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench",
            "parquet",
            "--no-peers",
            "--work",
            work,
            "--output",
            output,
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "pages" / "parquet.json").read_text())
    assert all("peers' environment" in row["left_out"] for row in found["rows"])
