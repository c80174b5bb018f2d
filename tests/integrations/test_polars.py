"""polars through pyarrow's data sets, and through open files."""

from __future__ import annotations

import fsspec
import polars as pl
import pyarrow.dataset
import pytest
from polars.testing import assert_frame_equal

FRAME = pl.DataFrame({"n": range(10_000), "word": [f"w{i % 7}" for i in range(10_000)]})


@pytest.fixture(scope="module")
def folder(bucket, tmp_path_factory):
    folder = tmp_path_factory.mktemp("polars") / "frames"
    folder.mkdir()
    for i, part in enumerate(FRAME.iter_slices(2500)):
        part.write_parquet(folder / f"{i}.parquet", row_group_size=500)
    return bucket.put_folder(folder)


def test_a_filter_reaches_arrow(bucket, folder, options):
    fs = fsspec.filesystem("ossmc", **options)
    dataset = pyarrow.dataset.dataset(fs._strip_protocol(folder), filesystem=fs, format="parquet")
    found = pl.scan_pyarrow_dataset(dataset).filter(pl.col("n") >= 9_990).select("n").collect()
    assert found["n"].to_list() == list(range(9_990, 10_000))


def test_an_open_file(folder, options):
    with fsspec.open(f"{folder}/0.parquet", **options) as file:
        assert_frame_equal(pl.read_parquet(file), FRAME[:2500])


def test_lines(bucket, options):
    url = bucket.put("polars.csv", FRAME.write_csv().encode())
    with fsspec.open(url, **options) as file:
        assert_frame_equal(pl.read_csv(file), FRAME)
