"""What the file system lists and tells."""

from __future__ import annotations

import time
from datetime import timezone

import pytest
from ossmodelconnector import AccessDeniedError, ObjectNotFoundError
from ossmodelconnector.local import Reply

# The marker of a directory that is there, of one that is empty, and of one with data in it; an
# object beside a directory of its name; a directory without a name.
MARKERS = ["d/", "empty/", "heavy/"]
FILES = [
    "a.txt",
    "d/b.txt",
    "d/e/c.txt",
    "d/e/f/g.txt",
    "d.txt",
    "same",
    "same/x",
    "n//x",
    "n//y/z",
]
ODD = [
    "odd/a b",
    "odd/a+b",
    "odd/a%20b",
    "odd/a?b",
    "odd/a#b",
    "odd/a*b",
    "odd/a[b]",
    "odd/ü\n💡",
    "odd/a:b",
]


@pytest.fixture(scope="module")
def names(bucket):
    """All files, sorted, as fsspec names them."""
    for key in [*FILES, *ODD]:
        bucket.put(key, key.encode())
    for key in MARKERS:
        bucket.put(key, b"data" if key == "heavy/" else b"")
    return sorted(f"{bucket.bucket}/{key}" for key in [*FILES, *ODD])


@pytest.fixture
def root(bucket, names):
    return bucket.bucket


def requests_of(server, call):
    """How many requests a call costs, and what it gives; one that was sent twice is one."""
    server.clear_log()
    result = call()
    return len({(record.method, record.raw_target) for record in server.log()}), result


def test_ls_tells_files_and_directories(fs, root):
    assert fs.ls(root, detail=False) == [
        f"{root}/{name}" for name in ("a.txt", "d", "d.txt", "empty", "heavy", "n", "odd", "same")
    ] + [f"{root}/same"]
    assert [(e["name"], e["size"], e["type"]) for e in fs.ls(f"ossmc://{root}/d/")] == [
        (f"{root}/d/b.txt", 7, "file"),
        (f"{root}/d/e", 0, "directory"),
    ]
    assert fs.ls(f"{root}/empty") == []
    assert fs.ls(f"{root}/odd", detail=False) == sorted(f"{root}/{key}" for key in ODD)
    assert fs.ls(f"{root}/a.txt", detail=False) == [f"{root}/a.txt"]
    assert fs.listdir(root) == fs.ls(root)


def test_a_directory_without_a_name_shows_what_is_in_it(fs, root):
    assert fs.ls(f"{root}/n", detail=False) == [f"{root}/n//x", f"{root}/n//y"]
    assert fs.cat_file(f"{root}/n//x") == b"n//x"
    assert fs.find(f"{root}/n") == [f"{root}/n//x", f"{root}/n//y/z"]
    assert fs.find(f"{root}/n", maxdepth=2) == [f"{root}/n//x", f"{root}/n//y/z"]


def test_an_entry_says_what_the_store_does(fs, root, bucket):
    entry = fs.info(f"oss://{root}/a.txt")
    listed = {e["name"]: e for e in fs.ls(root)}[f"{root}/a.txt"]
    assert entry == listed
    assert (entry["size"], entry["type"], entry["StorageClass"]) == (5, "file", "Standard")
    assert entry["ETag"] == fs.connector.stat(bucket.uri("a.txt")).etag
    assert entry["LastModified"] == entry["mtime"] == fs.modified(f"{root}/a.txt")
    assert entry["LastModified"].tzinfo is timezone.utc
    assert fs.created(f"{root}/a.txt") == fs.modified(f"{root}/a.txt")


def test_info_of_a_directory(fs, root):
    for path in (root, f"{root}/d", f"{root}/d/", f"{root}/d/e", f"{root}/empty", f"{root}/heavy"):
        path_as_fsspec_has_it = path.rstrip("/")
        assert fs.info(path) == {"name": path_as_fsspec_has_it, "size": 0, "type": "directory"}
        assert fs.isdir(path)
        assert fs.exists(path)
        assert not fs.isfile(path)
    # The object comes first, as in a listing.
    assert fs.info(f"{root}/same")["type"] == "file"
    assert fs.info("")["type"] == "directory"


def test_what_is_not_there(fs, root):
    for path in (
        f"{root}/none",
        f"{root}/d/none",
        f"{root}/a.txt/x",
        "no-such-bucket",
        "no-such-bucket/x",
    ):
        assert not fs.exists(path)
        assert not fs.isdir(path)
        assert not fs.isfile(path)
        for call in (fs.info, fs.ls, fs.open, fs.cat_file, fs.size, fs.modified):
            with pytest.raises((FileNotFoundError, IsADirectoryError)):
                call(path)
    assert fs.find(f"{root}/none") == []
    assert fs.find(f"{root}/none", detail=True) == {}
    assert fs.glob(f"{root}/none/*") == []
    assert list(fs.walk(f"{root}/none")) == []


