"""Streaming data sets of HF datasets: each kind of file, resumed in mid-stream, over stalls."""

from __future__ import annotations

import io
import json
import logging
import tarfile
import threading

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ossmodelconnector import TransferTimeoutError

ROWS = [{"n": i, "text": f"row {i} " * 20} for i in range(3000)]
FILES = 3
# A stall is an error after a second and a half, for the connector does not try again.
IMPATIENT = {
    "timeout": {"stallSeconds": 0.5, "readSeconds": 1.5},
    "retry": {"maxAttempts": 1},
    "prefetch": {"chunkBytes": "64 KiB"},
}


def written(kind, rows):
    out = io.BytesIO()
    if kind == "jsonl":
        out.writelines(json.dumps(row).encode() + b"\n" for row in rows)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=200, compression="none")
    elif kind == "tar":
        with tarfile.open(fileobj=out, mode="w") as tar:
            for row in rows:
                data = json.dumps(row).encode()
                member = tarfile.TarInfo(f"{row['n']:06d}.json")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture(scope="module", params=["jsonl", "parquet", "tar"])
def stream(request, bucket):
    """stream(**storage_options): the rows of three files of a kind, by streaming."""
    kind = request.param
    step = len(ROWS) // FILES
    urls = [
        bucket.put(f"rows/{i}.{kind}", written(kind, ROWS[i * step : (i + 1) * step]))
        for i in range(FILES)
    ]
    builder = {"jsonl": "json", "parquet": "parquet", "tar": "webdataset"}[kind]

    def load(**options):
        return datasets.load_dataset(
            builder, data_files=urls, split="train", streaming=True, storage_options=options
        )

    return load


def numbers(rows):
    return [row["json"]["n"] if "json" in row else row["n"] for row in rows]


def test_each_row_once(stream, options):
    assert numbers(stream(**options)) == list(range(len(ROWS)))


def test_a_stream_that_is_resumed_in_the_middle_gives_each_row_once(stream, options):
    first = stream(**options)
    rows = iter(first)
    seen = numbers(next(rows) for _ in range(1234))
    state = json.loads(json.dumps(first.state_dict()))
    del rows
    second = stream(**options)
    second.load_state_dict(state)
    seen += numbers(second)
    assert seen == list(range(len(ROWS)))


class Retries(logging.Handler):
    """Knows when HF datasets has said that it retries a read."""

    def __init__(self):
        super().__init__()
        self.begun = threading.Event()

    def emit(self, record):
        if "Got disconnected" in record.getMessage():
            self.begun.set()


@pytest.fixture
def retries(monkeypatch):
    monkeypatch.setattr(datasets.config, "STREAMING_READ_RETRY_INTERVAL", 0.1)
    handler = Retries()
    logger = datasets.utils.logging.get_logger()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_a_stalled_read_is_retried_and_the_stream_goes_on(bucket, stream, options, retries):
    rows = iter(stream(**options, config=IMPATIENT))
    found = [next(rows) for _ in range(10)]

    def stall(record):
        # The second file, behind its beginning, until the read of it was given up once.
        range_header = record.headers.get("range", "bytes=0-")
        is_stalled = "/1." in record.key and not range_header.startswith("bytes=0-")
        return 3.0 if is_stalled and not retries.begun.is_set() else None

    bucket.server.on_request = stall
    try:
        found += rows
    finally:
        bucket.server.on_request = None
    assert retries.begun.is_set()
    assert numbers(found) == list(range(len(ROWS)))


def test_the_error_of_a_stall_is_what_is_retried():
    assert issubclass(TransferTimeoutError, datasets.utils.file_utils.CONNECTION_ERRORS_TO_RETRY)


def test_a_file_that_is_not_there(options):
    with pytest.raises(FileNotFoundError, match="no-such"):
        datasets.load_dataset(
            "json",
            data_files="ossmc://models/rows/no-such.jsonl",
            split="train",
            streaming=True,
            storage_options=options,
        )
