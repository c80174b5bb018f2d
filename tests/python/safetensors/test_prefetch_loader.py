"""Model.prefetch: tensors on their way, each handed out once."""

from __future__ import annotations

import gc
import os
import threading
import time

import numpy as np
import pytest
from ossmodelconnector import ChecksumError, OssError
from ossmodelconnector.safetensors import HeaderError, PrefetchLoader, SliceError, open_model
from ossmodelconnector.safetensors._loader import Planned
from support.forked_child import in_child
from support.tensor_files import Raw, random_tensor, tensor_file
from support.tries import wait_until

NAMES = [f"t{i:02d}" for i in range(12)]
SHAPE = (8, 16)
RAWS = {name: random_tensor("I32", SHAPE, i) for i, name in enumerate(NAMES)}
ARRAYS = {name: np.frombuffer(raw.data, np.int32).reshape(SHAPE) for name, raw in RAWS.items()}


@pytest.fixture(scope="module")
def uris(put):
    return [
        put(tensor_file({name: RAWS[name] for name in NAMES[4 * i : 4 * i + 4]})) for i in range(3)
    ]


@pytest.fixture
def model(uris, connector):
    with open_model(uris, "np", connector=connector) as model:
        yield model


def nothing():
    """No tensor of these tests turns out wrong when it was handed out."""


class Gate:
    """What a loader loads: numbers, none of which is there before `open` is called."""

    def __init__(self, count, size=10):
        self.plan = [Planned(str(i), None, size) for i in range(count)]
        self.begun = []
        self._open = {str(i): threading.Event() for i in range(count)}

    def load(self, item):
        self.begun.append(item.name)
        assert self._open[item.name].wait(30)
        return int(item.name)

    def open(self, *names):
        for name in names or self._open:
            self._open[name].set()


