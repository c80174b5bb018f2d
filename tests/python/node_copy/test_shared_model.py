"""open_model(node_copy=...): one copy, found, kept and removed; tensors as without one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading

import numpy as np
import pytest
from ossmodelconnector import AccessDeniedError, ChecksumError, ObjectChangedError, _core
from ossmodelconnector.safetensors import HeaderError, load_file, load_model, open_model, safe_open
from support.copy_users import model_files
from support.forked_child import in_child
from support.tensor_files import Raw, random_tensor, tensor_file

SLICES = (slice(100, 900, 7),)


def tensors_of(source, connector, **arguments):
    with open_model(source, "np", connector=connector, **arguments) as model:
        return model.get_tensors()


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


def received(server):
    """Bytes of objects that were sent since the log was cleared."""
    return sum(one.bytes_sent for one in server.log() if one.method == "GET" and one.key)


def size_of(bucket, model):
    prefix = model.partition(bucket.bucket + "/")[2]
    return sum(len(bucket[key]) for key in bucket.keys(prefix))


def test_two_models_in_one_process_fetch_once_and_have_the_same_values(
    model, bucket, connector, copies, server
):
    plain = tensors_of(model, connector)
    server.clear_log()
    with open_model(model, "np", connector=connector, node_copy=copies.top) as first:
        assert first.node_copy == (copies.folder, False, size_of(bucket, model))
        assert copies.states() == ["crc64", "crc64"]
        with open_model(model, "np", connector=connector, node_copy=copies.top) as second:
            assert second.node_copy == (copies.folder, True, 0)
            assert equal(first.get_tensors(), plain)
            assert equal(second.get_tensors(), plain)
            assert set(second.verified.values()) == {"crc64"}
    assert received(server) == size_of(bucket, model)
    assert copies.names() == []


def test_threads_that_open_a_model_at_once_fetch_it_once(model, bucket, connector, copies, server):
    plain = tensors_of(model, connector)
    server.clear_log()
    start = threading.Barrier(4)
    same = []

    def use():
        start.wait()
        found = tensors_of(model, connector, node_copy=copies.top)
        start.wait()
        same.append(equal(found, plain))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert same == [True] * 4
    assert received(server) == size_of(bucket, model)
    gc.collect()
    assert copies.names() == []


def test_change_in_place_is_seen_by_that_tensor_alone(model, connector, copies):
    arguments = {"connector": connector, "node_copy": copies.top}
    with (
        open_model(model, "np", **arguments) as first,
        open_model(model, "np", **arguments) as other,
    ):
        changed = first.get_tensor("0.1")
        before = changed.copy()
        changed[:] = 7
        assert np.array_equal(other.get_tensor("0.1"), before)
        assert np.array_equal(first.get_tensor("0.1"), before)
        assert np.array_equal(first.get_slice("0.1")[...], before)
        assert np.array_equal(first.get_slice("0.1")[5:], before[5:])
        assert np.array_equal(changed, np.full_like(before, 7))


def test_tensor_keeps_its_bytes_and_the_copy_when_the_model_is_closed(model, connector, copies):
    plain = tensors_of(model, connector)
    with open_model(model, "np", connector=connector, node_copy=copies.top) as opened:
        tensor = opened.get_tensor("1.3")
    assert len(copies.names()) == 1  # of the other file there is no tensor
    assert np.array_equal(tensor, plain["1.3"])
    with open_model(model, "np", connector=connector, node_copy=copies.top) as again:
        assert again.node_copy.fetched_bytes == len(model_files()[0])
    del tensor
    gc.collect()
    assert copies.names() == []


def test_copy_that_is_kept_costs_no_get_at_the_next_start(model, connector, copies, server):
    plain = tensors_of(model, connector)
    tensors_of(model, connector, node_copy=copies.top, keep=True)
    gc.collect()
    assert copies.states() == ["crc64.keep", "crc64.keep"]
    server.clear_log()
    with open_model(model, "np", connector=connector, node_copy=copies.top) as opened:
        assert opened.node_copy.warm
        assert equal(opened.get_tensors(), plain)
    assert [one.method for one in server.log() if one.key] == []  # a listing alone
    gc.collect()
    assert copies.states() == ["crc64.keep", "crc64.keep"]


def test_who_wants_a_copy_kept_keeps_what_others_fetched(model, connector, copies):
    with open_model(model, "np", connector=connector, node_copy=copies.top):
        with open_model(model, "np", connector=connector, node_copy=copies.top, keep=True) as kept:
            assert kept.node_copy.warm
        assert copies.states() == ["crc64.keep", "crc64.keep"]
    assert copies.states() == ["crc64.keep", "crc64.keep"]


def test_new_version_of_an_object_is_fetched_and_the_old_copy_goes(
    model, bucket, connector, copies
):
    tensors_of(model, connector, node_copy=copies.top, keep=True)
    gc.collect()
    old = copies.names()
    prefix = model.partition(bucket.bucket + "/")[2]
    bucket.put(f"{prefix}1.safetensors", model_files(seed=500)[1])
    found = tensors_of(model, connector, node_copy=copies.top, keep=True)
    assert equal(found, tensors_of(model, connector))
    assert len(copies.names()) == 2
    assert len(set(copies.names()) & set(old)) == 1


def test_old_version_that_is_in_use_stays_with_its_users(model, bucket, connector, copies):
    with open_model(model, "np", connector=connector, node_copy=copies.top, keep=True) as opened:
        before = tensors_of(model, connector)
        prefix = model.partition(bucket.bucket + "/")[2]
        bucket.put(f"{prefix}1.safetensors", model_files(seed=500)[1])
        after = tensors_of(model, connector, node_copy=copies.top)
        assert equal(opened.get_tensors(), before)
        assert equal(after, tensors_of(model, connector))


def test_object_that_changed_since_it_was_listed_is_an_error_and_leaves_nothing(
    model, bucket, connector, copies
):
    prefix = model.partition(bucket.bucket + "/")[2]
    listed = connector.list(bucket.bucket, prefix)
    bucket.put(f"{prefix}0.safetensors", model_files(seed=900)[0])
    with pytest.raises(ObjectChangedError):
        open_model(listed, "np", connector=connector, node_copy=copies.top)
    assert copies.names() == []


def test_endpoints_have_copies_of_their_own(model, make_connector, copies, server):
    other = make_connector(endpoint=f"http://localhost:{server.local.port}")
    with (
        open_model(model, "np", connector=make_connector(), node_copy=copies.top),
        open_model(model, "np", connector=other, node_copy=copies.top) as second,
    ):
        assert not second.node_copy.warm
        assert len(copies.names()) == 4


def test_who_may_not_read_an_object_gets_an_error_and_does_others_no_harm(
    model, bucket, connector, make_connector, copies
):
    from oss2.credentials import StaticCredentialsProvider

    stranger = make_connector(cred_provider=StaticCredentialsProvider("somebody", "else"))
    uri = f"{model}0.safetensors"
    with safe_open(uri, "np", connector=connector, node_copy=copies.top) as opened:
        with pytest.raises(AccessDeniedError):
            safe_open(uri, "np", connector=stranger, node_copy=copies.top)
        assert len(opened.get_tensors()) == 5
    assert copies.names() == []


@pytest.mark.parametrize("verify", ["early", "late", "off"])
def test_wrong_bytes_are_an_error_whatever_verify_says_and_leave_nothing(
    bucket, connector, copies, verify
):
    data = model_files()[0]
    wrong = data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
    bucket.served.local.put_object(
        bucket.bucket, "wrong.safetensors", wrong, crc64=_core.crc64(data)
    )
    uri = bucket.uri("wrong.safetensors")
    with pytest.raises(ChecksumError, match=r"wrong\.safetensors"):
        open_model(uri, "np", connector=connector, node_copy=copies.top, verify=verify)
    assert copies.names() == []


def test_file_that_is_no_safetensors_file_is_an_error_and_leaves_nothing(bucket, connector, copies):
    bucket.put("none.safetensors", b"no header")
    with pytest.raises(HeaderError, match=r"none\.safetensors"):
        safe_open(bucket.uri("none.safetensors"), "np", connector=connector, node_copy=copies.top)
    bucket.put("empty.safetensors", b"")
    with pytest.raises(HeaderError, match=r"empty\.safetensors"):
        safe_open(bucket.uri("empty.safetensors"), "np", connector=connector, node_copy=copies.top)
    assert copies.names() == []


@pytest.mark.parametrize("blanks", [0, 1, 3])
def test_tensors_that_are_empty_or_not_aligned(bucket, connector, copies, blanks):
    raws = {
        "none": Raw("F32", (0, 3), b""),
        "byte": random_tensor("U8", (1,)),
        "wide": random_tensor("F64", (9,)),
    }
    bucket.put(f"odd-{blanks}.safetensors", tensor_file(raws, blanks=blanks))
    uri = bucket.uri(f"odd-{blanks}.safetensors")
    found = tensors_of(uri, connector, node_copy=copies.top)
    plain = tensors_of(uri, connector)
    assert {name: one.tobytes() for name, one in found.items()} == {
        name: one.tobytes() for name, one in plain.items()
    }
    found["wide"][0] = 1


def test_each_way_to_a_tensor_gives_what_it_gives_without_a_copy(model, connector, copies, server):
    plain = tensors_of(model, connector)
    with open_model(model, "np", connector=connector, node_copy=copies.top) as opened:
        server.clear_log()
        assert equal(dict(opened.iter_tensors()), plain)
        assert equal(dict(opened.iter_tensors(["1.2"])), {"1.2": plain["1.2"]})
        assert equal({k: v[...] for k, v in opened.lazy_state_dict().items()}, plain)
        checked = opened.checked_state_dict()
        assert equal({name: one[...] for name, one in checked.items()}, plain)
        checked.check()
        with opened.prefetch() as loader:
            assert equal(dict(loader), plain)
        with opened.prefetch({"0.0": SLICES}) as loader:
            assert equal(dict(loader), {"0.0": plain["0.0"][SLICES]})
        for index in (SLICES, ([3, 4999, 0],), (-1,), (None, ...)):
            assert np.array_equal(opened.get_slice("0.2")[index], plain["0.2"][index])
        assert server.log() == []
    with pytest.raises(ValueError, match="closed"):
        opened.get_tensor("0.0")


def test_module_and_file_are_loaded_by_the_copy(model, connector, copies, server):
    torch = pytest.importorskip("torch")
    uri = f"{model}0.safetensors"
    weights = load_file(uri, connector=connector, node_copy=copies.top, keep=True)
    server.clear_log()
    module = torch.nn.Module()
    module.register_module("0", torch.nn.Module())
    for i in range(5):
        getattr(module, "0").register_buffer(str(i), torch.zeros(5000, dtype=torch.int32))
    assert load_model(module, uri, connector=connector, node_copy=copies.top) == ([], [])
    assert [one.method for one in server.log() if one.key] == ["HEAD"]
    assert all(torch.equal(module.state_dict()[name], weights[name]) for name in weights)
    weights["0.1"].add_(1)
    assert not torch.equal(module.state_dict()["0.1"], weights["0.1"])


def test_forked_child_uses_what_its_parent_holds_and_removes_nothing(model, connector, copies):
    with open_model(model, "np", connector=connector, node_copy=copies.top) as opened:
        tensor = opened.get_tensor("0.3")
        total = int(tensor.sum(dtype=np.int64))

        def work():
            nonlocal tensor
            again = opened.get_tensor("0.3")
            again[:] = 0
            found = int(tensor.sum(dtype=np.int64))
            opened.close()
            del tensor, again
            gc.collect()
            return found

        assert in_child(work) == total
        assert copies.states() == ["crc64", "crc64"]
        assert int(opened.get_tensor("0.3").sum(dtype=np.int64)) == total
    del tensor
    gc.collect()
    assert copies.names() == []


def test_model_without_a_copy_says_so(model, connector):
    with open_model(model, "np", connector=connector, node_copy=False) as opened:
        assert opened.node_copy is None


def test_copy_of_an_object_without_a_crc64_says_so_to_all(bucket, connector, copies):
    data = model_files()[0]
    bucket.served.local.put_object(bucket.bucket, "plain.safetensors", data, crc64=False)
    uri = bucket.uri("plain.safetensors")
    with safe_open(uri, "np", connector=connector, node_copy=copies.top) as first:
        assert copies.states() == ["etag"]
        with safe_open(uri, "np", connector=connector, node_copy=copies.top) as second:
            assert second.node_copy.warm
            assert first.verified == second.verified == {uri: "length+etag"}


def test_child_of_multiprocessing_removes_its_copy_though_python_does_not_end_there(
    model, make_connector, copies
):
    def use():
        opened = open_model(model, "np", connector=make_connector(), node_copy=copies.top)
        kept.extend(opened.get_tensors().items())
        kept.append(opened)

    kept = []
    child = multiprocessing.get_context("fork").Process(target=use)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert copies.folder.exists()
    assert copies.names() == []


def test_models_of_many_files_cost_few_descriptors(bucket, connector, copies):
    for i in range(60):
        data = tensor_file({f"t{i}": random_tensor("I32", (10,), i)})
        bucket.put(f"many/{i:02d}.safetensors", data)
    before = len(os.listdir("/proc/self/fd"))
    with open_model(bucket.uri("many/"), "np", connector=connector, node_copy=copies.top) as opened:
        tensors = opened.get_tensors()
        assert len(tensors) == 60
        # One that is locked, and before Python 3.13 one of each mapping; connections besides.
        assert len(os.listdir("/proc/self/fd")) - before < 2 * 60 + 40
