"""How many requests models cost, and how much they receive."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from ossmodelconnector.safetensors import open_model, safe_open
from support.asked import asked_ranges
from support.tensor_files import Raw, random_tensor, tensor_file

KiB, MiB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def shards(put):
    """38 files."""
    return [
        put(tensor_file({f"t{i}": random_tensor("F32", (100,), i)}), f"many/{i:02d}.safetensors")
        for i in range(38)
    ]


def requests(server):
    return Counter(record.method for record in server.log() if record.key)


def test_headers_of_38_files_cost_a_head_and_a_get_each(shards, make_connector, server):
    server.clear_log()
    with open_model(shards, "np", connector=make_connector()) as model:
        assert len(model) == 38
        assert requests(server) == {"HEAD": 38, "GET": 38}
        # All at once: no GET waits for another file's HEAD alone.
        first_get = next(i for i, one in enumerate(server.log()) if one.method == "GET")
        assert {record.method for record in server.log()[first_get:]} == {"GET"}


def test_headers_of_listed_files_cost_a_get_each(shards, bucket, make_connector, server):
    server.clear_log()
    with open_model(bucket.uri("many/"), "np", connector=make_connector()) as model:
        assert model.files == shards
        assert requests(server) == {"GET": 38}


@pytest.mark.parametrize("verify", ["early", "late"])
def test_no_part_of_a_file_waits_for_the_reply_to_another(put, make_connector, server, verify):
    # The reply to its header has told the version, so the next round trip brings all the rest.
    uri = put(tensor_file({"a": random_tensor("U8", (4 * MiB,), 1)}))
    connector = make_connector(config={"prefetch.chunkBytes": MiB})
    wait_seconds = 2
    with safe_open(uri, "np", connector=connector, verify=verify) as file:
        server.clear_log()
        server.local.on_request = lambda record: wait_seconds
        try:
            assert [name for name, _ in file.iter_tensors()] == ["a"]
        finally:
            server.local.on_request = None
    begins = [record.started for record in server.log()]
    assert len(begins) >= 4
    assert max(begins) - min(begins) < wait_seconds


def test_header_that_is_longer_than_the_first_request_costs_one_more(put, make_connector, server):
    raws = {f"{'long name' * 30}{i}": random_tensor("U8", (1,), i) for i in range(1000)}
    uri = put(tensor_file(raws))
    connector = make_connector(config={"prefetch.chunkBytes": MiB})
    server.clear_log()
    with safe_open(uri, "np", connector=connector) as file:
        assert len(file) == 1000
        assert requests(server) == {"HEAD": 1, "GET": 2}
        header = file.get_slice(next(iter(raws)))._store.shards[0].header
        assert sum(end - begin for begin, end in asked_ranges(server.local)) == header.data_begin


def test_opening_and_closing_receives_no_tensor(put, make_connector, server):
    uri = put(tensor_file({"a": Raw("U8", (MiB,), bytes(MiB))}))
    connector = make_connector()
    server.clear_log()
    with safe_open(uri, "np", connector=connector) as file:
        file.keys()
        file.get_slice("a").get_shape()
        file.lazy_state_dict()["a"].get_dtype()
    assert sum(end - begin for begin, end in asked_ranges(server.local)) <= 128 * KiB


@pytest.mark.parametrize("verify", ["early", "late", "off"])
def test_whole_file_is_received_once(put, make_connector, server, verify):
    data = tensor_file({f"t{i}": Raw("U8", (MiB,), random.randbytes(MiB)) for i in range(4)})
    uri = put(data)
    # Of fewer than 50 requests none is asked for again because it is slow.
    connector = make_connector(config={"prefetch.chunkBytes": 128 * KiB})
    with safe_open(uri, "np", connector=connector, verify=verify) as file:
        server.clear_log()
        for _ in file.iter_tensors():
            pass
    assert sum(end - begin for begin, end in asked_ranges(server.local)) == len(data)


@pytest.mark.parametrize("verify", ["late", "off"])
def test_one_tensor_receives_its_own_bytes(put, make_connector, server, verify):
    uri = put(tensor_file({f"t{i}": Raw("U8", (MiB,), bytes(MiB)) for i in range(4)}))
    with safe_open(uri, "np", connector=make_connector(), verify=verify) as file:
        server.clear_log()
        file.get_tensor("t2")
        assert sum(end - begin for begin, end in asked_ranges(server.local)) == MiB
