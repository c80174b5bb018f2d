"""Arrays that zarr wrote, through its own FsspecStore, which awaits the file system."""

from __future__ import annotations

import numpy as np
import pytest
import zarr


@pytest.fixture(scope="module", params=[2, 3])
def arrays(request, bucket, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zarr") / f"arrays-{request.param}.zarr"
    data = np.random.default_rng(1).random((400, 300))
    group = zarr.open_group(folder, mode="w", zarr_format=request.param)
    group.create_array("a/b", data=data, chunks=(50, 50))
    group.attrs["title"] = "weather"
    zarr.consolidate_metadata(folder, zarr_format=request.param)
    return bucket.put_folder(folder), data


def test_a_group(arrays, options):
    url, data = arrays
    group = zarr.open_group(url, mode="r", storage_options=options)
    assert group.attrs["title"] == "weather"
    assert [name for name, _ in group["a"].members()] == ["b"]
    assert np.array_equal(group["a/b"][:], data)
    assert np.array_equal(group["a/b"][60:70, ::7], data[60:70, ::7])


def test_chunks_that_are_not_there_are_the_fill_value(bucket, options, tmp_path):
    array = zarr.open_array(
        tmp_path / "sparse.zarr", mode="w", shape=(100, 100), chunks=(10, 10), fill_value=7.0
    )
    array[0:10, 0:10] = 1.0
    url = bucket.put_folder(tmp_path / "sparse.zarr")
    found = zarr.open_array(url, mode="r", storage_options=options)[:]
    assert np.array_equal(found, array[:])
    assert (found == 7.0).sum() == 9900


def test_a_shard_is_read_in_parts(bucket, options, tmp_path):
    data = np.random.default_rng(1).random((400, 400))
    zarr.create_array(tmp_path / "shards.zarr", data=data, chunks=(20, 20), shards=(400, 400))
    url = bucket.put_folder(tmp_path / "shards.zarr")
    array = zarr.open_array(url, mode="r", storage_options=options)
    assert np.array_equal(array[35:45, 35:45], data[35:45, 35:45])


def test_many_chunks_at_once_by_a_batch(bucket, arrays, options):
    url, data = arrays
    array = zarr.open_group(url, mode="r", storage_options=options)["a/b"]
    selected = array.get_orthogonal_selection((slice(None, None, 40), [1, 60, 299]))
    assert np.array_equal(selected, data[::40][:, [1, 60, 299]])


def test_writing_is_refused(arrays, options):
    url, _ = arrays
    group = zarr.open_group(url, mode="r+", storage_options=options)
    with pytest.raises(OSError, match="reads only"):
        group["a/b"][0, 0] = 1.0
