"""`pull`: files as they are in the store, and no more fetched than is missing."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ossmodelconnector.command._local_files import Folder, Unfinished
from ossmodelconnector.command._pull_plan import Item
from ossmodelconnector.local import LocalServer, RequestRecord
from support.tries import HANG_SECONDS, wait_until

from ..conftest import LONG_TERM, STS, Served, Store
from .conftest import COMMAND

MiB = 1 << 20
FILES = {
    "model/config.json": b"{}",
    "model/weights-1.bin": random.Random(1).randbytes(3 * MiB + 7),
    "model/weights-2.bin": random.Random(2).randbytes(2 * MiB),
    "model/sub/vocabulary.txt": b"a\nb\n",
    "model/sub/empty": b"",
}


@pytest.fixture(scope="module")
def store(bucket):
    for key, data in FILES.items():
        bucket.put(key, data)
    bucket.put("model/made/", b"")
    bucket.put("modelling", b"another")
    return bucket


def files_in(folder: Path) -> dict[str, bytes]:
    """All that is in it."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


EXPECTED = {key[len("model/") :]: data for key, data in FILES.items()}


def gets(server) -> list[str]:
    return [one.key for one in server.log() if one.method == "GET" and one.key]


def test_a_folder(ossmc, store, tmp_path):
    ran = ossmc("pull", store.uri("model/"), tmp_path / "to")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"5 files, 5.0 MiB in {tmp_path / 'to'}\nfetched 5.0 MiB in ")
    assert files_in(tmp_path / "to") == EXPECTED
    assert (tmp_path / "to" / "made").is_dir()


def test_a_folder_without_its_slash_and_an_object(ossmc, store, tmp_path, monkeypatch):
    assert ossmc("pull", store.uri("model"), tmp_path / "to").code == 0
    assert files_in(tmp_path / "to") == EXPECTED
    monkeypatch.chdir(tmp_path)
    assert ossmc("pull", store.uri("model/sub/vocabulary.txt")).code == 0
    assert (tmp_path / "vocabulary.txt").read_bytes() == b"a\nb\n"


def test_what_is_there_is_not_fetched_again(ossmc, store, server, tmp_path):
    assert ossmc("pull", store.uri("model/"), tmp_path).code == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    server.clear_log()
    ran = ossmc("pull", store.uri("model/"), tmp_path)
    assert ran.out == f"5 files, 5.0 MiB in {tmp_path}, 5 of them were there\n"
    assert gets(server) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_file_of_the_same_size_with_other_bytes_is_fetched(ossmc, store, server, tmp_path):
    assert ossmc("pull", store.uri("model/"), tmp_path).code == 0
    wrong = bytearray(EXPECTED["weights-1.bin"])
    wrong[77] ^= 1
    (tmp_path / "weights-1.bin").write_bytes(wrong)
    (tmp_path / "config.json").write_bytes(b"[]")
    server.clear_log()
    assert ossmc("pull", store.uri("model/"), tmp_path).code == 0
    assert set(gets(server)) == {"model/weights-1.bin", "model/config.json"}
    assert files_in(tmp_path) == EXPECTED


def test_include_and_exclude(ossmc, store, tmp_path):
    words = ("pull", store.uri("model/"), tmp_path)
    assert ossmc(*words, "--include", "*.json", "--include", "sub/").code == 0
    assert set(files_in(tmp_path)) == {"config.json", "sub/vocabulary.txt", "sub/empty"}
    assert ossmc(*words, "--exclude", "*-2.bin", "--exclude", "sub/*").code == 0
    assert "weights-2.bin" not in files_in(tmp_path)
    ran = ossmc(*words, "--include", "*.gguf")
    assert ran.code == 3
    assert f"next: ossmc ls -r {store.uri('model/')}" in ran.err


