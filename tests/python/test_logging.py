"""Records: on the logger, in the log file, in the audit file; rotation, modes, children."""

from __future__ import annotations

import logging
import os
import re
import stat
import subprocess
import sys
import threading
import time

import pytest
from ossmodelconnector import _core, _log
from ossmodelconnector._log import RotatingFile
from support.tries import HANG_SECONDS, wait_until

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|AUDIT) \[\d+\] .+"
)


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_records_go_to_the_logger(make_connector, store, caplog):
    caplog.set_level(logging.DEBUG, "ossmodelconnector")
    connector = make_connector(config={"logLevel": 0})
    with connector.open(store.uri("text.txt")) as reader:
        reader.read()
    connector.close()
    records = [record for record in caplog.records if record.name == "ossmodelconnector"]
    assert records
    # Something tells how large the budget is and why.
    assert any("budget" in record.getMessage() for record in records)
    assert all(abs(record.created - time.time()) < 60 for record in records)


def test_records_come_from_one_thread_of_ours(make_connector, store):
    threads = set()

    class Handler(logging.Handler):
        def emit(self, record):
            if record.name == "ossmodelconnector":
                threads.add(threading.current_thread().name)

    logger, handler = logging.getLogger("ossmodelconnector"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        connector = make_connector(config={"logLevel": 0})
        connector.exists(store.uri("text.txt"))
        wait_until(lambda: threads)
        assert threads == {"ossmodelconnector-log"}
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_level_of_the_configuration(make_connector, store, caplog):
    caplog.set_level(logging.DEBUG, "ossmodelconnector")
    connector = make_connector(config={"logLevel": 3})
    connector.exists(store.uri("text.txt"))
    connector.close()
    ours = [record for record in caplog.records if record.name == "ossmodelconnector"]
    assert not [record for record in ours if record.levelno < logging.ERROR]


def test_files(make_connector, store, tmp_path):
    log, audit = tmp_path / "connector.log", tmp_path / "audit.log"
    config = {"logLevel": 0, "logPath": log, "auditPath": str(audit)}
    connector = make_connector(config=config)
    uri = store.uri("list/007.bin")
    with connector.open(uri) as reader:
        reader.read()
    assert connector.exists(store.uri("list/nothing")) is False
    connector.close()
    assert mode_of(log) == mode_of(audit) == 0o600
    lines = log.read_text().splitlines()
    assert lines
    assert all(LINE.fullmatch(line) for line in lines)
    assert not any(" AUDIT " in line for line in lines)
    audited = audit.read_text().splitlines()
    assert len(audited) == connector.stats().requests
    assert all(LINE.fullmatch(line) and " AUDIT " in line for line in audited)
    assert any("GET" in line and "list/007.bin" in line and "206" in line for line in audited)
    assert any("HEAD" in line and "404" in line for line in audited)


def test_audit_of_a_hostile_key_is_one_line(make_connector, store, tmp_path):
    key = "line\nbreak \u2028 \x07"
    connector = make_connector(config={"auditPath": tmp_path / "audit.log"})
    connector.exists(store.uri(key))
    connector.close()
    (line,) = (tmp_path / "audit.log").read_text().splitlines()
    assert LINE.fullmatch(line)


def test_several_connectors_share_a_file(make_connector, store, tmp_path):
    path = tmp_path / "audit.log"
    connectors = [make_connector(config={"auditPath": path}) for _ in range(2)]
    for connector in connectors:
        connector.exists(store.uri("text.txt"))
    connectors[0].close()
    connectors[1].exists(store.uri("text.txt"))
    connectors[1].close()
    assert len(path.read_text().splitlines()) == 3


def test_file_that_cannot_be_opened_is_an_error_at_construction(make_connector, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        make_connector(config={"logPath": tmp_path / "no folder" / "log"})
    assert caught.value.filename == str(tmp_path / "no folder" / "log")
    files = len(os.listdir("/proc/self/fd"))
    for log, audit in [("log", ""), ("", "audit")]:
        with pytest.raises(IsADirectoryError):
            make_connector(config={"logPath": tmp_path / log, "auditPath": tmp_path / audit})
    assert len(os.listdir("/proc/self/fd")) <= files


def test_no_secret_is_logged(make_connector, store, server, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "ossmodelconnector")
    log, audit = tmp_path / "log", tmp_path / "audit"
    for options in ({}, {"region": "cn-hangzhou"}):
        connector = make_connector(
            config={"logLevel": 0, "logPath": log, "auditPath": audit}, **options
        )
        with connector.open(store.uri("text.txt")) as reader:
            reader.read()
        connector.list(store.bucket)
        connector.close()
    text = log.read_text() + audit.read_text() + caplog.text
    assert server.access_key_secret not in text
    assert "Signature=" not in text
    assert "Authorization" not in text


def test_handler_that_raises_or_closes_does_no_harm(make_connector, store, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    connector = make_connector(config={"logLevel": 0})

    class Handler(logging.Handler):
        def emit(self, record):
            connector.close()
            raise RuntimeError("handler")

    logger, handler = logging.getLogger("ossmodelconnector"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        other = make_connector(config={"logLevel": 0})
        assert other.exists(store.uri("text.txt"))
        wait_until(lambda: connector.closed)
        assert other.exists(store.uri("text.txt"))
        other.close()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_threads_end_with_the_last_connector(make_connector, store):
    connector = make_connector()
    connector.exists(store.uri("text.txt"))
    ours = {"ossmodelconnector-log", "ossmodelconnector-credentials"}
    assert ours <= {thread.name for thread in threading.enumerate()}
    connector.close()
    wait_until(lambda: not ours & {thread.name for thread in threading.enumerate()})
    assert _log.hub._drain is None


def test_rotation(tmp_path):
    path = tmp_path / "log"
    file = RotatingFile(str(path), max_bytes=100, max_files=3)
    for number in range(50):
        file.write(f"{number:09d}")  # 10 bytes with the line end
    file.close()
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "log.2"]
    kept = [(tmp_path / name).read_text().split() for name in ("log.2", "log.1", "log")]
    assert [len(lines) for lines in kept] == [10, 10, 10]
    assert [int(line) for lines in kept for line in lines] == list(range(20, 50))
    assert {mode_of(tmp_path / name) for name in os.listdir(tmp_path)} == {0o600}


def test_rotation_goes_on_where_an_earlier_process_stopped(tmp_path):
    path = tmp_path / "log"
    for number in range(3):
        file = RotatingFile(str(path), max_bytes=100, max_files=3)
        file.write(f"{number}" * 49)
        file.close()
    assert path.read_text() == "2" * 49 + "\n"
    assert (tmp_path / "log.1").read_text() == "0" * 49 + "\n" + "1" * 49 + "\n"


def test_defaults_of_rotation_are_ten_files_of_ten_mebibytes(tmp_path):
    file = RotatingFile(str(tmp_path / "log"))
    for _ in range(115):
        file.write("x" * (1 << 20))
    file.close()
    assert len(os.listdir(tmp_path)) == 10
    assert all(os.stat(tmp_path / name).st_size <= 10 << 20 for name in os.listdir(tmp_path))


def test_full_disk_is_no_error(tmp_path):
    file = RotatingFile("/dev/full")
    file.write("lost")
    file.close()


def test_text_that_has_no_utf8_form_is_written_escaped(tmp_path):
    file = RotatingFile(str(tmp_path / "log"))
    file.write("a\udcff")
    file.close()
    assert (tmp_path / "log").read_text() == "a\\udcff\n"


def test_forked_child_has_files_of_its_own(make_connector, store, tmp_path):
    audit = tmp_path / "audit.log"
    connector = make_connector(config={"auditPath": audit})
    connector.exists(store.uri("text.txt"))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            connector.exists(store.uri("list/007.bin"))
            connector.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    connector.close()
    assert "text.txt" in audit.read_text()
    assert "list/007.bin" not in audit.read_text()
    own = tmp_path / f"audit.log.{child}"
    assert "list/007.bin" in own.read_text()
    assert "text.txt" not in own.read_text()
    assert mode_of(own) == 0o600


def test_records_that_come_last_are_written_at_exit(server, store, tmp_path):
    path = tmp_path / "audit.log"
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from ossmodelconnector import OssModelConnector\n"
        f"connector = OssModelConnector.from_env(config={{'auditPath': {str(path)!r}}})\n"
        f"connector.exists({store.uri('text.txt')!r})\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=server.environ(), capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert len(path.read_text().splitlines()) == 1


def test_core_ring_is_drained_in_order():
    # drain_log takes records away, so none may be waiting from other tests.
    assert _core.drain_log(1 << 16) is not None
    assert _core.drain_log(10) == []


def test_connector_collected_in_the_starting_drain_stood_still(monkeypatch):
    hub = _log.Hub()
    hub.attach(1, 1, "", "")
    hub.attach(2, 1, "", "")
    start = threading.Thread.start
    still_running = []

    def start_while_another_thread_closes(thread):
        if thread.name == "ossmodelconnector-log":
            # As the garbage collector does it in the new thread, for which start() waits.
            closing = threading.Thread(target=hub.detach, args=(2,))
            start(closing)
            closing.join(HANG_SECONDS)
            still_running.append(closing.is_alive())
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_while_another_thread_closes)
    hub.ensure_started()
    assert still_running == [False]
    hub.detach(1)
    _log.hub._tell_core()


def test_drain_stayed_when_a_flush_took_its_wake_to_end():
    hub = _log.Hub()
    hub.attach(1, 1, "", "")
    before = set(threading.enumerate())
    flush, in_flush, stopped = hub.flush, threading.Event(), threading.Event()

    def flush_late():
        if threading.current_thread() in before:
            return  # of detach(), below
        in_flush.set()
        assert stopped.wait(HANG_SECONDS)
        flush()

    hub.flush = flush_late
    hub.ensure_started()
    os.write(_core.log_event_fd(), (1).to_bytes(8, sys.byteorder))
    assert in_flush.wait(HANG_SECONDS)
    hub.detach(1)
    stopped.set()
    wait_until(lambda: not set(threading.enumerate()) - before)
    _log.hub._tell_core()
