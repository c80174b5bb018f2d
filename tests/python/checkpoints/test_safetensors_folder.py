"""Folders of safetensors files, read by OssStorageReader."""

from __future__ import annotations

import json

import pytest
import torch
import torch.distributed.checkpoint as dcp
from ossmodelconnector.safetensors import HeaderError, open_model
from ossmodelconnector.torch import OssStorageReader
from support.tensor_files import index_file, random_tensor, tensor_file

KiB, MiB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def bucket(new_bucket):
    return new_bucket("checkpoint-folders")


@pytest.fixture(scope="module")
def put(bucket, folder_numbers):
    """put(files): the URI of a folder."""

    def put(files):
        prefix = f"{next(folder_numbers)}/"
        for name, data in files.items():
            bucket.put(prefix + name, data)
        return bucket.uri(prefix)

    return put


DTYPES = ["BF16", "F16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "I64", "U16", "U32", "U8", "BOOL", "C64"]


def model_files():
    return {
        f"model-{part}.safetensors": tensor_file(
            {f"{part}.{dtype}": random_tensor(dtype, (90, 40), part) for dtype in DTYPES}
            | {
                f"{part}.scalar": random_tensor("F32", ()),
                f"{part}.none": random_tensor("F32", (0,)),
            }
        )
        for part in (1, 2)
    }


def load(uri, state, connector):
    reader = OssStorageReader(uri, connector=connector)
    dcp.load(state, storage_reader=reader, no_dist=True)
    return state


def tensors(uri, connector):
    with open_model(uri, connector=connector) as model:
        return model.get_tensors()


def equal(ours, theirs):
    return list(ours) == list(theirs) and all(
        torch.equal(ours[name].view(-1).view(torch.uint8), theirs[name].view(-1).view(torch.uint8))
        for name in theirs
    )


def test_all_types_of_a_model(put, connector):
    uri = put(model_files())
    expected = tensors(uri, connector)
    assert len(expected) == 2 * (len(DTYPES) + 2)
    state = {name: torch.zeros_like(tensor) for name, tensor in expected.items()}
    assert equal(load(uri, state, connector), expected)


def test_folder_costs_a_listing_and_two_round_trips(put, connector, server):
    uri = put(model_files())
    expected = tensors(uri, connector)
    state = {name: torch.zeros_like(tensor) for name, tensor in expected.items()}
    server.clear_log()
    load(uri, state, connector)
    asked = [(one.method, (one.key or "").rpartition("/")[2]) for one in server.log()]
    assert asked[:2] == [("GET", ".metadata"), ("GET", "")]
    # Headers, and as they are of listed files no HEAD; then tensors.
    assert sorted(asked[2:4]) == [("GET", f"model-{part}.safetensors") for part in (1, 2)]
    assert sorted(set(asked[4:])) == [("GET", f"model-{part}.safetensors") for part in (1, 2)]


def test_index_says_which_files_count(put, connector):
    files = model_files()
    names = [f"1.{dtype}" for dtype in DTYPES]
    files["model.safetensors.index.json"] = index_file(dict.fromkeys(names, "model-1.safetensors"))
    state = {"1.BF16": torch.zeros(90, 40, dtype=torch.bfloat16)}
    uri = put(files)
    assert load(uri, state, connector)["1.BF16"].any()
    with pytest.raises(dcp.api.CheckpointException, match="Missing key"):
        load(uri, {"2.BF16": torch.zeros(90, 40)}, connector)
    names.append("absent")
    files["model.safetensors.index.json"] = index_file(dict.fromkeys(names, "model-1.safetensors"))
    text = failure(put(files), state, connector)
    assert "index.json: no file of the folder has the tensor 'absent'" in text


def test_tensor_into_one_of_another_type(put, connector):
    uri = put(model_files())
    loaded = load(uri, {"1.BF16": torch.zeros(90, 40)}, connector)["1.BF16"]
    expected = tensors(uri, connector)["1.BF16"].float()
    assert torch.equal(loaded.view(torch.int32), expected.view(torch.int32))


def part_of(offsets, seed, dtype="F32", shape=(30, 50), name="w"):
    """A file as torch's writer makes it of one rank's part."""
    info = json.dumps({name: {"saved_offsets": offsets}})
    raws = {name: random_tensor(dtype, shape, seed)}
    return tensor_file(raws, {"DCP_SHARDING_INFO": info, "DCP_VERSION": "1.0", "format": "pt"})


def test_parts_that_ranks_saved_are_put_together(put, connector):
    files = {f"shard-{i}.safetensors": part_of([30 * i, 0], i) for i in range(3)}
    files["shard-3.safetensors"] = part_of([90, 0], 3, shape=(7, 50))
    uri = put(files)
    loaded = load(uri, {"w": torch.zeros(97, 50)}, connector)["w"]
    parts = [tensors(f"{uri}{name}", connector)["w"] for name in files]
    assert torch.equal(loaded.view(torch.int32), torch.cat(parts).view(torch.int32))


def failure(uri, state, connector):
    with pytest.raises(dcp.api.CheckpointException) as caught:
        load(uri, state, connector)
    ((error, _),) = caught.value.failures.values()
    return str(error)


def test_folders_that_do_not_hold(put, connector):
    state = {"w": torch.zeros(60, 50)}
    whole = tensor_file({"w": random_tensor("F32", (30, 50))})
    text = failure(put({"a.safetensors": whole, "b.safetensors": whole}), state, connector)
    assert "b.safetensors: tensor 'w' stands in another file of the folder too" in text
    other = part_of([30, 0], 2, dtype="F16")
    text = failure(put({"a.safetensors": whole, "b.safetensors": other}), state, connector)
    assert "b.safetensors: the part of tensor 'w' here is of another type" in text
    text = failure(put({"a.safetensors": part_of([30], 1)}), state, connector)
    assert "a.safetensors: tensor 'w' of shape [30, 50] should begin at [30] of its whole" in text
    text = failure(put({"a.safetensors": part_of("x", 1)}), state, connector)
    assert "a.safetensors: its DCP_SHARDING_INFO does not hold" in text
    text = failure(put({"a.safetensors": part_of([-3, 0], 1)}), state, connector)
    assert "a.safetensors: its DCP_SHARDING_INFO has an offset below 0" in text
    text = failure(put({"a.safetensors": whole[:-100]}), state, connector)
    assert "is cut short" in text
    text = failure(put({"pytorch_model.bin": b"PK"}), state, connector)
    assert "only pickled weights" in text
    assert "There are: pytorch_model.bin" in text


def test_header_errors_are_of_their_kind(put, connector):
    reader = OssStorageReader(put({"a.safetensors": b"too short"}), connector=connector)
    with pytest.raises(HeaderError, match=r"a\.safetensors"):
        reader.read_metadata()
