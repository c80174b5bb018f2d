"""numpy.load of what numpy.save and numpy.savez wrote."""

from __future__ import annotations

import fsspec
import numpy as np


def test_an_array(bucket, options, tmp_path):
    array = np.arange(100_000, dtype=np.float32).reshape(100, 1000)
    np.save(tmp_path / "array.npy", array)
    with fsspec.open(bucket.put_file(tmp_path / "array.npy"), **options) as file:
        assert np.array_equal(np.load(file), array)


def test_one_array_of_an_archive(bucket, options, tmp_path):
    arrays = {"ids": np.arange(1000), "scores": np.linspace(0, 1, 50_000)}
    np.savez_compressed(tmp_path / "arrays.npz", **arrays)
    with fsspec.open(bucket.put_file(tmp_path / "arrays.npz"), **options) as file:
        loaded = np.load(file)
        assert loaded.files == ["ids", "scores"]
        assert np.array_equal(loaded["scores"], arrays["scores"])