def test_json_and_quiet(ossmc, store, tmp_path):
    ran = ossmc("pull", store.uri("model/"), tmp_path, "--format", "json")
    document = ran.document
    assert (document["bytes"], document["bytes_fetched"]) == (5 * MiB + 13, 5 * MiB + 13)
    by_path = {one["path"]: one for one in document["files"]}
    assert by_path[str(tmp_path / "weights-1.bin")] == {
        "uri": store.uri("model/weights-1.bin"),
        "path": str(tmp_path / "weights-1.bin"),
        "size": 3 * MiB + 7,
        "state": "fetched",
        "verified": "crc64",
        "bytes_fetched": 3 * MiB + 7,
    }
    ran = ossmc("pull", store.uri("model/"), tmp_path, "--format", "quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_nothing_there(ossmc, store, tmp_path):
    ran = ossmc("pull", store.uri("nothing/"), tmp_path / "to")
    assert ran.code == 3
    assert not (tmp_path / "to").exists()
    assert ossmc("pull", store.uri("nothing"), tmp_path / "to").code == 3


def test_bytes_that_are_wrong_in_the_store_leave_no_file(ossmc, new_bucket, server, tmp_path):
    wrong = new_bucket("pull-wrong")
    server.local.put_object(wrong.bucket, "large", b"l" * (2 * MiB), crc64=5)
    server.local.put_object(wrong.bucket, "small", b"s", crc64=6)
    for key in ("large", "small"):
        ran = ossmc("pull", wrong.uri(key), tmp_path)
        assert ran.code == 5
        assert wrong.uri(key) in ran.err
        assert files_in(tmp_path) == {}


@pytest.mark.parametrize("size", [2 * MiB, 5])
def test_a_store_that_tells_no_crc64(ossmc, new_bucket, server, tmp_path, size):
    plain = new_bucket(f"pull-plain-{size}")
    server.local.put_object(plain.bucket, "key", b"l" * size, crc64=False)
    ran = ossmc("pull", plain.uri("key"), tmp_path)
    assert ran.code == 0
    assert "by length alone, not by CRC-64, which the store does not tell: 1 file" in ran.out
    ran = ossmc("pull", plain.uri("key"), tmp_path, "--format", "json")
    assert ran.document["files"][0]["state"] == "fetched"  # nothing says that it is right
    assert ran.document["files"][0]["verified"] == "length+etag"


# --- what an earlier run left ---


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if re.fullmatch(r"\.ossmc-.*\.part", path.name)]


@pytest.fixture
def left(make_connector, store, tmp_path) -> Path:
    """What a run left of weights-1.bin: its first 2 MiB."""
    info = make_connector().stat(store.uri("model/weights-1.bin"))
    item = Item(info, (b"weights-1.bin",))
    with Folder(str(tmp_path)) as folder, Unfinished(folder, item.parts, item.version) as file:
        file.write(EXPECTED["weights-1.bin"][: 2 * MiB])
    (found,) = unfinished(tmp_path)
    return found


def test_it_goes_on_where_it_was(ossmc, store, server, tmp_path, left):
    server.clear_log()
    ran = ossmc("pull", store.uri("model/weights-1.bin"), tmp_path, "--format", "json")
    assert ran.document["files"][0]["state"] == "resumed"
    assert ran.document["bytes_fetched"] == MiB + 7
    assert files_in(tmp_path) == {"weights-1.bin": EXPECTED["weights-1.bin"]}
    assert sum(one.bytes_sent for one in server.log() if one.method == "GET") == MiB + 7


def test_what_is_left_is_not_trusted(ossmc, store, tmp_path, left):
    left.write_bytes(b"x" + left.read_bytes()[1:])
    assert ossmc("pull", store.uri("model/weights-1.bin"), tmp_path).code == 0
    assert files_in(tmp_path) == {"weights-1.bin": EXPECTED["weights-1.bin"]}


@pytest.mark.parametrize("size", [3 * MiB + 7, 3 * MiB + 8, 1])
def test_whatever_the_size_of_what_is_left(ossmc, store, tmp_path, left, size):
    data = EXPECTED["weights-1.bin"] + b"more"
    left.write_bytes(data[:size])
    assert ossmc("pull", store.uri("model/weights-1.bin"), tmp_path).code == 0
    assert files_in(tmp_path) == {"weights-1.bin": EXPECTED["weights-1.bin"]}


def test_what_is_left_of_another_version_goes(ossmc, new_bucket, tmp_path, left, store):
    changed = store.served.local
    try:
        changed.put_object(store.bucket, "model/weights-1.bin", b"n" * (2 * MiB))
        assert ossmc("pull", store.uri("model/weights-1.bin"), tmp_path).code == 0
        assert files_in(tmp_path) == {"weights-1.bin": b"n" * (2 * MiB)}
    finally:
        store.put("model/weights-1.bin", FILES["model/weights-1.bin"])


