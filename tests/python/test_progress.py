"""connector.progress: what it tells, when, and that it harms nobody."""

from __future__ import annotations

import io
import logging
import math
import os
import subprocess
import sys
import textwrap
import threading
import time
import typing

import pytest
import tqdm
from ossmodelconnector import ConnectorStats, Progress, progress_lines
from support.fault_server import FaultServer
from support.forked_child import in_child
from support.tries import HANG_SECONDS, wait_until

SIZE = 4 * (1 << 20) + 12_345  # large.bin
CHUNKS = {"prefetch.chunkBytes": 65536, "prefetch.vcpus": 1, "prefetch.workers": 1}


class Seen(list):
    """Keeps what it is told, and by which threads."""

    def __init__(self):
        super().__init__()
        self.threads = []

    def __call__(self, progress):
        self.append(progress)
        self.threads.append(threading.current_thread())


@pytest.fixture
def connector(make_connector):
    return make_connector()


def progress_threads():
    return [one for one in threading.enumerate() if one.name == "ossmodelconnector-progress"]


def test_the_last_call_tells_the_end(connector, store):
    seen = Seen()
    with connector.progress(seen) as nothing:
        assert nothing is None
        assert connector.open(store.uri("large.bin")).read() == store["large.bin"]
    last = seen[-1]
    assert isinstance(last, Progress)
    assert (last.bytes_done, last.bytes_total, last.seconds_left) == (SIZE, SIZE, 0.0)
    assert last.bytes_per_second > 0
    assert seen.threads[-1] is threading.current_thread()
    assert progress_threads() == []


def test_it_grows_to_the_total_that_was_told_first(make_connector):
    # One chunk after the other, half a second in all.
    data = os.urandom(500_000)

    def script(request, reply):
        reply.rate = 1e6

    with FaultServer(data=data, script=script) as server:
        connector = make_connector(endpoint=server.endpoint, config=CHUNKS)
        seen = Seen()
        with connector.progress(seen, interval=0.05):
            assert connector.open("oss://slow-1/object").read() == data
    during = seen[:-1]
    assert len(during) >= 3
    done = [one.bytes_done for one in seen]
    assert done == sorted(done)
    assert any(0 < one < len(data) for one in done)
    assert {one.bytes_total for one in seen} - {None} == {len(data)}
    assert any(one.seconds_left for one in during)
    words = typing.get_args(typing.get_type_hints(ConnectorStats)["limited_by"])
    assert {one.limited_by for one in seen} <= set(words)
    assert threading.current_thread() not in seen.threads[:-1]


def test_only_what_came_in_the_context_counts(connector, store):
    connector.open(store.uri("large.bin")).read()
    seen = Seen()
    with connector.progress(seen):
        assert connector.open(store.uri("text.txt")).read() == store["text.txt"]
    size = len(store["text.txt"])
    assert (seen[-1].bytes_done, seen[-1].bytes_total) == (size, size)


def test_what_nobody_opened_has_no_total(connector, store):
    seen = Seen()
    with connector.progress(seen):
        connector.read_ranges([(store.uri("large.bin"), 5, 1000)])
        connector.list(store.bucket)
    assert seen[-1].bytes_done == 1000
    assert seen[-1].bytes_total is None
    assert seen[-1].seconds_left is None


def test_an_idle_connector_is_told_of_too(connector):
    seen = Seen()
    with connector.progress(seen):
        pass
    assert seen == [Progress(0, None, 0.0, None, "idle")]


def test_retries_count_no_byte_twice(make_connector):
    data = os.urandom(500_000)
    cut = set()

    def script(request, reply):
        if request.begin % 65536 == 0 and request.begin not in cut:
            cut.add(request.begin)
            reply.body, reply.end = reply.body[:20_000], "reset"

    with FaultServer(data=data, script=script) as server:
        connector = make_connector(endpoint=server.endpoint, config=CHUNKS)
        seen = Seen()
        with connector.progress(seen, interval=0.05):
            assert connector.open("oss://cut-1/object").read() == data
        assert connector.stats().retries > 0
    assert (seen[-1].bytes_done, seen[-1].bytes_total) == (len(data), len(data))


def test_contexts_in_one_another_and_beside_one_another(connector, store):
    outer, inner, beside = Seen(), Seen(), Seen()
    with connector.progress(outer):
        connector.open(store.uri("text.txt")).read()
        with connector.progress(inner), connector.progress(beside):
            connector.open(store.uri("large.bin")).read()
    assert outer[-1].bytes_done == SIZE + len(store["text.txt"])
    assert inner[-1].bytes_done == beside[-1].bytes_done == SIZE


def test_a_callback_that_raises_is_logged_once_and_ends_nothing(connector, store, caplog):
    calls = []

    def broken(progress):
        calls.append(progress)
        raise RuntimeError("no such bar")

    caplog.set_level(logging.WARNING, "ossmodelconnector")
    with connector.progress(broken, interval=0.05):
        wait_until(lambda: len(calls) >= 3)
        assert connector.open(store.uri("large.bin")).read() == store["large.bin"]
    assert calls[-1].bytes_done == SIZE
    told = [record for record in caplog.records if "progress" in record.getMessage()]
    assert len(told) == 1
    assert "no such bar" in caplog.text


def test_an_error_in_the_block_gets_the_last_call_and_goes_on(connector, store):
    seen = Seen()

    def load():
        with connector.progress(seen):
            connector.open(store.uri("text.txt")).read()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load()
    assert seen[-1].bytes_done == len(store["text.txt"])
    assert progress_threads() == []


