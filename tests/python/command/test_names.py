"""Keys that no file can have, and what is in the way: nothing outside, nothing lost."""

from __future__ import annotations

import os
import shlex
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ossmodelconnector import ObjectInfo
from ossmodelconnector.command._exits import CommandError
from ossmodelconnector.command._local_files import Folder, Unfinished
from ossmodelconnector.command._pull_plan import Item, check_case, plan

TIME = datetime(2026, 1, 1, tzinfo=timezone.utc)
MiB = 1 << 20


def gets(server) -> list[str]:
    return [one.key for one in server.log() if one.method == "GET" and one.key]


def everything(folder: Path) -> dict[str, bytes | str]:
    """Files, and where links lead to."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def fill(new_bucket, request):
    """fill({key: data}): a bucket of the test's own."""

    def make(objects):
        name = "".join(char if char.isalnum() else "-" for char in request.node.name.lower())
        store = new_bucket(f"n-{name[:50].strip('-')}-x")
        for key, data in objects.items():
            store.put(key, data)
        return store

    return make


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("p/../../outside", "lead out of the folder"),
        ("p/..", "lead out of the folder"),
        ("p/a/../b", "lead out of the folder or to another"),
        ("p/./a", "lead out of the folder or to another"),
        ("p//etc/passwd", "begins with a slash"),
        ("p/a//b", "two slashes in a row"),
        ("p/a//", "ends in a slash and it has 1 bytes"),
        ("p/a\0b", "a zero byte"),
        ("p/" + "n" * 256, "256 bytes, and 255 are possible"),
        ("p/" + "ä" * 128, "256 bytes, and 255 are possible"),
        ("p/.ossmc-0123456789abcdef-0123456789abcdef.part", "unfinished files"),
    ],
)
def test_a_key_that_no_file_can_have(ossmc, fill, server, tmp_path, key, words):
    store = fill({key: b"x", "p/good": b"good"})
    inside = tmp_path / "in"
    server.clear_log()
    ran = ossmc("pull", store.uri("p/"), inside)
    assert ran.code == 1
    assert words in ran.err
    assert gets(server) == []
    assert everything(tmp_path) == {}
    error = ossmc("pull", store.uri("p/"), inside, "--format", "json").error
    assert error["thing"] == store.uri(key)
    assert key in error["message"]
    # What it says to type brings the others.
    words = shlex.split(error["next"].partition(", and:")[0])
    assert ossmc("pull", store.uri("p/"), inside, *words[words.index("--exclude") :]).code == 0
    assert everything(tmp_path) == {"in/good": b"good"}


def test_an_absolute_key_which_stores_but_oss_may_have():
    with pytest.raises(CommandError, match="oss://bucket//etc/passwd: its name begins with a sl"):
        items("/etc/passwd")


def test_a_path_that_is_too_long(ossmc, fill, tmp_path):
    folder = tmp_path
    while len(str(folder)) < 3200:
        folder = folder / ("d" * 200)
    folder.mkdir(parents=True)
    key = "/".join(["k" * 200] * 5)
    store = fill({key: b"x"})
    ran = ossmc("pull", store.uri(""), folder)
    assert ran.code == 1
    assert "bytes, and 4095 are possible" in ran.err
    assert store.uri(key) in ran.err


def test_a_name_of_255_bytes_is_none_too_many(ossmc, fill, tmp_path):
    store = fill({"n" * 255: b"x", "ä" * 127: b"y"})
    assert ossmc("pull", store.uri(""), tmp_path).code == 0
    assert everything(tmp_path) == {"n" * 255: b"x", "ä" * 127: b"y"}


def test_a_key_that_is_a_file_and_a_folder(ossmc, fill, tmp_path):
    store = fill({"a": b"file", "a/b": b"below", "c": b"c"})
    ran = ossmc("pull", store.uri(""), tmp_path)
    assert ran.code == 1
    assert f"{store.uri('a')}: {store.uri('a/b')} lies below it" in ran.err
    assert "--exclude a" in ran.err
    assert everything(tmp_path) == {}
    assert ossmc("pull", store.uri(""), tmp_path, "--exclude", "a").code == 0
    assert everything(tmp_path) == {"a/b": b"below", "c": b"c"}


def test_a_file_and_the_marker_of_a_folder_of_its_name(ossmc, fill, tmp_path):
    store = fill({"a": b"file", "a/": b""})
    ran = ossmc("pull", store.uri(""), tmp_path)
    assert ran.code == 1
    assert "a folder marker lies below it" in ran.err


def test_a_marker_with_bytes_in_it(ossmc, fill, tmp_path):
    store = fill({"a/": b"bytes"})
    ran = ossmc("pull", store.uri(""), tmp_path)
    assert ran.code == 1
    assert "ends in a slash and it has 5 bytes" in ran.err


def test_odd_names_that_files_can_have(ossmc, fill, tmp_path):
    names = ["a b", "-rf", "ä", "a\nb", "a*[?]", "..a", "~", "日本/語", " ", "$(x)", "%2e%2e"]
    store = fill({name: name.encode() for name in names})
    assert ossmc("pull", store.uri(""), tmp_path).code == 0
    assert everything(tmp_path) == {name: name.encode() for name in names}


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_in_any_locale(run_ossmc, fill, tmp_path, locale):
    store = fill({"ä/日本": b"1"})
    ran = run_ossmc("pull", store.uri(""), tmp_path, env={"LANG": locale, "LC_ALL": locale})
    assert (ran.code, ran.err) == (0, "")
    assert [os.fsencode(path) for path in everything(tmp_path)] == ["ä/日本".encode()]