def test_errors_are_no_answers(make_fs, root, server):
    """exists and isfile said False of objects that nobody may read, or of a server that is down."""
    fs = make_fs(config={"retry.maxAttempts": 1})
    server.local.on_request = lambda record: Reply(403, "AccessDenied")
    try:
        for call in (fs.exists, fs.isdir, fs.isfile, fs.info, fs.ls, fs.open, fs.cat_file):
            with pytest.raises(AccessDeniedError) as caught:
                call(f"{root}/a.txt")
            assert isinstance(caught.value, PermissionError)
    finally:
        server.local.on_request = None


def test_buckets_are_not_listed(fs):
    for call in (fs.ls, fs.find, fs.du, fs.listdir):
        with pytest.raises(NotImplementedError, match="begins with one's name"):
            call("")
    with pytest.raises(NotImplementedError):
        fs.glob("*")


def test_find_tells_all_files(fs, root, names):
    assert fs.find(root) == names
    assert fs.find(f"{root}/d") == [name for name in names if name.startswith(f"{root}/d/")]
    assert fs.find(f"{root}/a.txt") == [f"{root}/a.txt"]
    assert list(fs.find(f"{root}/a.txt", detail=True).values()) == [fs.info(f"{root}/a.txt")]
    found = fs.find(root, detail=True)
    assert list(found) == names
    assert found == {name: fs.info(name, refresh=True) for name in names}


def test_find_with_directories(fs, root, names):
    directories = [
        f"{root}/{d}" for d in ("d", "d/e", "d/e/f", "empty", "heavy", "n", "odd", "same", "n//y")
    ]
    expected = sorted({root, *directories, *names})
    # What is an object and a directory too is the object.
    assert fs.find(root, withdirs=True) == expected
    found = fs.find(root, withdirs=True, detail=True)
    assert list(found) == expected
    assert {name for name, entry in found.items() if entry["type"] == "directory"} == {
        root,
        *directories,
    } - {f"{root}/same"}
    assert fs.find(f"{root}/empty", withdirs=True) == [f"{root}/empty"]


def test_find_with_a_depth_lists_level_by_level(fs, root, names):
    for depth in (1, 2, 3):
        expected = [name for name in names if "//" not in name and name.count("/") <= depth]
        found = fs.find(root, maxdepth=depth)
        assert [name for name in found if "//" not in name] == expected
    assert fs.find(f"{root}/d", maxdepth=1, withdirs=True) == [
        f"{root}/d",
        f"{root}/d/b.txt",
        f"{root}/d/e",
    ]
    assert fs.find(f"{root}/a.txt", maxdepth=1, detail=True) == {
        f"{root}/a.txt": fs.info(f"{root}/a.txt")
    }
    with pytest.raises(ValueError, match="at least 1"):
        fs.find(root, maxdepth=0)


def test_find_below_a_prefix(fs, root):
    assert fs.find(root, prefix="d") == sorted([*fs.find(f"{root}/d"), f"{root}/d.txt"])
    assert fs.find(root, prefix="d", maxdepth=1) == [f"{root}/d.txt"]


def test_find_costs_what_fast_list_costs(fs, root, server):
    count, _ = requests_of(server, lambda: fs.find(root))
    listed, _ = requests_of(server, lambda: fs.connector.list(root, "", True))
    assert count == listed


def test_glob_walk_and_du(fs, root, names):
    assert fs.glob(f"{root}/*.txt") == [f"{root}/a.txt", f"{root}/d.txt"]
    assert fs.glob(f"{root}/d/**/*.txt") == [
        f"{root}/d/b.txt",
        f"{root}/d/e/c.txt",
        f"{root}/d/e/f/g.txt",
    ]
    assert fs.glob(f"ossmc://{root}/[a-c].txt", detail=True) == {
        f"{root}/a.txt": fs.info(f"{root}/a.txt")
    }
    assert fs.glob(f"{root}/d/") == [f"{root}/d"]
    assert list(fs.walk(f"{root}/d")) == [
        (f"{root}/d", ["e"], ["b.txt"]),
        (f"{root}/d/e", ["f"], ["c.txt"]),
        (f"{root}/d/e/f", [], ["g.txt"]),
    ]
    assert fs.du(root) == sum(len(key.encode()) for key in [*FILES, *ODD])
    assert fs.du(f"{root}/d", total=False) == {
        name: fs.size(name) for name in names if name.startswith(f"{root}/d/")
    }
    assert fs.disk_usage(f"{root}/d", maxdepth=1) == 7


