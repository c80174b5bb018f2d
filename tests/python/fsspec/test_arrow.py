"""Arrow and its Parquet, by the file system: what is read, and by which requests."""

from __future__ import annotations

import fsspec.parquet
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.feather as feather
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
import pytest

FILES, ROWS, COLUMNS = 6, 20_000, 20
GROUP_ROWS = 10_000


def table(number):
    rows = range(number * ROWS, (number + 1) * ROWS)
    columns = {
        f"c{i:02d}": pa.array([row * 31 % (10_000 + i) for row in rows]) for i in range(COLUMNS)
    }
    return pa.table({"row": pa.array(rows), **columns})


@pytest.fixture(scope="module")
def root(bucket):
    for number in range(FILES):
        for path, write in (
            (f"set/year={2020 + number}/part.parquet", write_parquet),
            (f"feather/{number}.feather", feather.write_feather),
        ):
            sink = pa.BufferOutputStream()
            write(table(number), sink)
            bucket.put(path, sink.getvalue().to_pybytes())
    return bucket.bucket


def write_parquet(rows, sink):
    pq.write_table(rows, sink, row_group_size=GROUP_ROWS, compression="none", use_dictionary=False)


def bytes_sent(server):
    return sum(
        record.bytes_sent for record in server.log() if record.method == "GET" and record.key
    )


def test_a_table_is_what_was_written(fs, root):
    path = f"{root}/set/year=2021/part.parquet"
    assert pq.read_table(path, filesystem=fs, partitioning=None).equals(table(1))
    with fs.open(path) as file:
        assert pq.ParquetFile(file).read(["row", "c07"]).equals(table(1).select(["row", "c07"]))
    assert feather.read_table(fs.open(f"{root}/feather/2.feather")).equals(table(2))


def test_two_columns_receive_little_more_than_themselves(fs, root, bucket, server):
    key = "set/year=2021/part.parquet"
    metadata = pq.read_metadata(pa.BufferReader(bucket[key]))
    needed = sum(
        metadata.row_group(group).column(place).total_compressed_size
        for group in range(metadata.num_row_groups)
        for place in (0, 5)
    )
    server.clear_log()
    got = pq.read_table(f"{root}/{key}", filesystem=fs, columns=["row", "c04"], partitioning=None)
    assert got.equals(table(1).select(["row", "c04"]))
    assert bytes_sent(server) <= 1.5 * needed + 70_000  # Arrow asks for 64 KiB of footer


def test_a_data_set_over_files_with_partitions_and_a_filter(fs, root):
    rows = ds.dataset(f"{root}/set", filesystem=fs, format="parquet", partitioning="hive")
    got = rows.to_table(
        columns=["row", "year"], filter=(pc.field("row") < 5) | (pc.field("year") == 2022)
    )
    assert got.num_rows == 5 + ROWS
    assert set(got["year"].to_pylist()) == {2020, 2022}


def test_a_data_set_is_read_in_parallel_over_its_files(fs, root, server):
    rows = ds.dataset(f"{root}/set", filesystem=fs, format="parquet", partitioning="hive")
    pa_threads = pa.io_thread_count()
    server.clear_log()
    server.local.on_request = lambda record: 0.2 if record.method == "GET" else None
    try:
        got = rows.to_table(columns=["row"])
    finally:
        server.local.on_request = None
    assert sorted(got["row"].to_pylist()) == list(range(FILES * ROWS))
    gets = [record for record in server.log() if record.method == "GET"]
    at_once = max(
        len({r.key for r in gets if r.started <= one.started < r.finished}) for one in gets
    )
    assert at_once >= min(3, pa_threads)


def test_a_listing_and_no_head_before_the_reads_of_a_data_set(fs, root, server):
    server.clear_log()
    ds.dataset(f"{root}/set", filesystem=fs, format="parquet").to_table(columns=["row"])
    # Arrow asks whether the path is a directory, which as an object it is not.
    assert {record.key for record in server.log() if record.method == "HEAD"} == {"set"}


def test_arrow_s_own_view_of_the_file_system(fs, root):
    view = pa_fs.PyFileSystem(pa_fs.FSSpecHandler(fs))
    infos = view.get_file_info(pa_fs.FileSelector(f"{root}/set", recursive=True))
    files = [info for info in infos if info.type == pa_fs.FileType.File]
    assert len(files) == FILES
    assert {info.type for info in infos} == {pa_fs.FileType.File, pa_fs.FileType.Directory}
    assert all(info.size > 0 and info.mtime is not None for info in files)
    (missing,) = view.get_file_info([f"{root}/none"])
    assert missing.type == pa_fs.FileType.NotFound
    with view.open_input_stream(f"{root}/feather/0.feather") as stream:
        assert stream.read(6) == b"ARROW1"
    with view.open_input_file(f"{root}/feather/0.feather") as file:
        assert file.read_at(6, file.size() - 6) == b"ARROW1"
    with pytest.raises(OSError, match="reads only"):
        view.create_dir(f"{root}/new")
    with pytest.raises(OSError, match="reads only"):
        ds.write_dataset(table(0), f"{root}/out", filesystem=fs, format="parquet")


def test_planned_ranges_of_fsspec_parquet(fs, root, server):
    path = f"{root}/set/year=2021/part.parquet"
    server.clear_log()
    with fsspec.parquet.open_parquet_file(
        path, fs=fs, columns=["row", "c04"], engine="pyarrow", footer_sample_size=100_000
    ) as file:
        planned = len(server.log())
        got = pq.read_table(file, columns=["row", "c04"], partitioning=None)
        # The reads find what was planned.
        assert len(server.log()) == planned
    assert got.equals(table(1).select(["row", "c04"]))
    # The size, the footer, then two columns of two groups: a question for the object each time.
    assert planned < 15