def load_threads():
    return [one for one in threading.enumerate() if one.name == "ossmodelconnector-load"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    wait_until(lambda: not load_threads())


@pytest.mark.parametrize("verify", ["early", "late", "off"])
@pytest.mark.parametrize("threads", [None, 1, 20])
def test_all_tensors_come_each_once(uris, connector, verify, threads):
    with (
        open_model(uris, "np", connector=connector, verify=verify) as model,
        model.prefetch(threads=threads) as loader,
    ):
        assert loader.names() == NAMES
        assert len(loader) == 12
        found = list(loader)
        assert sorted(name for name, _ in found) == NAMES
        for name, tensor in found:
            assert np.array_equal(tensor, ARRAYS[name])
        assert list(loader) == []
        assert loader.stats == (12, model.tensor_bytes, 0, 12, 0)


def test_tensor_is_taken_once(model):
    with model.prefetch() as loader:
        assert np.array_equal(loader.take("t07"), ARRAYS["t07"])
        with pytest.raises(KeyError, match="t07 was taken"):
            loader.take("t07")
        with pytest.raises(KeyError, match="nope is not in the plan"):
            loader.take("nope")
        assert "t07" not in dict(loader)
        with pytest.raises(KeyError, match="t00 was taken"):
            loader.take("t00")


def test_plan_takes_parts(model):
    plan = {
        "t09": None,
        "t01": slice(2, 4),
        "t02": (slice(0, 3), slice(4, 8)),
        "t03": (slice(None), slice(0, 16, 3)),
    }
    with model.prefetch(plan) as loader:
        assert loader.names() == ["t01", "t02", "t03", "t09"]
        for name, tensor in loader:
            expected = ARRAYS[name] if plan[name] is None else ARRAYS[name][plan[name]]
            assert np.array_equal(tensor, expected)


def test_plan_that_cannot_be_is_told_at_once(model, server):
    server.clear_log()
    for plan, kind, text in (
        ({"nope": None}, HeaderError, "nope"),
        ({"t01": 8}, SliceError, "out of bounds"),
        ({"t01": "all"}, TypeError, "an index is"),
    ):
        with pytest.raises(kind, match=text):
            model.prefetch(plan)
    for arguments, text in (
        ({"threads": 0}, "threads must be at least 1"),
        ({"memory_bytes": 0}, "memory_bytes must be at least 1"),
    ):
        with pytest.raises(ValueError, match=text):
            model.prefetch(**arguments)
    assert server.log() == []


def test_type_that_is_none_is_told_at_once(uris, connector, server):
    pytest.importorskip("torch")
    with open_model(uris, connector=connector) as model:
        server.clear_log()
        with pytest.raises(ValueError, match="torch has no type 'float99'"):
            model.prefetch(dtype="float99")
        assert server.log() == []


def test_floating_tensors_become_the_wanted_type(put, connector):
    torch = pytest.importorskip("torch")
    halves = np.array([1, 2], np.float16)
    raws = {"f": Raw("F16", (2,), halves.tobytes()), "i": Raw("I8", (2,), b"\1\2")}
    uri = put(tensor_file(raws))
    for dtype in (torch.float64, "float64", "torch.float64"):
        with open_model(uri, connector=connector) as model, model.prefetch(dtype=dtype) as loader:
            found = dict(loader)
        assert (found["f"].dtype, found["i"].dtype) == (torch.float64, torch.int8)
        assert found["f"].tolist() == found["i"].tolist() == [1, 2]
    with (
        open_model(uri, "np", connector=connector) as model,
        model.prefetch(dtype="float64") as loader,
    ):
        assert {name: one.dtype.name for name, one in loader} == {"f": "float64", "i": "int8"}


def test_tensors_come_in_the_order_in_which_they_are_there():
    gate = Gate(4)
    with PrefetchLoader(gate.plan, gate.load, threads=4, memory_bytes=None, tell=nothing) as loader:
        order = ["2", "0", "3", "1"]
        items = iter(loader)
        for name in order:
            gate.open(name)
            assert next(items) == (name, int(name))
        assert list(items) == []


def test_no_more_than_memory_bytes_is_held(monkeypatch):
    gate = Gate(10)
    gate.open()
    with PrefetchLoader(gate.plan, gate.load, threads=4, memory_bytes=25, tell=nothing) as loader:
        taken = 0
        for _ in loader:
            taken += 1
            wait_until(lambda: loader.stats.ready == min(2, 10 - taken))  # noqa: B023
            assert loader.stats.bytes_held <= 25
            assert len(gate.begun) <= taken + 2
        assert taken == 10


def test_tensor_that_is_larger_than_memory_bytes_comes_alone():
    gate = Gate(3, size=100)
    gate.open()
    with PrefetchLoader(gate.plan, gate.load, threads=3, memory_bytes=1, tell=nothing) as loader:
        wait_until(lambda: loader.stats.ready == 1)
        assert gate.begun == ["0"]
        assert [name for name, _ in loader] == ["0", "1", "2"]


def test_tensor_that_somebody_waits_for_comes_before_all_others_and_before_any_limit():
    gate = Gate(10)
    gate.open()
    with PrefetchLoader(gate.plan, gate.load, threads=1, memory_bytes=20, tell=nothing) as loader:
        wait_until(lambda: loader.stats.ready == 2)
        assert loader.take("9") == 9
        assert gate.begun == ["0", "1", "9"]
        assert len(dict(loader)) == 9


def test_error_reaches_who_iterates_and_who_takes():
    def load(item):
        if item.name == "1":
            raise OssError("text")
        return item.name

    plan = [Planned(str(i), None, 1) for i in range(3)]
    with PrefetchLoader(plan, load, threads=1, memory_bytes=None, tell=nothing) as loader:
        wait_until(lambda: not load_threads())
        assert next(iter(loader)) == ("0", "0")
        for _ in range(2):
            with pytest.raises(OssError, match="text"):
                loader.take("2")
        with pytest.raises(OssError, match="text"):
            list(loader)


def test_wrong_bytes_reach_who_iterates(bucket, uris, connector):
    data = tensor_file({"wrong": RAWS["t00"]})
    bucket.served.local.put_object(bucket.bucket, "wrong", data, crc64=1)
    with (
        open_model([*uris, bucket.uri("wrong")], "np", connector=connector) as model,
        model.prefetch() as loader,
    ):
        found = []
        with pytest.raises(ChecksumError, match="wrong"):
            found += (name for name, _ in loader)
        assert "wrong" not in found


def test_closed_loader_hands_nothing_out_and_has_no_thread(model):
    loader = model.prefetch()
    loader.take("t03")
    loader.close()
    assert not load_threads()
    loader.close()
    for ask in (lambda: loader.take("t04"), lambda: list(loader)):
        with pytest.raises(ValueError, match="the loader is closed"):
            ask()


def test_close_ends_who_waits():
    gate = Gate(2)
    loader = PrefetchLoader(gate.plan, gate.load, threads=1, memory_bytes=None, tell=nothing)
    errors = []

    def take():
        with pytest.raises(ValueError, match="the loader is closed") as caught:
            loader.take("1")
        errors.append(caught.value)

    thread = threading.Thread(target=take)
    thread.start()
    wait_until(lambda: "1" in loader._work._wanted)
    closer = threading.Thread(target=loader.close)
    closer.start()
    thread.join(30)
    assert errors
    gate.open()
    closer.join(30)
    assert not closer.is_alive()
    assert gate.begun == ["0"]


def test_dropped_loader_ends_its_threads(model):
    loaders = [model.prefetch(memory_bytes=1)]
    wait_until(lambda: loaders[0].stats.ready == 1)
    assert load_threads()
    loaders.clear()
    gc.collect()
    wait_until(lambda: not load_threads())


def test_loader_does_not_wait_for_what_is_on_its_way_after_an_error():
    gate = Gate(2)
    begin = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        PrefetchLoader(gate.plan, gate.load, threads=1, memory_bytes=None, tell=nothing),
    ):
        raise KeyboardInterrupt
    assert time.monotonic() - begin < 20
    gate.open()


