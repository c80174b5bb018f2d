"""Which folders and files are used, which are refused, and what is said of them."""

from __future__ import annotations

import fcntl
import gc
import os
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest
from ossmodelconnector.safetensors import open_model
from support.copy_users import model_files
from support.run_program import PROGRAMS

MiB = 1 << 20
STRANGER = 12345

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts and gives files away")


@contextmanager
def mounted(where, options):
    where.mkdir()
    run = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)], check=False, timeout=30
    )
    if run.returncode != 0:
        pytest.skip("mounts are not allowed here")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True, timeout=30)


def open_copy(model, connector, top, **arguments):
    return open_model(model, "np", connector=connector, node_copy=top, **arguments)


def requests(server):
    return [(one.method, one.key) for one in server.log()]


@pytest.mark.parametrize(
    ("node_copy", "keep", "error", "text"),
    [
        (1, False, TypeError, "node_copy must be True, or the path of a folder, not int"),
        (b"/dev/shm", False, TypeError, "not bytes"),
        (["/dev/shm"], False, TypeError, "not list"),
        ("", False, ValueError, "a folder of this machine, not ''"),
        ("a\0b", False, ValueError, "a folder of this machine"),
        ("oss://bucket/copies/", False, ValueError, "a folder of this machine"),
        (True, 1, TypeError, "keep must be bool, not int"),
        (False, "yes", TypeError, "keep must be bool, not str"),
        (False, True, ValueError, "give node_copy=True, or a folder"),
        (None, True, ValueError, "give node_copy=True, or a folder"),
    ],
)
def test_arguments_that_do_not_hold_cost_no_request(
    model, connector, server, node_copy, keep, error, text
):
    server.clear_log()
    with pytest.raises(error, match=text):
        open_copy(model, connector, node_copy, keep=keep)
    assert requests(server) == []


def test_folder_that_is_not_there_costs_no_request_and_is_not_made(
    model, connector, server, tmp_path
):
    server.clear_log()
    with pytest.raises(FileNotFoundError, match="make the folder, or give another one") as raised:
        open_copy(model, connector, tmp_path / "none")
    assert raised.value.filename == str(tmp_path / "none")
    assert requests(server) == []
    assert not (tmp_path / "none").exists()


def test_file_in_place_of_a_folder_costs_no_request(model, connector, server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    server.clear_log()
    with pytest.raises(NotADirectoryError, match="give node_copy a folder"):
        open_copy(model, connector, tmp_path / "file")
    assert requests(server) == []


@needs_root
def test_folder_that_is_read_only_costs_no_request(model, connector, server, tmp_path):
    with mounted(tmp_path / "mount", "size=16m,mode=0755") as top:
        with open_copy(model, connector, top):
            pass
        subprocess.run(["mount", "-o", "remount,ro", str(top)], check=True, timeout=30)
        server.clear_log()
        with pytest.raises(OSError, match="a folder of your own that can be written") as raised:
            open_copy(model, connector, top)
        assert raised.value.filename == str(top)
        assert requests(server) == []


@needs_root
def test_folder_that_the_user_may_not_write_costs_no_request(tmp_path, model, server):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    server.clear_log()
    text = run_as_stranger(f"""
        from ossmodelconnector._node_copy import open_folder
        try:
            open_folder({str(closed)!r}, False)
        except PermissionError as error:
            print(error)
    """)
    assert "a folder of your own that can be written" in text
    assert requests(server) == []


def run_as_stranger(program):
    """In a forked child, since the stranger may not read the package's files."""
    import io
    import textwrap
    from contextlib import redirect_stdout

    from support.forked_child import in_child

    def work():
        os.setgroups([])
        os.setgid(STRANGER)
        os.setuid(STRANGER)
        with redirect_stdout(io.StringIO()) as said:
            exec(textwrap.dedent(program), {})
        return said.getvalue()

    return in_child(work)


def test_files_and_their_folder_are_for_the_user_alone(model, connector, copies):
    before = os.umask(0)
    try:
        with open_copy(model, connector, copies.top):
            assert stat.S_IMODE(copies.folder.stat().st_mode) == 0o700
            modes = {stat.S_IMODE(path.stat().st_mode) for path in copies.folder.iterdir()}
            assert modes == {0o600}
    finally:
        os.umask(before)


def test_relative_path_is_where_the_process_is(model, connector, copies, monkeypatch):
    monkeypatch.chdir(copies.top.parent)
    with open_copy(model, connector, copies.top.name) as opened:
        monkeypatch.chdir("/")
        assert opened.node_copy.path == copies.folder
        assert len(opened.get_tensors()) == 10


def test_link_that_the_user_names_is_followed(model, connector, copies):
    link = copies.top.parent / "link"
    link.symlink_to(copies.top)
    with open_copy(model, connector, link):
        assert len(copies.names()) == 2


def test_link_in_place_of_our_folder_is_refused(model, connector, copies, server, tmp_path):
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    copies.folder.symlink_to(other)
    server.clear_log()
    with pytest.raises(PermissionError, match="a symbolic link, and is not used: remove it"):
        open_copy(model, connector, copies.top)
    assert list(other.iterdir()) == []
    assert requests(server) == []


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o500])
def test_folder_of_ours_that_others_may_use_or_we_may_not_is_refused(
    model, connector, copies, server, mode
):
    copies.folder.mkdir()
    copies.folder.chmod(mode)
    server.clear_log()
    with pytest.raises(PermissionError, match="is not used: remove it"):
        open_copy(model, connector, copies.top)
    assert requests(server) == []
    copies.folder.chmod(0o700)


