"""Where tensors lie, who shares their memory, and what the budget says."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import pytest
from ossmodelconnector import MemoryBudgetError
from ossmodelconnector.safetensors import load_file, open_model, safe_open
from support.tensor_files import Raw, random_tensor, tensor_file

MiB = 1 << 20


@pytest.fixture(scope="module")
def shards(put):
    """Three files of 3 MiB each, and their bytes."""
    raws = {
        f"{i}.{j}": Raw("U8", (MiB,), random.Random(10 * i + j).randbytes(MiB))
        for i in range(3)
        for j in range(3)
    }
    uris = [
        put(tensor_file({name: raw for name, raw in raws.items() if name[0] == str(i)}))
        for i in range(3)
    ]
    return uris, {name: raw.data for name, raw in raws.items()}


def mapping_of(address):
    """The line of /proc/self/maps that an address lies in: (begin, end)."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(text, 16) for text in line.split()[0].split("-"))
        if begin <= address < end:
            return begin, end
    raise AssertionError(address)


def address_of(array):
    return array.__array_interface__["data"][0]


def test_tensors_of_a_whole_file_lie_in_the_memory_that_it_was_received_in(shards, make_connector):
    uris, data = shards
    connector = make_connector()
    with safe_open(uris[0], "np", connector=connector) as file:
        tensors = file.get_tensors()
        addresses = [address_of(tensor) for tensor in tensors.values()]
        assert [address - addresses[0] for address in addresses] == [0, MiB, 2 * MiB]
        assert len({mapping_of(address) for address in addresses}) == 1
        assert connector.stats().memory_bytes >= 3 * MiB  # it is the budget's
    assert {name: tensor.tobytes() for name, tensor in tensors.items()} == {
        name: data[name] for name in tensors
    }
    assert connector.stats().memory_bytes >= 3 * MiB
    del tensors, file
    gc.collect()
    assert connector.stats().memory_bytes == 0


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize("verify", ["early", "late", "off"])
def test_tensors_stay_and_can_be_changed_after_all_is_closed(
    shards, make_connector, framework, verify
):
    pytest.importorskip(framework)
    uris, data = shards
    connector = make_connector()
    with open_model(uris, framework, connector=connector, verify=verify) as model:
        tensors = model.get_tensors()
        part = model.get_slice("1.1")[10:20]
    connector.close()
    del model, connector
    gc.collect()
    assert bytes(part.tolist()) == data["1.1"][10:20]
    for name, tensor in tensors.items():
        tensor[0] ^= 255
        assert bytes(tensor[:100].tolist()) == bytes([data[name][0] ^ 255]) + data[name][1:100]
        assert bytes(tensor[-100:].tolist()) == data[name][-100:]


def by_names(model):
    return {name: model.get_tensor(name) for name in reversed(model.keys())}


def by_all_at_once(model):
    return model.get_tensors()


def by_loader(model):
    with model.prefetch(threads=2) as loader:
        return dict(loader)


def by_slices(model):
    return {name: lazy[...] for name, lazy in model.lazy_state_dict().items()}


def by_checked_slices(model):
    weights = model.checked_state_dict()
    taken = {name: lazy[...] for name, lazy in weights.items()}
    weights.check()
    return taken


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize("verify", ["early", "late", "off"])
@pytest.mark.parametrize(
    "load", [by_names, by_all_at_once, by_loader, by_slices, by_checked_slices]
)
def test_tensors_keep_their_bytes_while_other_loads_use_the_memory_again(
    shards, put, make_connector, framework, verify, load
):
    pytest.importorskip(framework)
    uris, data = shards
    others = [
        put(tensor_file({f"t{i}": Raw("U8", (3 * MiB,), bytes([i]) * 3 * MiB)})) for i in (1, 2)
    ]
    # So little that memory is used again as soon as it can be.
    connector = make_connector(config={"prefetch.memoryBytes": 12 * MiB})
    model = open_model(uris, framework, connector=connector, verify=verify)
    tensors = load(model)
    kept = {name: tensors[name] for name in ("0.1", "1.0", "1.2")}  # of the third file none
    loader = model.prefetch() if load is by_loader else None
    model.close()
    del tensors, model, loader
    gc.collect()

    def load_others(connector):
        for verify in ("early", "late"):
            with open_model(others, framework, connector=connector, verify=verify) as other:
                for tensor in other.get_tensors().values():
                    tensor[:] = 255
        gc.collect()

    def are_kept():
        return all(bytes(memoryview(kept[name].data)) == data[name] for name in kept)

    if framework == "torch":
        kept = {name: tensor.numpy() for name, tensor in kept.items()}
    load_others(connector)
    assert are_kept()
    connector.close()
    del connector
    gc.collect()
    assert are_kept()
    load_others(make_connector(config={"prefetch.memoryBytes": 12 * MiB}))
    assert are_kept()
    kept["0.1"][:] = 3
    del kept["1.0"]
    gc.collect()
    assert bytes(kept["1.2"].data) == data["1.2"]


