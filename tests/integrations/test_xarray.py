"""Data sets of xarray, as zarr and as netCDF."""

from __future__ import annotations

import fsspec
import numpy as np
import pytest
import xarray as xr


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(1)
    return xr.Dataset(
        {"temperature": (("time", "place"), random.random((100, 50)), {"unit": "kelvin"})},
        coords={"time": np.arange(100), "place": [f"p{i}" for i in range(50)]},
        attrs={"title": "weather"},
    )


def test_zarr(bucket, options, dataset, tmp_path):
    dataset.chunk({"time": 25}).to_zarr(tmp_path / "weather.zarr")
    url = bucket.put_folder(tmp_path / "weather.zarr")
    with xr.open_zarr(url, storage_options=options) as opened:
        xr.testing.assert_identical(opened.load(), dataset)


def test_netcdf(bucket, options, dataset, tmp_path):
    dataset.to_netcdf(tmp_path / "weather.nc", engine="h5netcdf")
    url = bucket.put_file(tmp_path / "weather.nc")
    with fsspec.open(url, **options) as file, xr.open_dataset(file, engine="h5netcdf") as opened:
        xr.testing.assert_identical(opened.load(), dataset)


def test_a_part_of_netcdf(bucket, options, dataset, tmp_path):
    dataset.to_netcdf(tmp_path / "part.nc", engine="h5netcdf")
    url = bucket.put_file(tmp_path / "part.nc")
    with fsspec.open(url, **options) as file, xr.open_dataset(file, engine="h5netcdf") as opened:
        part = opened.temperature.sel(place="p7").load()
    assert np.array_equal(part, dataset.temperature.sel(place="p7"))