def test_two_runs_at_once_do_not_mix(environment, store, tmp_path, left):
    import fcntl

    with left.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(
            [*COMMAND, "pull", store.uri("model/weights-1.bin"), str(tmp_path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
    assert done.returncode == 1
    assert "another process is writing" in done.stderr
    assert left.read_bytes() == EXPECTED["weights-1.bin"][: 2 * MiB]


# --- a run that ends in the middle ---


class Slow(Served):
    """A server of its own, whose connections are slow."""


@pytest.fixture(scope="module")
def slow() -> Iterator[Store]:
    """8 objects of 1.5 MiB and 12 small ones, by connections of 1 MB/s."""
    with LocalServer(credentials=(LONG_TERM, STS), rate_per_connection=1_000_000) as local:
        store = Store(Slow(local), "slow")
        for number in range(8):
            store.put(f"p/large-{number}", random.Random(number).randbytes(3 * MiB // 2))
        for number in range(12):
            store.put(f"p/small-{number:02d}", random.Random(-number).randbytes(20_000))
        yield store


def of_slow(environment, slow) -> dict[str, str]:
    return {**environment, "OSS_ENDPOINT": slow.served.endpoint}


def on_disk(folder: Path) -> int:
    # Names come and go while they are looked at.
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:
            return on_disk(folder)
    return sum(sizes)


def begun_in(folder: Path, store: Store) -> dict[str, int]:
    """How much there is of large objects that are not complete, by key."""
    by_name = {hashlib.sha256(key[2:].encode()).hexdigest()[:16]: key for key in store.keys("p/l")}
    found = {by_name.get(path.name[7:23]): path.stat().st_size for path in unfinished(folder)}
    found.pop(None, None)
    return found


def killed_at(mark: int, words: list[str], environ: dict[str, str], folder: Path) -> None:
    with subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_until(lambda: on_disk(folder) >= mark or process.poll() is not None, 60)
        process.send_signal(signal.SIGKILL)
        process.wait()


def first_byte(record: RequestRecord) -> int:
    return int(re.match(r"bytes=(\d+)-", record.range or "bytes=0-")[1])


@pytest.mark.timeout(600)
def test_killed_at_20_moments_it_fetches_what_is_missing(
    environment, slow, tmp_path, tmp_path_factory
):
    environ = of_slow(environment, slow)
    total = sum(len(slow[key]) for key in slow.keys("p/"))
    # In small pieces, so that many moments are in the middle of a file.
    config = tmp_path_factory.mktemp("config") / "config.json"
    config.write_text('{"prefetch": {"vcpus": 1, "workers": 4, "chunkBytes": "128 KiB"}}')
    words = [*COMMAND, "pull", slow.uri("p/"), str(tmp_path), "--config", str(config)]
    chance = random.Random(28)
    resumed = 0
    for mark in sorted(chance.randrange(total) for _ in range(20)):
        complete = {f"p/{name}" for name in files_in(tmp_path) if not name.startswith(".ossmc-")}
        begun = begun_in(tmp_path, slow)
        slow.served.clear_log()
        killed_at(mark, words, environ, tmp_path)
        asked = [one for one in slow.served.log() if one.method == "GET" and one.key]
        # Nothing of what was complete, and of what was begun nothing that was there.
        assert {one.key for one in asked} & complete == set()
        for key, size in begun.items():
            assert [one.range for one in asked if one.key == key and first_byte(one) < size] == []
        resumed += any(begun.values())
        # What has its name is right, at any moment.
        for name, data in files_in(tmp_path).items():
            assert name.startswith(".ossmc-") or data == slow[f"p/{name}"]
    assert resumed > 0
    done = subprocess.run(words, env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert files_in(tmp_path) == {key[len("p/") :]: slow[key] for key in slow.keys("p/")}


def test_ctrl_c_is_clean_and_what_came_stays(environment, slow, tmp_path):
    words = [*COMMAND, "pull", slow.uri("p/"), str(tmp_path)]
    process = subprocess.Popen(
        words,
        env=of_slow(environment, slow),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: on_disk(tmp_path) > 2 * MiB)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130
    assert out == ""
    assert err.endswith(
        "error: stopped by Ctrl-C\nnext: run the same command again: it goes on where it was\n"
    )
    assert "Traceback" not in err
    assert len(files_in(tmp_path)) > 12


def test_an_object_that_changes_meanwhile(ossmc, new_bucket, server, tmp_path):
    changing = new_bucket("changing")
    changing.put("a", b"a" * (2 * MiB))

    def change(record):
        if record.method == "GET" and record.key == "a":
            server.local.on_request = None
            changing.put("a", b"n" * (2 * MiB))

    server.local.on_request = change
    ran = ossmc("pull", changing.uri("a"), tmp_path)
    server.local.on_request = None
    assert ran.code == 1
    assert changing.uri("a") in ran.err
    assert files_in(tmp_path) == {}
    assert ossmc("pull", changing.uri("a"), tmp_path).code == 0
    assert files_in(tmp_path) == {"a": b"n" * (2 * MiB)}


# --- a disk that is full ---


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=50", "none", str(folder)]
    if subprocess.run(options, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_too_small_is_told_before_the_first_byte(ossmc, store, server, small_disk):
    server.clear_log()
    ran = ossmc("pull", store.uri("model/"), small_disk / "to")
    assert ran.code == 1
    assert re.search(r"no space in .*/to: 4\.0 MiB are free, and 5\.0 MiB are needed", ran.err)
    assert f"next: df -h {small_disk}" in ran.err
    assert gets(server) == []
    assert files_in(small_disk) == {}


def test_a_disk_that_takes_too_few_files(ossmc, new_bucket, small_disk):
    many = new_bucket("many-files")
    for number in range(60):
        many.put(f"{number}", b"")
    ran = ossmc("pull", many.uri(""), small_disk / "to")
    assert ran.code == 1
    assert "more files, and 60 are needed" in ran.err
    assert files_in(small_disk) == {}


def test_a_disk_that_fills_up_meanwhile_keeps_no_half_file(ossmc, store, server, small_disk):
    filled = threading.Event()

    def fill(record):
        if record.method == "GET" and record.key == "model/weights-1.bin" and not filled.is_set():
            filled.set()
            (small_disk / "others").write_bytes(b"x" * (2 * MiB))

    server.local.on_request = fill
    try:
        ran = ossmc("pull", store.uri("model/weights-1.bin"), small_disk / "to")
    finally:
        server.local.on_request = None
    assert ran.code == 1
    assert f"no space left in {small_disk / 'to'}" in ran.err
    assert "weights-1.bin could not be written" in ran.err
    assert list((small_disk / "to").iterdir()) == []
    (small_disk / "others").unlink()
    assert ossmc("pull", store.uri("model/weights-1.bin"), small_disk / "to").code == 0


# --- how far it is ---


@pytest.fixture
def long_pull(environment, slow, tmp_path):
    """The words, and the environment, of one that takes some seconds."""
    slow.put("long", random.Random(9).randbytes(4 * MiB))
    config = tmp_path / "config.json"
    settings = {"prefetch.vcpus": 1, "prefetch.workers": 1, "prefetch.chunkBytes": "256 KiB"}
    config.write_text(json.dumps(settings))
    words = [*COMMAND, "pull", slow.uri("long"), str(tmp_path), "--config", str(config)]
    return words, of_slow(environment, slow)


def test_progress_lines_without_a_terminal(long_pull):
    words, environ = long_pull
    done = subprocess.run(
        words, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    pattern = r"pull +\d+0 %  \d+\.\d [KM]iB of 4\.0 MiB  \d+\.\d [KM]iB/s  \d+:\d\d left"
    assert 3 <= len(lines) <= 10
    assert all(re.fullmatch(pattern, line) for line in lines), lines
    assert lines[-1].startswith("pull 100 %")


@pytest.mark.parametrize("way", ["switch", "variable", "json"])
def test_progress_is_silenced(long_pull, way):
    words, environ = long_pull
    words += {"switch": ["--no-progress"], "json": ["--format", "json"]}.get(way, [])
    if way == "variable":
        environ["OSSMC_NO_PROGRESS"] = "1"
    done = subprocess.run(
        words, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
