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
from contextlib import contextmanager

import pytest
from ossmodelconnector import _core
from support.forked_child import in_child
from support.tries import HANG_SECONDS, tasks, wait_until

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|AUDIT) \[\d+\] .+"
)


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@contextmanager
def debugging(handler):
    """Has `handler` called with all records of the core meanwhile."""
    logger = logging.getLogger("ossmodelconnector")
    # The server of the tests logs too, by threads that a handler must not hold up.
    handler.addFilter(lambda record: record.name == logger.name)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


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


def test_records_come_when_a_call_ends_in_its_thread(make_connector, store):
    threads = set()

    class Handler(logging.Handler):
        def emit(self, record):
            threads.add(threading.current_thread())

    with debugging(Handler()):
        connector = make_connector(config={"logLevel": 0})
        assert not threads
        connector.exists(store.uri("text.txt"))
        assert threads == {threading.current_thread()}


def test_records_come_while_a_caller_waits(make_connector, slow_store):
    """As warnings of retries do, long before the read ends."""
    moments = []

    class Handler(logging.Handler):
        def emit(self, record):
            moments.append(time.monotonic())

    with debugging(Handler()):
        connector = make_connector(slow_store, config={"logLevel": 0})
        reader = connector.open(slow_store.uri("large.bin"))
        moments.clear()
        _core.write_log(2, "in between")
        reader.read()
        end = time.monotonic()
    assert len(moments) == 1
    assert end - moments[0] > 0.1


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


class Doing(logging.Handler):
    """A handler that does `what` with each record, and keeps their texts."""

    def __init__(self, what):
        super().__init__()
        self.what = what
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())
        self.what(record)


def fail(record):
    raise RuntimeError("handler")


def fork(record):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


@pytest.mark.parametrize("what", ["raise", "fork", "close", "use", "log"])
def test_handler_does_what_it_likes(make_connector, store, monkeypatch, what):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    spare, connector = make_connector(config={"logLevel": 0}), make_connector()
    handler = Doing(
        {
            "raise": fail,
            "fork": fork,
            "close": lambda record: spare.close(),
            "use": lambda record: spare.exists(store.uri("text.txt")),
            "log": lambda record: _core.write_log(2, "a record for each record"),
        }[what]
    )
    with debugging(handler):
        assert connector.exists(store.uri("text.txt"))
        assert handler.texts
        assert connector.exists(store.uri("text.txt"))
        connector.close()
    assert any("connector for" in text for text in handler.texts)
    assert spare.closed == (what == "close")


def test_handler_that_blocks_holds_up_its_caller_alone(make_connector, store):
    entered, leave = threading.Event(), threading.Event()

    def block(record):
        if threading.current_thread() is caller:
            entered.set()
            leave.wait(HANG_SECONDS)

    handler = Doing(block)
    with debugging(handler):
        first, second = make_connector(), make_connector(config={"logLevel": 0})
        caller = threading.Thread(target=first.exists, args=(store.uri("text.txt"),))
        caller.start()
        assert entered.wait(HANG_SECONDS)
        assert second.exists(store.uri("text.txt"))
        begin = time.monotonic()
        second.close()
        seconds = time.monotonic() - begin
        _core.write_log(2, "left for later")
        leave.set()
        caller.join(HANG_SECONDS)
        first.close()
    assert seconds < 10  # half a second is what it waits
    assert handler.texts[-1] == "left for later"
    assert sum("connector for" in text for text in handler.texts) == 2


def test_handler_that_interrupts_loses_no_record(make_connector, store):
    def interrupt(record):
        if handler.texts == ["first"]:
            raise KeyboardInterrupt

    handler = Doing(interrupt)
    with debugging(handler):
        connector = make_connector()
        connector.exists(store.uri("text.txt"))
        handler.texts.clear()
        _core.write_log(2, "first")
        _core.write_log(2, "second")
        with pytest.raises(KeyboardInterrupt):
            connector.exists(store.uri("text.txt"))
        assert connector.exists(store.uri("text.txt"))
    assert handler.texts == ["first", "second"]


def test_the_cores_thread_for_files_ends_with_the_last_of_them(make_connector, store, tmp_path):
    plain = make_connector()
    plain.exists(store.uri("text.txt"))
    before = tasks("ossmc-log")
    connector = make_connector(config={"auditPath": tmp_path / "audit.log"})
    assert tasks("ossmc-log") == before  # never at construction
    connector.exists(store.uri("text.txt"))
    wait_until(lambda: "text.txt" in (tmp_path / "audit.log").read_text())
    assert len(tasks("ossmc-log")) == 1
    connector.close()
    assert tasks("ossmc-log") == before


def test_a_path_that_is_no_utf8_is_a_path_all_the_same(
    make_connector, store, tmp_path, monkeypatch
):
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)
    monkeypatch.chdir(os.fsdecode(folder))
    connector = make_connector(config={"auditPath": "audit.log"})
    connector.exists(store.uri("text.txt"))
    connector.close()
    assert os.path.getsize(folder + b"/audit.log") > 0


def test_forked_child_that_logs_nothing_makes_no_file(make_connector, store, tmp_path):
    connector = make_connector(config={"auditPath": tmp_path / "audit.log"})
    connector.exists(store.uri("text.txt"))
    assert in_child(connector.close) is None
    assert os.listdir(tmp_path) == ["audit.log"]


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
