"""Tar archives, by position and as a stream, and through fsspec's own file system of them."""

from __future__ import annotations

import tarfile

import fsspec
import pytest

FILES = {f"{i:03d}.txt": f"file {i}\n".encode() * (i + 1) for i in range(100)}


@pytest.fixture(scope="module", params=["", "gz"])
def archive(request, bucket, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    name = f"files.tar.{request.param}".rstrip(".")
    with tarfile.open(folder.parent / name, f"w:{request.param}") as tar:
        for member, data in FILES.items():
            (folder / member).write_bytes(data)
            tar.add(folder / member, member)
    return bucket.put_file(folder.parent / name)


@pytest.mark.parametrize("mode", ["r:*", "r|*"])
def test_all_members(archive, options, mode):
    with fsspec.open(archive, **options) as file, tarfile.open(fileobj=file, mode=mode) as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar} == FILES


def test_one_member_by_its_name(archive, options):
    with fsspec.open(archive, **options) as file, tarfile.open(fileobj=file) as tar:
        assert tar.extractfile("050.txt").read() == FILES["050.txt"]


def test_a_file_system_within_the_archive(archive, options):
    fs = fsspec.filesystem("tar", fo=archive, target_options=options)
    assert sorted(fs.find("")) == sorted(FILES)
    assert fs.cat_file("007.txt") == FILES["007.txt"]
