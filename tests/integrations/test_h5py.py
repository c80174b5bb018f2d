"""HDF5 files that h5py wrote."""

from __future__ import annotations

import fsspec
import h5py
import numpy as np
import pytest

MiB = 1 << 20


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(1).random((2000, 1000))


@pytest.fixture(scope="module")
def url(bucket, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("hdf5") / "data.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("group/chunked", data=data, chunks=(100, 100), compression="gzip")
        file["group/whole"] = data
        file["group"].attrs["unit"] = "kelvin"
        file["words"] = ["one", "two", "three"]
    return bucket.put_file(path)


def test_all_that_is_in_it(url, options, data):
    with fsspec.open(url, **options) as raw, h5py.File(raw) as file:
        assert sorted(file) == ["group", "words"]
        assert file["group"].attrs["unit"] == "kelvin"
        assert list(file["words"].asstr()) == ["one", "two", "three"]
        assert np.array_equal(file["group/chunked"][:], data)
        assert np.array_equal(file["group/whole"][:], data)


def test_a_slice_costs_little_more_than_its_bytes(bucket, url, options, data):
    fs = fsspec.filesystem("ossmc", **options, skip_instance_cache=True)
    with fs.open(url) as raw, h5py.File(raw) as file:
        assert np.array_equal(file["group/whole"][1000:1100, 10:20], data[1000:1100, 10:20])
    assert fs.connector.stats().bytes_received < 4 * MiB < fs.info(url)["size"] / 4
