"""A folder as buckets: what is shown, what is seen later, what is never shown."""

from __future__ import annotations

import hashlib
import os
import random
import time

import pytest
from ossmodelconnector.local._directory import DirectoryTree
from ossmodelconnector.local._store import Store

BUCKET = "bucket-1"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / BUCKET).mkdir()
    return tmp_path


def write(folder, key, data=b""):
    path = folder / BUCKET / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def listed(client, query=""):
    reply = client.get(f"/{BUCKET}/?list-type=2&max-keys=1000{query}")
    assert reply.status == 200
    return [item.findtext("Key") for item in reply.xml.iter("Contents")]


def test_files_are_objects(folder, make_server, connect):
    large = random.Random(1).randbytes(700_000)
    write(folder, "sub/small", b"data")
    write(folder, "large", large)
    server = make_server(folder, anonymous=True)
    assert server.wait_for_checksums(20)
    client = connect(server)
    small = client.get(f"/{BUCKET}/sub/small")
    assert small.body == b"data"
    assert small.headers["etag"] == f'"{hashlib.md5(b"data").hexdigest().upper()}"'
    assert small.headers["x-oss-object-type"] == "Normal"
    reply = client.get(f"/{BUCKET}/large", Range="bytes=100000-399999")
    assert reply.body == large[100_000:400_000]
    assert reply.headers["etag"].endswith('-1"')
    assert reply.headers["x-oss-object-type"] == "Multipart"
    assert client.get(f"/{BUCKET}/large").body == large
    assert listed(client) == ["large", "sub/small"]
    page = client.get(f"/{BUCKET}/?list-type=2")
    assert page.text("Contents/ETag") == reply.headers["etag"]
    assert client.get(f"/{BUCKET}/sub").status == 404
    assert client.get(f"/{BUCKET}/sub/").status == 404
    assert client.get(f"/{BUCKET}/large/x").status == 404
    assert client.get("/other-bucket/?list-type=2").text("Code") == "NoSuchBucket"


def test_new_changed_and_removed_files_are_seen(folder, make_server, connect):
    path = write(folder, "a/one", b"first")
    server = make_server(folder, anonymous=True)
    client = connect(server)
    assert listed(client) == ["a/one"]
    etag = client.head(f"/{BUCKET}/a/one").headers["etag"]
    path.write_bytes(b"other")
    assert client.get(f"/{BUCKET}/a/one").body == b"other"
    assert client.head(f"/{BUCKET}/a/one").headers["etag"] != etag
    write(folder, "a/two")
    write(folder, "b/c/d")
    assert listed(client) == ["a/one", "a/two", "b/c/d"]
    path.unlink()
    assert listed(client) == ["a/two", "b/c/d"]
    assert client.get(f"/{BUCKET}/a/one").text("Code") == "NoSuchKey"
    (folder / "bucket-2").mkdir()
    assert client.get("/bucket-2/").status == 200


def test_a_folder_is_read_again_only_after_a_change(folder, monkeypatch):
    for number in range(20):
        write(folder, f"sub/{number}")
    old = time.time() - 3600
    os.utime(folder / BUCKET / "sub", (old, old))
    os.utime(folder / BUCKET, (old, old))
    tree = DirectoryTree(folder)
    scanned = []
    scandir = os.scandir

    def counting(path):
        scanned.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    assert len(list(tree.walk(BUCKET, b"", b""))) == 20
    assert len(scanned) == 2
    assert len(list(tree.walk(BUCKET, b"sub/", b"sub/5"))) == 5
    assert len(scanned) == 2
    write(folder, "sub/new")
    assert len(list(tree.walk(BUCKET, b"", b""))) == 21
    assert len(scanned) == 3


def test_listing_order_is_that_of_the_whole_keys(folder, make_server, connect):
    # A folder sorts by its name with a slash: between a- and a0.
    keys = ["a", "a-b/c", "a/b", "a/b-c", "a/b/c", "a0", "A", "é", "中", "😀", "\uffee"]
    on_disk = [key for key in keys if key not in ("a", "a/b")]
    for key in on_disk:
        write(folder, key)
    server = make_server(folder, anonymous=True)
    # A file system cannot hold these beside the others.
    server.put_object(BUCKET, "a", b"")
    server.put_object(BUCKET, "a/b", b"")
    client = connect(server)
    assert listed(client) == sorted(keys, key=str.encode)
    for index, key in enumerate(sorted(keys, key=str.encode)):
        after = sorted(keys, key=str.encode)[index + 1 :]
        tree_keys = [
            item.key.decode()
            for item in server._store.list_objects(BUCKET, b"", key.encode() + b"\0")
        ]
        assert tree_keys == after