@pytest.mark.parametrize("verify", ["early", "late", "off"])
def test_change_of_a_tensor_is_seen_by_that_tensor_alone(shards, connector, verify):
    uris, data = shards
    with safe_open(uris[0], "np", connector=connector, verify=verify) as file:
        first = file.get_tensor("0.0")
        other = file.get_tensor("0.1")
        first[:] = 7
        assert other.tobytes() == data["0.1"]
        assert file.get_tensor("0.0").tobytes() == data["0.0"]
        assert file.get_slice("0.0")[:10].tobytes() == data["0.0"][:10]
        for name, tensor in file.iter_tensors():
            assert tensor.tobytes() == data[name]
            tensor[:] = 7
        with file.prefetch() as loader:
            for name, tensor in loader:
                assert tensor.tobytes() == data[name]
        assert (first == 7).all()


def test_budget_below_the_largest_file_names_the_way_out(shards, make_connector, server):
    uris, data = shards
    connector = make_connector(config={"prefetch.memoryBytes": 2 * MiB})
    with open_model(uris, "np", connector=connector) as model:
        server.clear_log()
        for ask in (model.get_tensor, lambda name: model.prefetch({name: None}).take(name)):
            with pytest.raises(MemoryBudgetError, match='verify="late"') as caught:
                ask("1.0")
            assert uris[1] in str(caught.value)
            assert str(2 * MiB) in str(caught.value)
        assert model.get_slice("1.0")[:10].tobytes() == data["1.0"][:10]
    with open_model(uris, "np", connector=connector, verify="late") as model:
        assert {name: tensor.tobytes() for name, tensor in model.iter_tensors()} == data
        assert set(model.verified.values()) == {"crc64"}


def test_budget_of_one_file_loads_all(shards, make_connector):
    uris, data = shards
    connector = make_connector(config={"prefetch.memoryBytes": 4 * MiB})
    with open_model(uris, "np", connector=connector) as model:
        tensors = model.get_tensors()
        assert set(model.verified.values()) == {"crc64"}
    assert {name: tensor.tobytes() for name, tensor in tensors.items()} == data
    assert connector.stats().memory_peak_bytes <= 4 * MiB


def test_budget_of_one_file_loads_all_by_a_loader(shards, make_connector):
    uris, data = shards
    connector = make_connector(config={"prefetch.memoryBytes": 4 * MiB})
    with open_model(uris, "np", connector=connector) as model, model.prefetch() as loader:
        assert {name: tensor.tobytes() for name, tensor in loader} == data


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_memory_is_flat_over_200_loads(shards, make_connector, server):
    uris, _ = shards
    connector = make_connector(config={"prefetch.memoryBytes": 16 * MiB})

    def load(times):
        for i in range(times):
            server.clear_log()  # which lies in this process too
            verify = ("early", "late", "off")[i % 3]
            with safe_open(uris[i % 3], "np", connector=connector, verify=verify) as file:
                if i % 2:
                    file.get_tensors()
                else:
                    with file.prefetch(threads=2) as loader:
                        for _ in loader:
                            pass
        gc.collect()

    load(40)
    before = resident_bytes()
    load(200)
    assert resident_bytes() - before < 12 * MiB  # a load has 3 MiB
    assert connector.stats().memory_bytes == 0


def test_abandoned_iteration_gives_its_memory_back_with_the_model(shards, make_connector):
    uris, _ = shards
    connector = make_connector()
    for verify in ("early", "late"):
        with open_model(uris, "np", connector=connector, verify=verify) as model:
            for _ in model.iter_tensors():
                break
        del model, _
        gc.collect()
        assert connector.stats().memory_bytes == 0


def test_small_tensors_are_numpy_arrays_of_their_own(put, connector):
    raws = {f"t{i}": random_tensor("F32", (i,), i) for i in range(40)}
    tensors = load_file(put(tensor_file(raws)), framework="np", connector=connector)
    for name, raw in raws.items():
        assert tensors[name].tobytes() == raw.data
        tensors[name][:] = 1
    del tensors["t5"]
    assert tensors["t39"].shape == (39,)
