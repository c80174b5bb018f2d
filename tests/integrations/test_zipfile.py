"""Zip archives, and through fsspec's own file system of them."""

from __future__ import annotations

import zipfile

import fsspec
import pytest

FILES = {f"{i:03d}.txt": f"file {i}\n".encode() * (i + 1) for i in range(100)}


@pytest.fixture(scope="module")
def archive(bucket, tmp_path_factory):
    path = tmp_path_factory.mktemp("archives") / "files.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in FILES.items():
            archive.writestr(member, data)
    return bucket.put_file(path)


def test_all_members(archive, options):
    with fsspec.open(archive, **options) as file, zipfile.ZipFile(file) as found:
        assert found.testzip() is None
        assert {name: found.read(name) for name in found.namelist()} == FILES


def test_a_member_through_a_chain_of_urls(archive, options):
    with fsspec.open(f"zip://050.txt::{archive}", ossmc=options) as file:
        assert file.read() == FILES["050.txt"]
