"""Open files, ranges, whole objects."""

from __future__ import annotations

import gzip
import io
import random

import pytest
from fsspec.spec import AbstractBufferedFile
from ossmodelconnector import ObjectChangedError, ObjectNotFoundError, ObjectReader
from ossmodelconnector.fsspec import OssModelFile
from ossmodelconnector.local import LocalServer, Reply

KiB, MiB = 1 << 10, 1 << 20
DATA = random.Random(25).randbytes(300 * KiB + 7)


@pytest.fixture(scope="module")
def root(bucket):
    bucket.put("data.bin", DATA)
    bucket.put("data.parquet", DATA)
    bucket.put("empty", b"")
    bucket.put("text.txt", "lïne 1\nline 2\r\nline 3".encode())
    bucket.put("text.txt.gz", gzip.compress(b"packed"))
    for number in range(20):
        bucket.put(f"many/{number:02d}", str(number).encode() * number)
    return bucket.bucket


def methods_of(server, call):
    """Which requests a call costs: their methods, sorted; one that was sent twice is one."""
    server.clear_log()
    call()
    requests = {(record.method, record.key, record.range) for record in server.log()}
    return sorted(method for method, _, _ in requests)


# --- open files


def test_a_file_is_a_reader(fs, root):
    with fs.open(f"oss://{root}/data.bin") as file:
        assert isinstance(file, OssModelFile)
        assert isinstance(file, ObjectReader)
        assert isinstance(file, io.BufferedIOBase)
        assert file.read(10) == DATA[:10]
        assert file.loc == file.tell() == 10
        buffer = bytearray(100)
        assert file.readinto(buffer) == 100
        assert buffer == DATA[10:110]
        assert file.read_buffer(5) == DATA[110:115]
        assert file.seek(-5, 2) == len(DATA) - 5
        assert file.read_buffer() == DATA[-5:]
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_a_file_says_what_tools_ask(fs, root):
    with fs.open(f"{root}/data.bin") as file:
        assert file.fs is fs
        assert file.path == f"{root}/data.bin"
        assert file.full_name == f"ossmc://{root}/data.bin"
        assert file.name == f"oss://{root}/data.bin"
        assert (file.mode, file.size) == ("rb", len(DATA))
        assert file.details == file.info() == fs.info(file.path)
        assert file.blocksize == fs.blocksize
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
    with pytest.raises(TypeError, match="OssModelFile is not constructed"):
        OssModelFile()


@pytest.mark.parametrize(
    ("cache_type", "expected"),
    [
        (None, True),
        ("all", True),
        ("readahead", True),
        ("background", True),
        ("bytes", False),
        ("blockcache", False),
        ("first", False),
        ("mmap", False),
    ],
)
def test_a_cache_type_says_whether_the_file_is_fetched_ahead(
    fs, root, server, cache_type, expected
):
    server.clear_log()
    with fs.open(f"{root}/data.bin", cache_type=cache_type, block_size=5) as file:
        assert {record.method for record in server.log()} == {"GET" if expected else "HEAD"}
        assert file.read() == DATA


def test_prefetch_says_it_plainly(fs, root, server):
    assert "HEAD" not in methods_of(server, lambda: fs.open(f"{root}/data.parquet", prefetch=True))
    assert methods_of(server, lambda: fs.open(f"{root}/data.bin", prefetch=False)) == ["HEAD"]


def test_formats_with_an_index_are_not_fetched_ahead(fs, root, server):
    assert methods_of(server, lambda: fs.open(f"{root}/data.parquet")) == ["HEAD"]
    fs.find(root)
    assert methods_of(server, lambda: fs.open(f"{root}/data.parquet")) == []
    with fs.open(f"{root}/data.parquet") as file:
        file.seek(-8, 2)
        assert file.read() == DATA[-8:]
        assert file.details == fs.info(f"{root}/data.parquet")


def test_a_default_of_the_file_system_goes_for_all_files(make_fs, root, server):
    fs = make_fs(default_cache_type="bytes", default_block_size=123)
    assert methods_of(server, lambda: fs.open(f"{root}/data.bin")) == ["HEAD"]
    assert "HEAD" not in methods_of(server, lambda: fs.open(f"{root}/data.bin", cache_type="all"))
    with fs.open(f"{root}/data.bin") as file:
        assert file.blocksize == 123


def test_an_unknown_cache_type_is_refused_before_any_request(fs, root, server):
    server.clear_log()
    with pytest.raises(ValueError, match="'readahed' is none of all, background"):
        fs.open(f"{root}/data.bin", cache_type="readahed")
    assert server.log() == []


