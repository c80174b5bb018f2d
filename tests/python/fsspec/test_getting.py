"""Copies of objects in local files."""

from __future__ import annotations

import io
import os
import random
import stat

import fsspec.callbacks
import pytest
from ossmodelconnector import ChecksumError
from ossmodelconnector.local import Reply

KiB, MiB = 1 << 10, 1 << 20
LARGE = random.Random(7).randbytes(3 * MiB + 5)


@pytest.fixture(scope="module")
def root(bucket):
    bucket.put("large", LARGE)
    bucket.put("tree/a", b"a")
    bucket.put("tree/b/c", b"c")
    bucket.put("tree/empty/", b"")
    for number in range(300):
        bucket.put(f"many/{number:03d}", str(number).encode())
    return bucket.bucket


class Told(fsspec.callbacks.Callback):
    """What a callback was told, branch by branch."""

    def __init__(self):
        super().__init__()
        self.branches = []

    def branched(self, path_1, path_2, **kwargs):
        self.branches.append((path_1, path_2, fsspec.callbacks.Callback()))
        return self.branches[-1][2]


def files_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_file_is_copied_as_a_whole(fs, root, tmp_path):
    told = Told()
    target = tmp_path / "new" / "large"
    fs.get(f"oss://{root}/large", str(target), callback=told)
    assert target.read_bytes() == LARGE
    assert (told.size, told.value) == (1, 1)
    assert [(a, b, c.size, c.value) for a, b, c in told.branches] == [
        (f"{root}/large", str(target), len(LARGE), len(LARGE))
    ]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask
    fs.get_file(f"{root}/tree/a", target)  # replaces it, and takes a Path
    assert files_in(tmp_path) == {"new/large": b"a"}
    fs.download(f"{root}/tree/a", str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == b"a"


def test_a_tree_is_copied(fs, root, tmp_path):
    fs.get(f"{root}/tree", str(tmp_path / "copy"), recursive=True)
    assert files_in(tmp_path / "copy") == {"a": b"a", "b/c": b"c"}
    assert (tmp_path / "copy" / "empty").is_dir()
    fs.get(f"{root}/tree", f"{tmp_path}/here/", recursive=True)
    assert files_in(tmp_path / "here" / "tree") == {"a": b"a", "b/c": b"c"}
    fs.get(root, f"{tmp_path}/all", recursive=True, maxdepth=2)
    assert "tree/a" in files_in(tmp_path / "all")
    assert "tree/b/c" not in files_in(tmp_path / "all")


def test_many_files_are_copied_many_at_once(fs, root, tmp_path, server):
    paths = [f"{root}/many/{number:03d}" for number in range(300)]
    targets = [str(tmp_path / f"{number}") for number in range(300)]
    server.clear_log()
    told = Told()
    fs.get(paths, targets, callback=told)
    assert files_in(tmp_path) == {str(number): str(number).encode() for number in range(300)}
    assert len({(record.method, record.key) for record in server.log()}) == 300
    assert (told.size, told.value) == (300, 300)
    fs.get(paths[:3], f"{tmp_path}/into/")
    assert sorted(files_in(tmp_path / "into")) == ["000", "001", "002"]
    fs.get(f"{root}/many/00*", str(tmp_path / "glob"))
    assert len(files_in(tmp_path / "glob")) == 10


def test_directories_among_the_paths_become_folders(fs, root, tmp_path):
    targets = [str(tmp_path / name) for name in ("a", "b")]
    fs.get([f"{root}/tree/a", f"{root}/tree/b"], targets)
    assert (tmp_path / "a").read_bytes() == b"a"
    assert (tmp_path / "b").is_dir()
    fs.get_file(f"{root}/tree/b", str(tmp_path / "c" / "d"))
    assert (tmp_path / "c" / "d").is_dir()
    fs.get(f"{root}/tree", str(tmp_path / "e"))  # not recursive: nothing, as fsspec has it
    assert not (tmp_path / "e").exists()


def test_into_an_open_file(fs, root):
    for keyword in ("lpath", "outfile"):
        out = io.BytesIO()
        fs.get_file(f"{root}/large", **{keyword: out})
        assert out.getvalue() == LARGE


def test_a_missing_object_leaves_nothing(fs, root, tmp_path):
    for call in (fs.get, fs.get_file):
        with pytest.raises(FileNotFoundError):
            call(f"{root}/none", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        fs.get([f"{root}/large", f"{root}/none"], [str(tmp_path / "1"), str(tmp_path / "2")])
    assert "2" not in files_in(tmp_path)


def test_wrong_bytes_leave_what_was_there(fs, root, tmp_path, server):
    target = tmp_path / "large"
    target.write_bytes(b"before")
    server.local.on_request = lambda record: Reply(headers={"x-oss-hash-crc64ecma": "1"})
    try:
        with pytest.raises(ChecksumError):
            fs.get(f"{root}/large", str(target))
    finally:
        server.local.on_request = None
    assert files_in(tmp_path) == {"large": b"before"}


def test_a_full_disk_leaves_nothing(fs, root, tmp_path):
    with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb", 0) as full:
        fs.get_file(f"{root}/large", outfile=full)
    (tmp_path / "folder" / "x").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        fs.get_file(f"{root}/large", str(tmp_path / "folder"))
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("key", ["up/../../out", "up/../../../out", "up/x/../../../out"])
def test_a_key_that_leads_out_of_the_folder_is_refused(fs, new_bucket, tmp_path, server, key):
    bucket = new_bucket(f"out-{len(key)}")
    bucket.put("up/in", b"in")
    bucket.put(key, b"out")
    server.clear_log()
    with pytest.raises(ValueError, match=r"outside of|the same file"):
        fs.get(f"{bucket.bucket}/up", str(tmp_path / "deep" / "er"), recursive=True)
    assert files_in(tmp_path) == {}
    assert {record.key for record in server.log()} == {""}  # nothing but the listing
    # Named by the caller it goes where the caller says.
    fs.get(f"{bucket.bucket}/{key}", str(tmp_path / "named"))
    assert files_in(tmp_path) == {"named": b"out"}


def test_two_keys_for_one_file_are_refused(fs, new_bucket, tmp_path):
    bucket = new_bucket("twice")
    bucket.put("d/a//b", b"1")
    bucket.put("d/a/b", b"2")
    with pytest.raises(ValueError, match="the same file"):
        fs.get(f"{bucket.bucket}/d", str(tmp_path / "d"), recursive=True)
    assert files_in(tmp_path) == {}


def test_an_object_is_not_held_in_memory(make_fs, root, tmp_path):
    fs = make_fs(config={"prefetch.memoryBytes": "1 MiB", "prefetch.chunkBytes": "64 KiB"})
    fs.get(f"{root}/large", str(tmp_path / "large"))
    assert (tmp_path / "large").read_bytes() == LARGE
    assert fs.connector.stats().memory_peak_bytes <= MiB