# --- twins ---


def test_twins_by_case_are_two_files(ossmc, fill, tmp_path):
    store = fill({"A": b"1", "a": b"2", "Ä/x": b"3", "ä/x": b"4"})
    assert ossmc("pull", store.uri(""), tmp_path).code == 0
    assert everything(tmp_path) == {"A": b"1", "a": b"2", "Ä/x": b"3", "ä/x": b"4"}


def items(*keys: str) -> list[Item]:
    infos = [ObjectInfo("bucket", key, 1, "E" * 32, TIME, "Standard") for key in keys]
    return plan([(info.key, info) for info in infos], b"/to", 255).items


def test_twins_where_case_says_nothing_are_refused():
    with pytest.raises(CommandError, match=r"oss://bucket/a/B: .*one file with oss://bucket/A/b"):
        check_case(items("A/b", "a/B", "c"))
    check_case(items("a", "b"))


def test_whether_case_says_nothing_is_looked_at(tmp_path):
    with Folder(str(tmp_path)) as folder:
        (tmp_path / "x").touch()
        assert folder.ignores_case() == (tmp_path / "X").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


# --- what is in the way ---


def test_a_link_to_a_folder_outside(ossmc, fill, server, tmp_path):
    store = fill({"sub/evil": b"x", "good": b"g"})
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "sub").symlink_to(outside)
    server.clear_log()
    ran = ossmc("pull", store.uri(""), inside)
    assert ran.code == 1
    assert f"{inside / 'sub'} is a symbolic link" in ran.err
    assert gets(server) == []
    assert everything(tmp_path) == {"in/sub": str(outside)}


@pytest.mark.parametrize("is_there", [False, True])
def test_a_link_in_the_place_of_a_file(ossmc, fill, tmp_path, is_there):
    store = fill({"file": b"x"})
    inside = tmp_path / "in"
    inside.mkdir()
    if is_there:
        (tmp_path / "precious").write_bytes(b"x")
    (inside / "file").symlink_to(tmp_path / "precious")
    before = everything(tmp_path)
    ran = ossmc("pull", store.uri(""), inside)
    assert ran.code == 1
    assert f"{inside / 'file'} is a symbolic link" in ran.err
    assert everything(tmp_path) == before


def test_a_link_that_is_planted_after_the_look(fill, tmp_path, make_connector):
    store = fill({"sub/file": b"x" * 10})
    (info,) = make_connector().list(store.bucket)
    outside = tmp_path / "out"
    outside.mkdir()
    with Folder(str(tmp_path / "in")) as folder:
        assert folder.size_of((b"sub", b"file")) is None
        (tmp_path / "in" / "sub").symlink_to(outside)
        with pytest.raises(CommandError, match="is a symbolic link"):
            Unfinished(folder, (b"sub", b"file"), Item(info, (b"sub", b"file")).version)
    assert everything(outside) == {}


def test_links_and_second_names_of_unfinished_files_are_not_written_to(fill, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    parts, version = (b"file",), "version"
    with Folder(str(tmp_path / "in")) as folder:
        with Unfinished(folder, parts, version) as file:
            file.write(b"1")
        (name,) = (tmp_path / "in").iterdir()
        for plant in (name.symlink_to, lambda target: os.link(target, name)):
            name.unlink()
            plant(precious)
            with Unfinished(folder, parts, version) as file:
                assert file.size == 0
                file.write(b"2")
            assert precious.read_bytes() == b"precious"
            assert name.read_bytes() == b"2"


def test_the_folder_itself_may_be_a_link(ossmc, fill, tmp_path):
    store = fill({"a": b"1"})
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert ossmc("pull", store.uri(""), tmp_path / "link").code == 0
    assert (tmp_path / "real" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_left_alone(ossmc, fill, tmp_path, kind):
    store = fill({"a": b"1"})
    (os.mkdir if kind == "folder" else os.mkfifo)(tmp_path / "a")
    ran = ossmc("pull", store.uri(""), tmp_path)
    assert ran.code == 1
    assert f"{tmp_path / 'a'} is " in ran.err
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "a").is_file()


def test_a_file_in_the_place_of_a_folder(ossmc, fill, tmp_path):
    store = fill({"a/b": b"1"})
    (tmp_path / "a").write_bytes(b"mine")
    ran = ossmc("pull", store.uri(""), tmp_path)
    assert ran.code == 1
    assert f"{tmp_path / 'a'} is a file, not a folder" in ran.err
    assert everything(tmp_path) == {"a": b"mine"}


def test_the_target_is_a_file(ossmc, fill, tmp_path):
    store = fill({"a": b"1"})
    (tmp_path / "file").write_bytes(b"mine")
    ran = ossmc("pull", store.uri(""), tmp_path / "file")
    assert ran.code == 2
    assert "is a file" in ran.err


def test_a_folder_that_may_not_be_written_to(ossmc, fill, tmp_path):
    store = fill({"a": b"1"})
    ran = ossmc("pull", store.uri(""), "/proc/nowhere")
    assert ran.code == 1
    assert "/proc/nowhere" in ran.err
