"""Every type of the format is loaded as safetensors itself loads it."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
import safetensors
from ossmodelconnector.safetensors import TensorMeta, load_file, safe_open
from ossmodelconnector.safetensors._format import DTYPES
from support.tensor_files import Raw, random_tensor, tensor_file

SHAPES = [(3, 8), (8,), (2, 1, 4), (0, 8), (8, 0)]
LACKING = {"torch": {"F6_E2M3", "F6_E3M2"}, "numpy": {name for name in DTYPES if "F" in name}}
LACKING["numpy"] -= {"F16", "F32", "F64"}


def the_bytes(tensor):
    if not isinstance(tensor, np.ndarray):
        torch = pytest.importorskip("torch")
        tensor = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return tensor.tobytes()


def shapes_of(dtype):
    return [*SHAPES, ()] if DTYPES[dtype].bits >= 8 else SHAPES


@pytest.fixture(params=["torch", "numpy"])
def framework(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
def test_type_is_what_safetensors_makes_of_it(put, connector, tmp_path, framework, dtype):
    if framework == "numpy" and dtype in LACKING["numpy"] and "ml_dtypes" in sys.modules:
        pytest.skip("a test that ran before has brought it")
    raws = {str(shape): random_tensor(dtype, shape) for shape in shapes_of(dtype)}
    data = tensor_file(raws)
    (tmp_path / "file").write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours = load_file(put(data), framework=framework, connector=connector)
    assert ours.keys() == raws.keys()
    for name, raw in raws.items():
        assert the_bytes(ours[name]) == raw.data, name
    if dtype in LACKING[framework]:
        assert f"tensors of {dtype} come as bytes (uint8)" in str(caught[0].message)
        assert caught[0].filename == __file__
        assert {str(tensor.dtype).removeprefix("torch.") for tensor in ours.values()} == {"uint8"}
        return
    assert not caught
    with safetensors.safe_open(tmp_path / "file", framework) as file:
        for name in raws:
            theirs = file.get_tensor(name)
            assert ours[name].dtype == theirs.dtype
            assert tuple(ours[name].shape) == tuple(theirs.shape)


@pytest.mark.parametrize("dtype", DTYPES)
def test_slices_of_every_type(put, connector, framework, dtype):
    raw = random_tensor(dtype, (4, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with safe_open(
            put(tensor_file({"a": raw})), framework, connector=connector, verify="off"
        ) as file:
            row = len(raw.data) // 4
            lazy = file.get_slice("a")
            assert (lazy.get_dtype(), lazy.get_shape()) == (dtype, [4, 8])
            assert the_bytes(lazy[1:3]) == raw.data[row : 3 * row]
            assert the_bytes(lazy[...]) == the_bytes(file.get_tensor("a")) == raw.data
            assert lazy[1:3].dtype == file.get_tensor("a").dtype


def test_four_bit_numbers_that_do_not_fill_bytes_row_by_row_come_as_bytes(put, connector):
    torch = pytest.importorskip("torch")
    raw = random_tensor("F4", (2, 3))
    with pytest.warns(UserWarning, match="tensors of F4 come as bytes"):
        found = load_file(put(tensor_file({"a": raw})), connector=connector)["a"]
    assert found.dtype == torch.uint8
    assert the_bytes(found) == raw.data


def test_numpy_has_the_types_that_ml_dtypes_adds(put, connector):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    raw = random_tensor("BF16", (2, 3))
    found = load_file(put(tensor_file({"a": raw})), framework="np", connector=connector)["a"]
    assert found.dtype == ml_dtypes.bfloat16
    assert found.tobytes() == raw.data


def test_header_tells_type_shape_and_place(put, connector):
    raws = {"a": random_tensor("BF16", (3, 2)), "b": Raw("I64", (), bytes(8))}
    uri = put(tensor_file(raws, {"format": "pt"}))
    with safe_open(uri, "np", connector=connector) as file:
        assert file.get_tensor_meta("a") == TensorMeta("BF16", (3, 2), (0, 12))
        assert file.get_tensor_meta("b") == TensorMeta("I64", (), (12, 20))
        assert file.get_tensor_meta("b").nbytes == 8
        assert file.metadata() == {"format": "pt"}
        assert (file.keys(), file.offset_keys()) == (["a", "b"], ["a", "b"])
        assert (file.files, file.tensor_bytes, len(file)) == ([uri], 20, 2)


def test_file_without_a_tensor(put, connector):
    for metadata in (None, {}, {"format": "pt"}):
        uri = put(tensor_file({}, metadata))
        with safe_open(uri, "np", connector=connector) as file:
            assert (file.keys(), file.metadata(), file.get_tensors()) == ([], metadata, {})
            with file.prefetch() as loader:
                assert list(loader) == []


@pytest.mark.parametrize("blanks", range(1, 8))
@pytest.mark.parametrize("verify", ["early", "late"])
def test_data_that_is_not_aligned_is_copied(put, connector, framework, blanks, verify):
    raws = {"a": random_tensor("U8", (3,)), "b": random_tensor("F64", (5,), 2)}
    raws["c"] = random_tensor("I16", (7,), 3)
    uri = put(tensor_file(raws, blanks=blanks))
    with safe_open(uri, framework, connector=connector, verify=verify) as file:
        tensors = file.get_tensors()
    for name, raw in raws.items():
        assert the_bytes(tensors[name]) == raw.data
        if framework == "numpy":
            assert tensors[name].flags.aligned
        tensors[name][0] = 1
