"""What writes is refused, with an error that callers of file systems know."""

from __future__ import annotations

import asyncio
import errno

import fsspec
import pytest

# As fsspec's callers write them.
WRITES = {
    "open": lambda fs, path, local: fs.open(path, "wb"),
    "open_text": lambda fs, path, local: fs.open(path, "w"),
    "open_append": lambda fs, path, local: fs.open(path, "ab"),
    "open_create": lambda fs, path, local: fs.open(path, "xb"),
    "open_update": lambda fs, path, local: fs.open(path, "r+b"),
    "write_text": lambda fs, path, local: fs.write_text(path, "x"),
    "write_bytes": lambda fs, path, local: fs.write_bytes(path, b"x"),
    "pipe": lambda fs, path, local: fs.pipe(path, b"x"),
    "pipe_many": lambda fs, path, local: fs.pipe({path: b"x"}),
    "pipe_file": lambda fs, path, local: fs.pipe_file(path, b"x"),
    "put": lambda fs, path, local: fs.put(local, path),
    "put_file": lambda fs, path, local: fs.put_file(local, path),
    "upload": lambda fs, path, local: fs.upload(local, path),
    "touch": lambda fs, path, local: fs.touch(path),
    "mkdir": lambda fs, path, local: fs.mkdir(path),
    "makedirs": lambda fs, path, local: fs.makedirs(path, exist_ok=True),
    "mkdirs": lambda fs, path, local: fs.mkdirs(path),
    "rmdir": lambda fs, path, local: fs.rmdir(path),
    "rm": lambda fs, path, local: fs.rm(path, recursive=True),
    "rm_file": lambda fs, path, local: fs.rm_file(path),
    "delete": lambda fs, path, local: fs.delete(path),
    "cp": lambda fs, path, local: fs.cp(path, path + "2"),
    "copy": lambda fs, path, local: fs.copy(path, path + "2"),
    "cp_file": lambda fs, path, local: fs.cp_file(path, path + "2"),
    "mv": lambda fs, path, local: fs.mv(path, path + "2"),
    "move": lambda fs, path, local: fs.move(path, path + "2"),
    "rename": lambda fs, path, local: fs.rename(path, path + "2"),
    "map": lambda fs, path, local: fs.get_mapper(path).__setitem__("x", b"x"),
}
COROUTINES = {
    "_pipe": lambda fs, path, local: fs._pipe(path, b"x"),
    "_pipe_file": lambda fs, path, local: fs._pipe_file(path, b"x"),
    "_put": lambda fs, path, local: fs._put(local, path),
    "_put_file": lambda fs, path, local: fs._put_file(local, path),
    "_mkdir": lambda fs, path, local: fs._mkdir(path),
    "_makedirs": lambda fs, path, local: fs._makedirs(path),
    "_rm": lambda fs, path, local: fs._rm(path),
    "_rm_file": lambda fs, path, local: fs._rm_file(path),
    "_cp_file": lambda fs, path, local: fs._cp_file(path, path + "2"),
    "_copy": lambda fs, path, local: fs._copy(path, path + "2"),
}


@pytest.fixture(scope="module")
def path(bucket):
    bucket.put("a", b"data")
    return f"{bucket.bucket}/a"


def check_refused(call, server, path):
    server.clear_log()
    with pytest.raises(OSError, match="reads only: write by") as caught:
        call()
    assert caught.value.errno == errno.EROFS
    assert path.partition("/")[0] in caught.value.filename
    assert {record.method for record in server.log()} <= {"HEAD", "GET"}


@pytest.mark.parametrize("name", WRITES)
def test_it_does_not_write(fs, server, path, tmp_path, name):
    local = tmp_path / "local"
    local.write_bytes(b"x")
    check_refused(lambda: WRITES[name](fs, path, str(local)), server, path)


@pytest.mark.parametrize("name", COROUTINES)
def test_nor_do_its_coroutines(fs, server, path, tmp_path, name):
    local = tmp_path / "local"
    local.write_bytes(b"x")
    call = COROUTINES[name]
    check_refused(lambda: asyncio.run(call(fs, path, str(local))), server, path)


def test_a_url_that_is_opened_for_writing(make_fs, server, path):
    def write():
        with fsspec.open(f"ossmc://{path}", "wb", **make_fs.options) as file:
            file.write(b"x")

    check_refused(write, server, path)


def test_what_is_not_offered_says_so(fs, path):
    with pytest.raises(NotImplementedError):
        fs.sign(path)