def test_a_file_without_a_cache_reads_what_is_asked_for(fs, root, server):
    with fs.open(f"{root}/data.bin", cache_type="none") as file:
        assert isinstance(file, AbstractBufferedFile)
        assert file.size == len(DATA)
        server.clear_log()
        file.seek(1000)
        assert file.read(10) == DATA[1000:1010]
        assert [record.range for record in server.log()] == ["bytes=1000-1009"]
        file.seek(-3, 2)
        assert file.read() == DATA[-3:]


def test_a_file_of_known_parts_reads_only_others(fs, root, server):
    parts = {(0, 100): DATA[:100], (500, 600): DATA[500:600]}
    with fs.open(
        f"{root}/data.bin",
        cache_type="parts",
        cache_options={"data": parts, "strict": False},
        size=len(DATA),
    ) as file:
        server.clear_log()
        assert file.read(100) == DATA[:100]
        file.seek(500)
        assert file.read(100) == DATA[500:600]
        assert server.log() == []


def test_a_file_without_a_cache_is_of_one_version(fs, bucket, root):
    bucket.put("changing", b"one" * 100)
    with fs.open(f"{root}/changing", cache_type="none") as file:
        assert file.read(3) == b"one"
        bucket.put("changing", b"two" * 100)
        with pytest.raises(ObjectChangedError):
            file.read(3)
    bucket.delete("changing")


def test_text_lines_and_compression(fs, root):
    with fs.open(f"{root}/text.txt", "r", encoding="utf-8") as lines:
        assert list(lines) == ["lïne 1\n", "line 2\n", "line 3"]
    assert fs.read_text(f"{root}/text.txt", encoding="utf-8").startswith("lïne")
    with fs.open(f"{root}/text.txt.gz", compression="infer") as file:
        assert file.read() == b"packed"
    assert fs.head(f"{root}/text.txt", 3) == "lï".encode()
    assert fs.tail(f"{root}/text.txt", 6) == b"line 3"
    assert fs.read_block(f"{root}/text.txt", 0, 10, b"\n") == "lïne 1\nline 2\r\n".encode()
    assert fs.read_bytes(f"{root}/text.txt", 0, 3) == "lï".encode()


def test_a_directory_or_a_bucket_is_not_opened(fs, root):
    with pytest.raises(FileNotFoundError):
        fs.open(f"{root}/many")
    with pytest.raises(IsADirectoryError, match="is a bucket"):
        fs.open(root)
    with pytest.raises(IsADirectoryError):
        fs.cat_file(root)


# --- slices


def slices():
    ends = (None, 0, 1, 10, len(DATA) - 1, len(DATA), len(DATA) + 5)
    numbers = [*ends, *(-number for number in ends if number)]
    return [(start, end) for start in numbers for end in numbers]


def test_slices_are_those_of_bytes(fs, root):
    wanted = slices()
    starts, ends = zip(*wanted)
    expected = [DATA[start:end] for start, end in wanted]
    got = fs.cat_ranges([f"{root}/data.bin"] * len(wanted), list(starts), list(ends))
    assert got == expected
    for start, end in random.Random(1).sample(wanted, 20):
        assert fs.cat_file(f"{root}/data.bin", start, end) == DATA[start:end], (start, end)
    assert fs.cat_file(f"{root}/empty", 0, 10) == b""
    assert fs.cat_file(f"{root}/empty", -3, None) == b""


def test_ranges_of_many_objects_are_asked_for_at_once(fs, root, server):
    paths = [f"{root}/many/{number:02d}" for number in range(1, 9)]
    fs.find(root)
    server.clear_log()
    server.local.on_request = lambda record: 0.5
    try:
        got = fs.cat_ranges(paths, 0, 2)
    finally:
        server.local.on_request = None
    assert got == [(str(n).encode() * n)[:2] for n in range(1, 9)]
    log = server.log()
    # The last had come before the first was answered.
    assert max(record.started for record in log) < min(record.finished for record in log)


def test_one_number_goes_for_all_paths(fs, root):
    paths = [f"oss://{root}/many/{number:02d}" for number in (3, 12)]
    assert fs.cat_ranges(paths, 1, None) == [b"33", b"12"[1:] + b"12" * 11]
    assert fs.cat_ranges(paths, [0, 1], 2, max_gap=5) == [b"33", b"2"]
    assert fs.cat_ranges([], [], []) == []
    with pytest.raises(ValueError, match="2 paths, but 1 starts"):
        fs.cat_ranges(paths, [0], 2)
    with pytest.raises(TypeError, match="a list of paths"):
        fs.cat_ranges(paths[0], 0, 1)