@needs_root
def test_folder_of_another_user_is_refused(model, connector, copies, server):
    copies.folder.mkdir(mode=0o700)
    os.chown(copies.folder, STRANGER, STRANGER)
    server.clear_log()
    with pytest.raises(PermissionError, match=f"belongs to the user {STRANGER}, and is not used"):
        open_copy(model, connector, copies.top)
    assert requests(server) == []


def planted_names(model, connector, copies):
    """The names that the model's first file would have."""
    with open_copy(f"{model}0.safetensors", connector, copies.top):
        (name,) = copies.names()
    gc.collect()
    key = name.partition(".")[0]
    return [f"{key}.{state}" for state in ("crc64", "crc64.keep", "etag", "part", "fetch")]


def plant(path, kind):
    if kind == "link":
        target = path.parent.parent / "secret"
        target.write_bytes(model_files()[0])
        target.chmod(0o600)
        path.symlink_to(target)
    elif kind == "dangling link":
        path.symlink_to(path.parent.parent / "made by whoever follows it")
    elif kind == "folder":
        path.mkdir(mode=0o700)
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    else:
        path.write_bytes(model_files()[0])
        path.chmod(0o644 if kind == "readable by others" else 0o600)
        if kind == "a stranger's":
            os.chown(path, STRANGER, STRANGER)


@pytest.mark.parametrize("place", range(5), ids=["crc64", "crc64.keep", "etag", "part", "fetch"])
@pytest.mark.parametrize(
    "kind",
    [
        "link",
        "dangling link",
        "folder",
        "pipe",
        "readable by others",
        pytest.param("a stranger's", marks=needs_root),
    ],
)
def test_planted_file_is_refused_and_stays(model, connector, copies, kind, place, server):
    name = planted_names(model, connector, copies)[place]
    planted = copies.folder / name
    plant(planted, kind)
    server.clear_log()
    with pytest.raises(PermissionError, match="is not used: remove it") as raised:
        open_copy(f"{model}0.safetensors", connector, copies.top)
    assert raised.value.filename == str(planted)
    assert copies.names() == [name]
    assert {method for method, _ in requests(server)} == {"HEAD"}
    assert not (copies.top / "made by whoever follows it").exists()


def test_kept_file_that_was_cut_is_fetched_anew(model, connector, copies):
    with open_copy(model, connector, copies.top, keep=True) as opened:
        before = opened.get_tensor("0.0").copy()
    gc.collect()
    for path in copies.folder.iterdir():
        os.truncate(path, 1000)
    with open_copy(model, connector, copies.top, keep=True) as opened:
        assert not opened.node_copy.warm
        assert opened.get_tensor("0.0").tolist() == before.tolist()


def test_next_start_sweeps_what_crashes_left_and_nothing_else(model, connector, copies):
    copies.folder.mkdir(mode=0o700)
    key = "0" * 24 + "-" + "1" * 24
    used = "2" * 24 + "-" + "3" * 24
    left = [f"{key}.{state}" for state in ("part", "fetch", "crc64", "etag")]
    stay = [f"{key}.crc64.keep", "notes.txt", f"{used}.part", f"{used}.fetch"]
    for name in left + stay:
        (copies.folder / name).write_bytes(b"left")
        (copies.folder / name).chmod(0o600)
    part, lock = (copies.folder / f"{used}.{state}" for state in ("part", "fetch"))
    with part.open() as filled, lock.open("r+") as locked:
        fcntl.flock(filled, fcntl.LOCK_SH)
        fcntl.flock(locked, fcntl.LOCK_EX)
        with open_copy(model, connector, copies.top):
            assert set(left) & set(copies.names()) == set()
        assert copies.names() == sorted(stay)


@needs_root
def test_full_file_system_is_an_error_that_names_the_ways_out(
    model, connector, copies, server, tmp_path
):
    with mounted(tmp_path / "mount", "size=128k") as top:
        server.clear_log()
        with pytest.raises(OSError, match=r"--shm-size.*node_copy=PATH") as raised:
            open_copy(model, connector, top)
        assert raised.value.errno == 28
        assert raised.value.filename == str(top)
        assert [one for one in requests(server) if one[1]] == []  # a listing alone
        assert list((top / f"ossmodelconnector-{os.geteuid()}").iterdir()) == []
    with open_copy(model, connector, copies.top) as opened:
        assert len(opened.get_tensors()) == 10


@needs_root
def test_dev_shm_of_a_small_container_is_an_error_that_names_the_ways_out(model, server, copies):
    command = 'mount -t tmpfs -o size=128k tmpfs /dev/shm && exec "$@"'
    program = [sys.executable, str(PROGRAMS / "node_copy.py"), model]
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, "sh", *program, str(copies.top)],
        env=server.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare failed" in run.stderr or "mount:" in run.stderr:
        pytest.skip("mounts are not allowed here")
    assert run.returncode == 0, run.stderr
    assert "--shm-size" in run.stdout
    assert "/dev/shm" in run.stdout
    assert "10 tensors in " + str(copies.folder) in run.stdout


@needs_root
def test_more_than_the_memory_that_is_left_is_an_error_before_the_kernel_ends_the_process(tmp_path):
    from ossmodelconnector._node_copy import open_folder

    with mounted(tmp_path / "mount", f"size={1 << 50}") as top:
        folder = open_folder(top, False)
        folder.require_room(MiB)
        with pytest.raises(OSError, match=r"count as memory.*give it more, or node_copy=PATH"):
            folder.require_room(1 << 49)
        del folder
        gc.collect()


def test_end_of_the_process_removes_the_copy(model, server, copies):
    program = [sys.executable, str(PROGRAMS / "node_copy.py"), model, str(copies.top)]
    run = subprocess.run(
        [*program, "stays open"],
        env=server.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "10 tensors in " + str(copies.folder) in run.stdout
    assert copies.names() == []