@pytest.mark.parametrize("interval", [0, -1, 0.01, 3601, math.nan, math.inf])
def test_interval_out_of_range(connector, interval):
    with pytest.raises(ValueError, match=r"interval must be 0\.05 to 3600 seconds"):
        connector.progress(print, interval=interval)


@pytest.mark.parametrize(
    ("callback", "interval", "name"),
    [(None, 0.5, "callback"), (print, "0.5", "interval"), (print, True, "interval")],
)
def test_arguments_of_wrong_types(connector, callback, interval, name):
    with pytest.raises(TypeError, match=f"{name} must be"):
        connector.progress(callback, interval=interval)


def test_a_context_is_for_once(connector):
    context = connector.progress(print)
    with context:
        pass
    with pytest.raises(ValueError, match="again"):
        context.__enter__()


def test_closed_connector(connector):
    seen = Seen()
    with connector.progress(seen):
        connector.close()
    assert seen[-1].bytes_done == 0
    with pytest.raises(ValueError, match="closed"):
        connector.progress(print)


def test_a_forked_child_leaves_its_parents_context_alone(connector, store):
    seen = Seen()
    context = connector.progress(seen, interval=0.05)
    context.__enter__()
    wait_until(lambda: seen)

    def child():
        before = len(seen)
        data = connector.open(store.uri("text.txt")).read()
        own = Seen()
        with connector.progress(own):
            connector.open(store.uri("large.bin")).read()
        context.__exit__(None, None, None)
        return [len(data), len(seen) - before, own[-1].bytes_done]

    assert in_child(child) == [len(store["text.txt"]), 0, SIZE]
    calls = len(seen)
    wait_until(lambda: len(seen) > calls)
    context.__exit__(None, None, None)


def test_the_interpreters_end_ends_it(server, store):
    # Nothing else does: the context is never left.
    program = """
        import sys, time
        from ossmodelconnector import OssModelConnector

        told = []
        connector = OssModelConnector.from_env(region="cn-hangzhou")
        context = connector.progress(told.append, interval=0.05)
        context.__enter__()
        data = connector.open(sys.argv[1]).read()
        while not told:
            time.sleep(0.01)
        print(len(data))
    """
    for _ in range(3):
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), store.uri("large.bin")],
            env=server.environ(),
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert (run.returncode, run.stderr, run.stdout) == (0, "", f"{SIZE}\n")


def test_the_end_waits_for_a_callback_that_runs(connector):
    running, finished = threading.Event(), []

    def callback(progress):
        running.set()
        time.sleep(0.2)
        finished.append(progress)

    with connector.progress(callback, interval=0.05):
        assert running.wait(HANG_SECONDS)
    assert len(finished) >= 2
    assert progress_threads() == []


def test_tqdm_is_three_lines(connector, store):
    with tqdm.tqdm(unit="B", unit_scale=True, file=io.StringIO()) as bar:

        def show(progress):
            bar.total = progress.bytes_total
            bar.update(progress.bytes_done - bar.n)

        with connector.progress(show, interval=0.05):
            connector.open(store.uri("large.bin")).read()
    assert (bar.n, bar.total) == (SIZE, SIZE)


# Lines of text


def lines_of(steps, monkeypatch, silent=""):
    monkeypatch.setenv("OSSMC_NO_PROGRESS", silent)
    file = io.StringIO()
    tell = progress_lines(file)
    for step in steps:
        tell(step)
    return file.getvalue().splitlines()


def at(done, total, left=None):
    return Progress(done, total, 5 * (1 << 20), left, "network")


def test_a_line_each_tenth(monkeypatch):
    lines = lines_of([at(i << 20, 100 << 20, (100 - i) / 5) for i in range(101)], monkeypatch)
    assert len(lines) == 10
    assert lines[0] == "10 % of 100.0 MiB, 5.0 MiB/s, 18 s left, limited by network"
    assert lines[-1] == "100 % of 100.0 MiB, 5.0 MiB/s, limited by network"


def test_a_long_step_is_one_line(monkeypatch):
    assert len(lines_of([at(0, 100), at(95, 100), at(99, 100), at(100, 100)], monkeypatch)) == 2


def test_lines_go_on_when_more_is_opened(monkeypatch):
    steps = [at(90, 100), at(90, 1000), at(200, 1000), at(1000, 1000)]
    percents = [line.split(",")[0] for line in lines_of(steps, monkeypatch)]
    assert percents == ["90 % of 100 B", "20 % of 1.0 KiB", "100 % of 1.0 KiB"]


def test_without_a_total_there_is_a_line_each_ten_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.delenv("OSSMC_NO_PROGRESS", raising=False)
    file = io.StringIO()
    tell = progress_lines(file)
    for second in range(25):
        now[0] = 100.0 + second
        tell(at(second * 1000, None))
    assert file.getvalue().splitlines() == [
        "9.8 KiB, 5.0 MiB/s, limited by network",
        "19.5 KiB, 5.0 MiB/s, limited by network",
    ]


def test_one_variable_silences_the_lines(monkeypatch):
    assert lines_of([at(50, 100), at(100, 100)], monkeypatch, silent="1") == []


def test_lines_go_to_stderr_as_it_is_then(monkeypatch, capsys):
    monkeypatch.delenv("OSSMC_NO_PROGRESS", raising=False)
    progress_lines()(at(100, 100))
    assert capsys.readouterr().err.startswith("100 % of 100 B")
