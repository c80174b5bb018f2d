"""What fsspec puts on file systems: chained URLs, caches, maps, folders, sync of trees."""

from __future__ import annotations

import io
import random
import zipfile

import fsspec
import pytest
from fsspec.generic import rsync
from fsspec.implementations.dirfs import DirFileSystem

DATA = random.Random(4).randbytes(3 << 20)


@pytest.fixture(scope="module")
def root(bucket):
    bucket.put("data.bin", DATA)
    bucket.put("d/a#b?c d%20", b"odd")
    bucket.put("d/e/f", b"deep")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("inside.txt", "packed")
    bucket.put("archive.zip", archive.getvalue())
    return bucket.bucket


@pytest.fixture
def options(make_fs):
    options = make_fs.options
    del options["skip_instance_cache"]
    yield options
    fs = fsspec.filesystem("ossmc", **options)
    fs.clear_instance_cache()
    fs.connector.close()


# blockcache leaves its map of the file to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("cache", ["simplecache", "filecache", "blockcache"])
def test_local_caches(options, root, tmp_path, cache):
    store = {"cache_storage": str(tmp_path / "cache")}
    url = f"{cache}::ossmc://{root}/data.bin"
    for _ in range(2):
        with fsspec.open(url, ossmc=options, **{cache: store}) as file:
            assert file.read(1000) == DATA[:1000]
            file.seek(-10, 2)
            assert file.read() == DATA[-10:]
    assert list((tmp_path / "cache").iterdir())


def test_a_file_cache_sees_that_an_object_changed(options, bucket, root, tmp_path):
    store = {"cache_storage": str(tmp_path), "check_files": True}
    for data in (b"one", b"two"):
        bucket.put("changing", data)
        with fsspec.open(
            f"filecache::ossmc://{root}/changing", ossmc=options, filecache=store
        ) as file:
            assert file.read() == data


def test_a_file_in_an_archive(options, root):
    with fsspec.open(f"zip://inside.txt::ossmc://{root}/archive.zip", ossmc=options) as file:
        assert file.read() == b"packed"


def test_many_files_by_a_pattern(options, root):
    files = fsspec.open_files(f"ossmc://{root}/d/**", **options)
    with files as opened:
        assert [file.read() for file in opened] == [b"odd", b"deep"]
    assert fsspec.open(f"ossmc://{root}/d/a#b?c d%20", **options).full_name == (
        f"ossmc://{root}/d/a#b?c d%20"
    )


def test_a_map(options, root, server):
    mapping = fsspec.get_mapper(f"ossmc://{root}/d", **options)
    assert sorted(mapping) == ["a#b?c d%20", "e/f"]
    assert mapping["e/f"] == b"deep"
    assert mapping.getitems(["e/f", "none"], on_error="omit") == {"e/f": b"deep"}
    assert "e/f" in mapping
    for missing in ("none", "e"):
        with pytest.raises(KeyError):
            mapping[missing]


def test_a_folder_as_a_file_system(fs, root):
    folder = DirFileSystem(path=f"{root}/d", fs=fs)
    assert folder.find("") == ["a#b?c d%20", "e/f"]
    assert folder.cat("e/f") == b"deep"
    assert folder.cat_ranges(["e/f"], [1], [3]) == [b"ee"]


def test_a_tree_is_copied_to_another_file_system(options, root, tmp_path):
    fs = fsspec.filesystem("ossmc", **options)
    rsync(
        f"ossmc://{root}/d/e",
        f"file://{tmp_path}/copy",
        inst_kwargs={"default_method": "current"},  # the file systems made last
    )
    assert fs.exists(f"{root}/d/e")
    assert (tmp_path / "copy" / "f").read_bytes() == b"deep"
