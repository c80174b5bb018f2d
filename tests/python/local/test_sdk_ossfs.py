"""ossfs, the fsspec file system, reads and lists through the server."""

from __future__ import annotations

import ossfs
import pytest
from ossmodelconnector.local import DEFAULT_CREDENTIAL

BUCKET = "bucket-1"

pytestmark = pytest.mark.usefixtures("tidy_clients")


@pytest.fixture
def make_file_system():
    def make(server, secret=DEFAULT_CREDENTIAL.access_key_secret):
        return ossfs.OSSFileSystem(
            endpoint=server.endpoint,
            key=DEFAULT_CREDENTIAL.access_key_id,
            secret=secret,
            skip_instance_cache=True,
        )

    return make


def test_reads_and_lists(make_server, make_file_system):
    server = make_server()
    data = bytes(range(256)) * 4096
    server.put_object(BUCKET, "folder/big", data)
    server.put_object(BUCKET, "folder/sub/中文 file+%41", b"odd")
    server.put_object(BUCKET, "top", b"")
    fs = make_file_system(server)
    assert fs.cat_file(f"{BUCKET}/folder/big") == data
    assert fs.cat_file(f"{BUCKET}/folder/sub/中文 file+%41") == b"odd"
    with fs.open(f"{BUCKET}/folder/big", "rb") as file:
        file.seek(-10, 2)
        assert file.read() == data[-10:]
    assert sorted(name.rstrip("/") for name in fs.ls(f"{BUCKET}/folder", detail=False)) == [
        f"{BUCKET}/folder/big",
        f"{BUCKET}/folder/sub",
    ]
    assert fs.info(f"{BUCKET}/folder/big")["size"] == len(data)
    assert sorted(fs.find(BUCKET)) == [
        f"{BUCKET}/folder/big",
        f"{BUCKET}/folder/sub/中文 file+%41",
        f"{BUCKET}/top",
    ]


def test_more_than_one_thousand_keys(make_server, make_file_system):
    server = make_server()
    for number in range(1234):
        server.put_object(BUCKET, f"many/{number:05d}", b"")
    assert len(make_file_system(server).ls(f"{BUCKET}/many", detail=False)) == 1234


def test_missing_and_forbidden(make_server, make_file_system):
    server = make_server()
    server.put_object(BUCKET, "key", b"data")
    fs = make_file_system(server)
    assert not fs.exists(f"{BUCKET}/nothing")
    with pytest.raises(FileNotFoundError):
        fs.cat_file(f"{BUCKET}/nothing")
    with pytest.raises(OSError, match="SignatureDoesNotMatch"):
        make_file_system(server, "wrong").cat_file(f"{BUCKET}/key")
    server.deny(BUCKET, "key")
    with pytest.raises(PermissionError):
        fs.cat_file(f"{BUCKET}/key")
