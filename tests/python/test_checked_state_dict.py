"""Model.checked_state_dict: whole tensors, once each, in any order, of files that are checked."""

from __future__ import annotations

import contextlib
import random
import signal
import threading

import numpy as np
import pytest
from ossmodelconnector import ChecksumError
from ossmodelconnector.safetensors import open_model
from safetensors.numpy import save
from support.faults import URI, flip
from support.forked_child import in_child
from support.tries import HANG_SECONDS, wait_until

KiB = 1 << 10
SHARDS = 3


@pytest.fixture(scope="module")
def tensors():
    numbers = np.random.default_rng(1)
    return {f"layers.{i}.weight": numbers.random((50, 100 + i), np.float32) for i in range(40)}


@pytest.fixture
def model(tensors, new_bucket, request):
    """A bucket of the test's own: model/ has the tensors in three files."""
    bucket = new_bucket(f"checked-{abs(hash(request.node.name)) % 10**9}")
    names = list(tensors)
    for i in range(SHARDS):
        bucket.put(f"model/{i}.safetensors", save({name: tensors[name] for name in names[i::3]}))
    return bucket


@pytest.fixture
def opened(model, make_connector):
    with open_model(model.uri("model/"), "np", connector=make_connector()) as made:
        yield made


def test_threads_take_tensors_in_any_order(opened, model, tensors):
    weights = opened.checked_state_dict()
    assert list(weights) == opened.offset_keys()
    assert len(weights) == len(tensors)
    names = random.Random(2).sample(sorted(tensors), len(tensors))
    taken = {}
    model.served.clear_log()

    def take(mine):
        for name in mine:
            taken[name] = weights[name][...]

    threads = [threading.Thread(target=take, args=(names[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    weights.check()
    assert set(taken) == set(tensors)
    assert all(np.array_equal(taken[name], tensors[name]) for name in tensors)
    assert set(opened.verified.values()) == {"crc64"}
    size = sum(len(model[key]) for key in model.keys())  # noqa: SIM118 - a method of Store
    assert len(model.served.log()) <= size / (64 * KiB) + SHARDS


def test_tensor_that_is_asked_for_again_is_another_one(opened, tensors):
    weights = opened.checked_state_dict()
    first = weights["layers.3.weight"][...]
    first[:] = 0
    again = weights["layers.3.weight"][...]
    assert np.array_equal(again, tensors["layers.3.weight"])
    weights.check()


def test_parts_are_read_by_ranges(opened, tensors):
    lazy = opened.checked_state_dict()["layers.5.weight"]
    assert lazy.get_shape() == [50, 105]
    assert lazy.get_dtype() == "F32"
    assert np.array_equal(lazy[3:5, ::2], tensors["layers.5.weight"][3:5, ::2])


def test_wrong_bytes_are_an_error_of_the_check(model, make_connector):
    model.served.local.put_object(
        model.bucket, "model/1.safetensors", model["model/1.safetensors"], crc64=7
    )
    with open_model(model.uri("model/"), "np", connector=make_connector()) as made:
        weights = made.checked_state_dict()
        weights["layers.0.weight"][...]  # of another file
        weights.check()
        with contextlib.suppress(ChecksumError):  # where all of the file has come by then
            weights["layers.1.weight"][...]
        for _ in range(2):  # from then on it is the error of all its tensors
            with pytest.raises(ChecksumError, match=r"1\.safetensors"):
                weights.check()
            with pytest.raises(ChecksumError, match=r"1\.safetensors"):
                weights["layers.4.weight"][...]


def test_closed_model_says_so(opened):
    weights = opened.checked_state_dict()
    weights["layers.0.weight"][...]
    opened.close()
    for call in (lambda: weights["layers.1.weight"][...], lambda: weights["layers.0.weight"][...]):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_name_that_is_not_there(opened):
    with pytest.raises(KeyError):
        opened.checked_state_dict()["no such"]


def test_all_files_are_asked_for_at_once(model, make_connector, server):
    wait_seconds = 2  # one after the other, each would wait for the one before
    with open_model(model.uri("model/"), "np", connector=make_connector()) as made:
        server.clear_log()
        server.local.on_request = lambda record: wait_seconds
        try:
            made.checked_state_dict()
            assert len(dict(made.iter_tensors())) == 40
        finally:
            server.local.on_request = None
    begins = {}
    for record in server.log():
        begins.setdefault(record.key, record.started)
    assert len(begins) == SHARDS
    assert max(begins.values()) - min(begins.values()) < wait_seconds


@pytest.mark.parametrize("taken", [0, 3])
def test_forked_child_takes_tensors_though_a_thread_waited_for_one(faults, connect, taken):
    tensors = {f"{i}": np.full((64, 256), i, np.int32) for i in range(8)}
    faults.put(save(tensors))
    is_forked, may_go_on, held = threading.Event(), threading.Event(), []

    def script(request, reply):
        if request.begin >= 256 * KiB and not is_forked.is_set():
            held.append(request)
            reply.hold = may_go_on

    faults.script = script
    connector = connect({"prefetch.chunkBytes": 64 * KiB})
    with open_model(URI, "np", connector=connector) as made:
        weights = made.checked_state_dict()
        before = [int(weights[f"{i}"][...][0, 0]) for i in range(taken)]
        waiting = threading.Thread(target=lambda: weights["7"][...])
        waiting.start()
        try:
            wait_until(lambda: held and weights["0"]._stream._lock.locked())
            is_forked.set()

            def use():
                signal.alarm(int(HANG_SECONDS))  # a lock that nobody unlocks is waited for for ever
                found = [int(weights[f"{i}"][...][0, 0]) for i in (7, 6, taken, 0)]
                weights.check()
                return [*found, *made.verified.values()]

            assert in_child(use) == [7, 6, taken, 0, "crc64"]
        finally:
            may_go_on.set()
            waiting.join()
        rest = [int(weights[f"{i}"][...][0, 0]) for i in range(taken, 7)]
        weights.check()
    assert before + rest == list(range(7))


def test_forked_child_is_told_of_wrong_bytes_though_the_parent_took_some(faults, connect):
    tensors = {f"{i}": np.full((64, 256), i, np.int32) for i in range(8)}
    faults.put(save(tensors))
    is_forked = threading.Event()

    def script(request, reply):
        if request.begin == 64 * KiB and is_forked.is_set():
            flip(reply)

    faults.script = script
    connector = connect({"prefetch.chunkBytes": 64 * KiB, "prefetch.memoryBytes": "1 MiB"})
    with open_model(URI, "np", connector=connector) as made:
        weights = made.checked_state_dict()
        for i in range(4):
            weights[f"{i}"][...]
        is_forked.set()

        def use():
            with contextlib.suppress(ChecksumError):
                weights["6"][...]
            with pytest.raises(ChecksumError):
                weights.check()
            return "told"

        assert in_child(use) == "told"
        is_forked.clear()
        weights.check()