def test_walk_from_anywhere_against_a_model(folder):
    source = random.Random(7)
    for _ in range(150):
        depth = source.randint(1, 4)
        parts = ["".join(source.choices("ab-.0é", k=source.randint(1, 2))) for _ in range(depth)]
        # The trailing letters keep files and folders apart, and dots from being . and ..
        write(folder, "/".join([part + "d" for part in parts[:-1]] + [parts[-1] + "f"]))
    keys = sorted(
        str(path.relative_to(folder / BUCKET)).encode()
        for path in (folder / BUCKET).rglob("*")
        if path.is_file()
    )
    tree = DirectoryTree(folder)
    bounds = [*keys, b"", b"a", b"ad/", b"ad/\xff", b"ad0", b"b-", *(key + b"\0" for key in keys)]
    for start in bounds:
        want = [key for key in keys if key >= start]
        assert [key for key, _, _ in tree.walk(BUCKET, b"", start)] == want
        prefix = start[:3]
        want = [key for key in keys if key.startswith(prefix)]
        assert [key for key, _, _ in tree.walk(BUCKET, prefix, b"")] == want


def test_memory_lies_over_the_folder(folder, make_server, connect):
    path = write(folder, "key", b"file")
    server = make_server(folder, anonymous=True)
    client = connect(server)
    server.put_object(BUCKET, "key", b"memory")
    assert client.get(f"/{BUCKET}/key").body == b"memory"
    assert listed(client) == ["key"]
    server.delete_object(BUCKET, "key")
    assert client.get(f"/{BUCKET}/key").status == 404
    assert listed(client) == []
    assert path.read_bytes() == b"file"
    server.put_object(BUCKET, "key", path, crc64=7, etag="mine")
    reply = client.get(f"/{BUCKET}/key")
    assert (reply.body, reply.headers["etag"]) == (b"file", '"mine"')
    assert reply.headers["x-oss-hash-crc64ecma"] == "7"
    assert listed(client) == ["key"]


@pytest.mark.parametrize(
    "target",
    [
        "../secret",
        "%2E%2E/secret",
        "..%2Fsecret",
        "a/../../secret",
        "a/../../bucket-1/inside",
        "./inside",
        "a/../inside",
        "inside/",
        "inside/.",
        "link-out",
        "link-up/secret",
        "link-in/inside",
        "inside%00",
        "pipe",
    ],
)
def test_nothing_outside_is_shown(folder, make_server, connect, target):
    (folder / "secret").write_bytes(b"secret")
    outside = folder.parent / f"{folder.name}-outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    write(folder, "inside", b"inside")
    write(folder, "a/b")
    (folder / BUCKET / "link-out").symlink_to(outside / "secret")
    (folder / BUCKET / "link-up").symlink_to(outside)
    (folder / BUCKET / "link-in").symlink_to(folder / BUCKET)
    (folder / "linked-bucket").symlink_to(outside)
    os.mkfifo(folder / BUCKET / "pipe")
    client = connect(make_server(folder, anonymous=True))
    assert client.get(f"/{BUCKET}/{target}").status == 404
    assert client.get("/linked-bucket/secret").text("Code") == "NoSuchBucket"
    assert listed(client) == ["a/b", "inside"]


def test_links_to_files_inside_are_followed(folder, make_server, connect):
    # As in the cache of a model hub: names that link to blobs.
    write(folder, "blobs/123", b"blob")
    (folder / BUCKET / "model.bin").symlink_to("blobs/123")
    (folder / BUCKET / "broken").symlink_to("blobs/456")
    client = connect(make_server(folder, anonymous=True))
    assert client.get(f"/{BUCKET}/model.bin").body == b"blob"
    assert listed(client) == ["blobs/123", "model.bin"]
    assert client.get(f"/{BUCKET}/broken").status == 404


def test_names_that_are_no_keys_are_left_out(folder, make_server, connect):
    write(folder, "good")
    (folder / "Not A Bucket").mkdir()
    (folder / "file").write_bytes(b"")
    with open(os.path.join(os.fsencode(folder), BUCKET.encode(), b"bad\xff"), "wb"):
        pass
    client = connect(make_server(folder, anonymous=True))
    assert listed(client) == ["good"]
    assert client.get("/file/").text("Code") == "NoSuchBucket"


def test_a_file_that_became_shorter_breaks_the_connection(folder, make_server, connect):
    path = write(folder, "large", bytes(64 << 20))
    server = make_server(folder, anonymous=True, rate_per_connection=200e6)
    assert server.wait_for_checksums(20)
    client = connect(server)

    client._connection.request("GET", f"/{BUCKET}/large")
    reply = client._connection.getresponse()
    assert reply.read(1000) == bytes(1000)
    os.truncate(path, 0)
    with pytest.raises(Exception, match=r"IncompleteRead|reset"):
        reply.read()


def test_missing_folder(tmp_path):
    with pytest.raises(NotADirectoryError):
        Store(tmp_path / "nothing", ())
