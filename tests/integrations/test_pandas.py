"""Tables that pandas wrote, by storage_options."""

from __future__ import annotations

import pandas as pd
import pytest

FRAME = pd.DataFrame(
    {
        "n": range(5000),
        "word": [f"w{i % 7}" for i in range(5000)],
        "x": [i / 7 for i in range(5000)],
    }
)


@pytest.fixture(scope="module", params=["csv", "csv.gz", "json", "parquet", "feather", "pickle"])
def kind(request):
    return request.param


def test_a_table_of_each_kind(kind, bucket, options, tmp_path):
    path = tmp_path / f"frame.{kind}"
    named = {"csv": {"index": False}, "json": {"orient": "records", "lines": True}}
    word = kind.split(".")[0]
    getattr(FRAME, f"to_{word}")(path, **named.get(word, {}))
    read = {"json": {"orient": "records", "lines": True}}.get(word, {})
    found = getattr(pd, f"read_{word}")(bucket.put_file(path), storage_options=options, **read)
    pd.testing.assert_frame_equal(found, FRAME)


def test_columns_and_a_filter_of_parquet(bucket, options, tmp_path):
    FRAME.to_parquet(tmp_path / "filtered.parquet", row_group_size=500)
    url = bucket.put_file(tmp_path / "filtered.parquet")
    found = pd.read_parquet(
        url, columns=["n"], filters=[("n", ">=", 4990)], storage_options=options
    )
    assert found.n.tolist() == list(range(4990, 5000))


def test_lines_in_pieces(bucket, options):
    url = bucket.put("pieces.csv", FRAME.to_csv(index=False).encode())
    with pd.read_csv(url, chunksize=700, storage_options=options) as pieces:
        pd.testing.assert_frame_equal(pd.concat(pieces), FRAME)


def test_what_is_not_there(bucket, options):
    with pytest.raises(FileNotFoundError, match="no-such"):
        pd.read_csv("ossmc://models/no-such.csv", storage_options=options)


def test_writing_is_refused(bucket, options):
    with pytest.raises(OSError, match="reads only"):
        FRAME.to_csv("ossmc://models/new.csv", storage_options=options)