def test_listings_are_remembered(fs, root, server):
    fs.ls(f"{root}/d")
    assert requests_of(server, lambda: fs.ls(f"{root}/d")[0]["name"]) == (0, f"{root}/d/b.txt")
    assert requests_of(server, lambda: fs.info(f"{root}/d/b.txt")["size"]) == (0, 7)
    assert requests_of(server, lambda: fs.isdir(f"{root}/d/e")) == (0, True)
    assert requests_of(server, lambda: len(fs.ls(f"{root}/d", refresh=True))) == (1, 2)
    assert requests_of(server, lambda: fs.info(f"{root}/d/b.txt", refresh=True)["size"]) == (1, 7)
    fs.invalidate_cache()
    assert requests_of(server, lambda: len(fs.ls(f"{root}/d"))) == (1, 2)


def test_what_find_found_is_remembered_without_dicts(fs, root, server):
    assert f"{root}/d/e/c.txt" in fs.find(root)
    assert len(fs.dircache) == 0
    assert requests_of(server, lambda: fs.info(f"{root}/d/e/c.txt")["size"]) == (0, 9)
    assert requests_of(server, lambda: fs.sizes([f"{root}/a.txt", f"{root}/d.txt"])) == (0, [5, 5])
    fs.invalidate_cache(f"{root}/other")
    assert requests_of(server, lambda: fs.info(f"{root}/d/e/c.txt")["size"]) == (1, 9)


def test_a_new_object_is_seen_although_its_directory_was_listed(fs, bucket, root):
    fs.ls(f"{root}/d")
    fs.find(f"{root}/d")
    bucket.put("d/new.txt", b"new")
    try:
        assert fs.exists(f"{root}/d/new.txt")
        assert fs.size(f"{root}/d/new.txt") == 3
    finally:
        bucket.delete("d/new.txt")


def test_invalidate_cache_forgets_a_path_what_is_below_and_above(fs, root):
    for path in (root, f"{root}/d", f"{root}/d/e", f"{root}/odd"):
        fs.ls(path)
    fs.invalidate_cache(f"ossmc://{root}/d")
    assert set(fs.dircache) == {f"{root}/odd"}
    fs.invalidate_cache()
    assert set(fs.dircache) == set()


def test_listings_may_expire_or_not_be_kept(make_fs, root, server):
    for fs in (make_fs(use_listings_cache=False), make_fs(listings_expiry_time=0.0)):
        fs.ls(f"{root}/d")
        fs.find(f"{root}/d")
        time.sleep(0.001)
        assert requests_of(server, lambda fs=fs: len(fs.ls(f"{root}/d"))) == (1, 2)
        assert requests_of(server, lambda fs=fs: fs.info(f"{root}/d/b.txt")["size"]) == (1, 7)


def test_callers_may_change_what_they_are_given(fs, root):
    listed = fs.ls(f"{root}/d")
    listed.clear()
    assert len(fs.ls(f"{root}/d")) == 2


def test_ukey_and_checksum_change_with_the_object(fs, bucket, root):
    path = f"{root}/changing"
    bucket.put("changing", b"one")
    try:
        fs.find(root)
        first = fs.ukey(path), fs.checksum(path)
        assert first == (fs.ukey(path), fs.checksum(path))
        assert fs.info(path)["ETag"] == first[0]
        bucket.put("changing", b"two")
        assert fs.ukey(path) != first[0]
        assert fs.checksum(path) != first[1]
    finally:
        bucket.delete("changing")
    for call in (fs.ukey, fs.checksum, fs.modified, fs.created):
        with pytest.raises(IsADirectoryError):
            call(f"{root}/d")


def test_names_come_back_as_they_went_in(fs, root):
    for key in ODD:
        path = f"{root}/{key}"
        for form in (path, f"/{path}", f"oss://{path}", f"ossmc://{path}"):
            assert fs._strip_protocol(form) == path
            assert fs.info(form)["name"] == path
        assert fs.unstrip_protocol(path) == f"ossmc://{path}"
        assert fs.cat_file(path) == key.encode()
    assert fs._strip_protocol([f"oss://{root}/a", root]) == [f"{root}/a", root]


def test_a_directory_costs_one_more_request_than_a_file(fs, root, server):
    assert requests_of(server, lambda: fs.isfile(f"{root}/a.txt")) == (1, True)
    assert requests_of(server, lambda: fs.isdir(f"{root}/d")) == (2, True)
    assert requests_of(server, lambda: fs.exists(root)) == (1, True)


def test_a_missing_object_is_told_as_the_connector_tells_it(fs, root):
    with pytest.raises(ObjectNotFoundError, match="NoSuchKey"):
        fs.info(f"{root}/none")