def test_model_that_is_closed_ends_its_loaders(slow_store, make_connector):
    data = tensor_file({"a": Raw("U8", (1 << 20,), bytes(1 << 20))})
    slow_store.put("slow.safetensors", data)
    model = open_model(
        slow_store.uri("slow.safetensors"), "np", connector=make_connector(slow_store)
    )
    loader = model.prefetch()
    wait_until(lambda: model._store.shards[0]._taken)
    model.close()
    with pytest.raises(ValueError, match="closed"):
        loader.take("a")
    loader.close()


def test_loader_of_the_parent_says_so_in_a_child():
    gate = Gate(3)
    loader = PrefetchLoader(gate.plan, gate.load, threads=2, memory_bytes=None, tell=nothing)
    locked, leave = threading.Event(), threading.Event()

    def hold():
        with loader._work._changed:
            locked.set()
            leave.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(30)

    def use():
        texts = []
        for ask in (lambda: loader.take("0"), lambda: list(loader), lambda: loader.stats):
            try:
                ask()
            except RuntimeError as error:
                texts.append(str(error))
        loader.close()
        return texts

    try:
        assert in_child(use) == ["the loader is the parent process's: make one in this process"] * 3
    finally:
        leave.set()
        holder.join()
    gate.open()
    assert dict(loader) == {"0": 0, "1": 1, "2": 2}


def test_model_goes_on_in_a_child_though_its_locks_were_held(model):
    shard = model._store.shards[0]
    with model._store._lock, shard._lock, shard.loading:
        child = in_child(
            lambda: [
                os.getpid(),
                *(int(tensor[0, 0]) for tensor in model.get_tensors(["t00", "t05"]).values()),
            ]
        )
    assert child[1:] == [int(ARRAYS[name][0, 0]) for name in ("t00", "t05")]
    assert child[0] != os.getpid()
    assert np.array_equal(model.get_tensor("t00"), ARRAYS["t00"])
