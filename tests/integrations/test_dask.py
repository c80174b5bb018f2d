"""Dask: bags of lines, bytes, and data frames of Parquet, on its threads and on its processes."""

from __future__ import annotations

import dask.bag
import dask.dataframe
import pandas as pd
import pytest

LINES = [f"line {i}" for i in range(1000)]


@pytest.fixture(scope="module")
def lines(bucket, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bag") / "lines"
    dask.bag.from_sequence(LINES, npartitions=8).to_textfiles(str(folder / "*.txt"))
    return f"{bucket.put_folder(folder)}/*.txt"


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_bag_of_lines(lines, options, scheduler):
    bag = dask.bag.read_text(lines, storage_options=options)
    assert bag.npartitions == 8
    assert bag.map(str.strip).compute(scheduler=scheduler, num_workers=2) == LINES


def test_a_bag_cut_into_blocks(bucket, options):
    text = "".join(f"{line}\n" for line in LINES)
    url = bucket.put("lines.txt", text.encode())
    bag = dask.bag.read_text(url, blocksize=500, storage_options=options)
    assert bag.npartitions > 10
    assert bag.map(str.strip).compute(scheduler="threads") == LINES


def test_a_data_frame_of_parquet(bucket, options, tmp_path):
    frame = pd.DataFrame({"n": range(10_000), "word": [f"w{i % 7}" for i in range(10_000)]})
    dask.dataframe.from_pandas(frame, npartitions=4).to_parquet(tmp_path / "frame.parquet")
    url = bucket.put_folder(tmp_path / "frame.parquet")
    found = dask.dataframe.read_parquet(url, columns=["n"], storage_options=options)
    assert found.npartitions == 4
    assert found.n.compute(scheduler="threads").tolist() == frame.n.tolist()
