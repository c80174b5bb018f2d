"""Pictures that Pillow wrote."""

from __future__ import annotations

import fsspec
import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize("name", ["picture.png", "picture.tiff", "picture.webp"])
def test_a_picture(bucket, options, tmp_path, name):
    pixels = np.random.default_rng(1).integers(0, 256, (120, 80, 3), dtype=np.uint8)
    lossless = {"lossless": True} if name.endswith("webp") else {}
    Image.fromarray(pixels).save(tmp_path / name, **lossless)
    with fsspec.open(bucket.put_file(tmp_path / name), **options) as file:
        picture = Image.open(file)
        assert picture.size == (80, 120)
        assert np.array_equal(np.asarray(picture), pixels)