def test_bad_objects_stand_in_their_places(fs, root):
    chance = random.Random(3)
    missing = set(chance.sample(range(20), 5))
    paths = [f"{root}/{'none' if n in missing else 'many'}/{n:02d}" for n in range(20)]
    paths += [root, f"{root}/many/05"]
    results = fs.cat_ranges(paths, 0, 3)
    for number in range(20):
        if number in missing:
            assert isinstance(results[number], FileNotFoundError)
            assert f"none/{number:02d}" in str(results[number])
        else:
            assert results[number] == (str(number).encode() * number)[:3]
    assert isinstance(results[20], IsADirectoryError)
    assert results[21] == b"555"
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(paths[:20], 0, 3, on_error="raise")
    # Negative ones ask for sizes first, which fails likewise.
    results = fs.cat_ranges(paths[:20], -1, None)
    assert {n for n in range(20) if isinstance(results[n], FileNotFoundError)} == missing


def test_a_server_that_is_down_is_asked_once(make_fs):
    # A server of its own: what the failed call still had in flight would stand in the next test's
    # log.
    with LocalServer(buckets=["down"], anonymous=True) as down:
        down.on_request = lambda record: Reply(500, "InternalError")
        fs = make_fs(endpoint=down.endpoint, config={"retry.maxAttempts": 1})
        errors = fs.cat_ranges([f"down/{number:02d}" for number in range(20)], 0, 1)
        assert len({id(error) for error in errors}) == 1
        assert isinstance(errors[0], OSError)
        assert 1 <= len(down.requests) <= 20


def test_a_listing_saves_the_question_for_sizes(fs, root, server):
    paths = [f"{root}/many/{number:02d}" for number in range(1, 9)]
    assert methods_of(server, lambda: fs.cat_ranges(paths, 0, 1)) == ["GET"] * 8 + ["HEAD"] * 8
    fs.find(root)
    assert methods_of(server, lambda: fs.cat_ranges(paths, 0, 1)) == ["GET"] * 8


def test_a_listing_that_is_old_does_no_harm(fs, bucket, root):
    bucket.put("changing", b"old")
    for remember in (fs.find, fs.ls):
        bucket.put("changing", b"old")
        remember(root)
        bucket.put("changing", b"newer")
        assert fs.cat_ranges([f"{root}/changing", f"{root}/many/03"], 0, 9) == [b"newer", b"333"]
        assert fs.cat_file(f"{root}/changing") == b"newer"
        assert fs.size(f"{root}/changing") == 5
        fs.ls(root)
        bucket.delete("changing")
        assert isinstance(fs.cat_ranges([f"{root}/changing"], 0, 9)[0], ObjectNotFoundError)
        fs.invalidate_cache()


# --- whole objects


def test_cat_reads_one_or_many(fs, root):
    assert fs.cat(f"{root}/data.bin") == DATA
    expected = {f"{root}/many/{n:02d}": str(n).encode() * n for n in range(20)}
    assert fs.cat(list(expected)) == expected
    assert fs.cat(f"oss://{root}/many", recursive=True) == expected
    assert fs.cat(f"{root}/many/*") == expected
    assert fs.cat(f"{root}/many/03*") == {f"{root}/many/03": b"333"}
    assert fs.cat([f"{root}/empty"]) == {f"{root}/empty": b""}


def test_a_small_object_costs_one_request(fs, root, server):
    assert methods_of(server, lambda: fs.cat_file(f"{root}/text.txt")) == ["GET"]
    paths = [f"{root}/many/{number:02d}" for number in range(1, 9)]
    assert methods_of(server, lambda: fs.cat(paths)) == ["GET"] * 8


def test_cat_of_many_with_some_that_are_missing(fs, root):
    paths = [f"{root}/many/01", f"{root}/none", f"{root}/many/02"]
    with pytest.raises(FileNotFoundError):
        fs.cat(paths)
    assert fs.cat(paths, on_error="omit") == {f"{root}/many/01": b"1", f"{root}/many/02": b"22"}
    returned = fs.cat(paths, on_error="return")
    assert list(returned) == sorted(paths)
    assert isinstance(returned[f"{root}/none"], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat(f"{root}/none")
    with pytest.raises(FileNotFoundError):
        fs.cat(f"{root}/none", recursive=True)


def test_sizes_are_asked_for_at_once(fs, root, server):
    paths = [f"{root}/many/02", f"{root}/empty", f"{root}/data.bin", f"{root}/many/02"]
    assert fs.sizes(paths) == [2, 0, len(DATA), 2]
    assert set(methods_of(server, lambda: fs.sizes(paths))) == {"HEAD"}
    assert fs.sizes([]) == []
