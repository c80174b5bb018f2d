"""DuckDB reads through the file system, once that is registered."""

from __future__ import annotations

import io

import pytest

duckdb = pytest.importorskip("duckdb")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

# Many parts that are read of one file, and as much between them that is not.
STORES, ROWS, GROUPS = 2, 120_000, 12


@pytest.fixture(scope="module")
def root(bucket):
    for store in range(STORES):
        numbers = range(store * ROWS, (store + 1) * ROWS)
        columns = {
            "number": pa.array(numbers, pa.int64()),
            "text": pa.array([f"sale {number * 7919 % 1_000_003}" for number in numbers]),
            "double": pa.array([number * 2 for number in numbers], pa.int64()),
        }
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file, row_group_size=ROWS // GROUPS)
        bucket.put(f"sales/store={store}/part-0.parquet", file.getvalue())
    bucket.put("plain.csv", b"a,b\n1,2\n3,4\n")
    return bucket.bucket


@pytest.fixture
def connection(fs):
    with duckdb.connect() as opened:
        opened.register_filesystem(fs)
        yield opened


def test_duckdb_2_read_wrong_bytes_of_files_that_its_threads_share(connection, root, server):
    server.local.latency = 0.02
    try:
        found = connection.execute(
            "SELECT store, count(*), sum(double) FROM "
            f"read_parquet('ossmc://{root}/sales/*/*.parquet', hive_partitioning = true) "
            "WHERE number % 2 = 1 GROUP BY store ORDER BY store"
        ).fetchall()
    finally:
        server.local.latency = 0.0
    expected = []
    for store in range(STORES):
        odd = [number for number in range(store * ROWS, (store + 1) * ROWS) if number % 2]
        expected.append((store, len(odd), 2 * sum(odd)))
    assert found == expected


def test_duckdb_fetches_little_more_than_the_columns_that_it_reads(connection, fs, root, bucket):
    sizes = fs.du(f"{root}/sales")
    before = fs.connector.stats().bytes_received
    connection.execute(
        f"SELECT sum(number) FROM read_parquet('ossmc://{root}/sales/*/*.parquet')"
    ).fetchall()
    assert fs.connector.stats().bytes_received - before < sizes * 0.6


def test_duckdb_reads_csv_and_says_what_is_not_there(connection, root):
    assert connection.execute(f"SELECT sum(b) FROM 'ossmc://{root}/plain.csv'").fetchall() == [(6,)]
    with pytest.raises(duckdb.Error, match="none"):
        connection.execute(f"SELECT * FROM read_parquet('ossmc://{root}/none.parquet')").fetchall()
