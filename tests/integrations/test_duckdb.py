"""DuckDB, by register_filesystem."""

from __future__ import annotations

import duckdb
import fsspec
import pytest


@pytest.fixture
def database(options):
    with duckdb.connect() as made:
        made.register_filesystem(fsspec.filesystem("ossmc", **options))
        yield made


@pytest.fixture(scope="module")
def folder(bucket, tmp_path_factory):
    folder = tmp_path_factory.mktemp("duckdb") / "numbers"
    with duckdb.connect() as writer:
        writer.sql(
            "CREATE TABLE numbers AS SELECT i, i % 3 AS part, i * 2 AS twice FROM range(30000) t(i)"
        )
        writer.sql(f"COPY numbers TO '{folder}' (FORMAT parquet, PARTITION_BY (part))")
    return bucket.put_folder(folder)


def test_a_folder_of_parquet(database, folder):
    rows = database.sql(f"SELECT count(*), sum(i) FROM '{folder}/**/*.parquet'").fetchall()
    assert rows == [(30000, sum(range(30000)))]


def test_a_partition_and_a_filter(database, folder):
    rows = database.sql(
        f"SELECT twice FROM read_parquet('{folder}/*/*.parquet', hive_partitioning=true) "
        "WHERE part = 1 AND i < 10 ORDER BY i"
    ).fetchall()
    assert rows == [(2,), (8,), (14,)]


def test_csv_and_json(database, bucket):
    lines = bucket.put("duck.csv", b"i,word\n1,one\n2,two\n")
    objects = bucket.put("duck.jsonl", b'{"i": 1, "word": "one"}\n{"i": 2, "word": "two"}\n')
    for url in (f"read_csv('{lines}')", f"read_json('{objects}')"):
        assert database.sql(f"SELECT i, word FROM {url} ORDER BY i").fetchall() == [
            (1, "one"),
            (2, "two"),
        ]


def test_what_is_not_there(database):
    with pytest.raises((duckdb.IOException, FileNotFoundError), match="no-such"):
        database.sql("SELECT * FROM 'ossmc://models/no-such.parquet'").fetchall()
