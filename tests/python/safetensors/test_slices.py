"""A slice is what the tensor library's own index takes, and costs little more than its bytes."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ossmodelconnector.safetensors import SliceError, safe_open
from ossmodelconnector.safetensors._index import box_of, runs_of
from ossmodelconnector.safetensors._partial import widened
from support.asked import asked_ranges
from support.tensor_files import Raw, tensor_file

MiB = 1 << 20
SHAPES = [(), (1,), (7,), (5, 4), (3, 4, 5), (2, 3, 2, 3), (0, 3), (3, 0, 2)]
ARRAYS = {
    str(shape): np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)
    for shape in SHAPES
}


@pytest.fixture(scope="module", params=["torch", "numpy"])
def file(request, put, connector):
    pytest.importorskip(request.param)
    raws = {name: Raw("I32", array.shape, array.tobytes()) for name, array in ARRAYS.items()}
    with safe_open(put(tensor_file(raws)), request.param, connector=connector) as file:
        yield file


def as_library_has_it(file, array):
    return array if isinstance(file.get_tensor("()"), np.ndarray) else to_torch(array)


def to_torch(array):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(array.copy())


def indexes(shape):
    """Those of one dimension each, or ``...``, or None; at most one sequence."""

    def item(size):
        bound = st.none() | st.integers(-size - 2, size + 2)
        slices = st.builds(slice, bound, bound, st.none() | st.integers(1, 3))
        return slices | st.integers(-size, size - 1) if size else slices

    def with_more(items):
        places = st.integers(0, len(items))
        return st.tuples(st.just(items), st.sampled_from(["", "none", "ellipsis"]), places)

    def put_in(drawn):
        items, what, place = drawn
        more = {"": (), "none": (None,), "ellipsis": (Ellipsis,)}[what]
        if what == "ellipsis":
            return (*items[:place], ...)
        return (*items[:place], *more, *items[place:])

    return st.integers(0, len(shape)).flatmap(
        lambda count: st.tuples(*map(item, shape[:count])).flatmap(with_more).map(put_in)
    )


@given(data=st.data(), shape=st.sampled_from(SHAPES))
def test_index_takes_what_the_library_takes(file, data, shape):
    index = data.draw(indexes(shape))
    expected = as_library_has_it(file, ARRAYS[str(shape)])[index]
    found = file.get_slice(str(shape))[index]
    assert tuple(found.shape) == tuple(expected.shape)
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


@given(data=st.data(), shape=st.sampled_from([shape for shape in SHAPES if 0 not in shape][1:]))
def test_sequence_of_places_takes_what_the_library_takes(file, data, shape):
    axis = data.draw(st.integers(0, len(shape) - 1))
    places = data.draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), max_size=4))
    index = (slice(None),) * axis + (places,)
    expected = as_library_has_it(file, ARRAYS[str(shape)])[index]
    found = file.get_slice(str(shape))[index]
    assert tuple(found.shape) == tuple(expected.shape)
    assert found.tolist() == expected.tolist()


def test_one_index_needs_no_tuple(file):
    lazy, whole = file.get_slice("(3, 4, 5)"), file.get_tensor("(3, 4, 5)")
    for index in (1, -1, slice(1, None), ..., None, [0, 2], np.int64(1), np.array([0, 2]), ()):
        assert lazy[index].tolist() == whole[index].tolist(), index


@pytest.mark.parametrize(
    ("index", "kind", "text"),
    [
        (3, SliceError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((0, -5), SliceError, "index -5 is out of bounds for dimension 1 with size 4"),
        ([0, 3], SliceError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((0, 0, 0, 0), SliceError, "too many indices for a tensor of 3 dimensions: 4"),
        ((..., ...), SliceError, "only one '...'"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (slice(None, None, 0), ValueError, "zero"),
        (True, TypeError, "an index is an integer, a slice"),
        (np.True_, TypeError, "an index is an integer, a slice"),
        ([True, False, True], TypeError, "an index is an integer, a slice"),
        (np.array([True, False, True]), TypeError, "an index is an integer, a slice"),
        ("a", TypeError, "not str"),
        (1.0, TypeError, "not float"),
        ([[0, 1]], TypeError, "int"),
    ],
    ids=repr,
)
def test_wrong_index_says_what_is_wrong_before_any_request(file, server, index, kind, text):
    lazy = file.get_slice("(3, 4, 5)")
    server.clear_log()
    with pytest.raises(kind, match=text.replace("(", r"\(")):
        lazy[index]
    assert server.log() == []


@given(data=st.data(), shape=st.sampled_from([shape for shape in SHAPES if 0 not in shape]))
def test_runs_of_a_box_are_its_elements_in_order(data, shape):
    spans = tuple(
        (begin, data.draw(st.integers(begin + 1, size)))
        for size in shape
        for begin in [data.draw(st.integers(0, size - 1))]
    )
    box = box_of(shape, tuple(slice(*span) for span in spans))
    found = []
    for run in runs_of(shape, box):
        assert run.place == len(found)
        found += range(run.begin, run.begin + run.length)
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    assert found == array[tuple(slice(*span) for span in spans)].reshape(-1).tolist()


def test_rows_arewidened_where_gaps_cost_less_than_requests():
    shape, item = (1000, 64, 64), 4
    box = box_of(shape, (slice(0, 500), slice(0, 8)))
    assert widened(shape, item, box, gap_bytes=MiB).shape == (500, 64, 64)
    assert widened(shape, item, box, gap_bytes=1000) == box
    only = box_of(shape, (7, slice(0, 8)))
    assert widened(shape, item, only, gap_bytes=MiB) == only


@pytest.fixture(scope="module")
def wide(put):
    """A matrix of 2 MiB, and its bytes before it."""
    data = random.Random(5).randbytes(2 * MiB)
    front = Raw("U8", (MiB,), bytes(MiB))
    return put(tensor_file({"front": front, "a": Raw("I32", (512, 1024), data)})), data


@pytest.mark.parametrize("gap_bytes", [0, MiB], ids=["exact", "whole rows"])
@pytest.mark.parametrize(
    "index",
    [(slice(64, 128),), (slice(None), slice(128, 256)), (slice(3, 500, 7), slice(0, 3)), (5, 7)],
    ids=str,
)
def test_exact_ranges_and_whole_rows_give_the_same(
    wide, make_connector, monkeypatch, gap_bytes, index
):
    from ossmodelconnector.safetensors import _partial, _shard

    monkeypatch.setattr(_shard.Shard, "gap_bytes", gap_bytes)
    monkeypatch.setattr(_partial, "_BLOCK_BYTES", 256 << 10)
    uri, data = wide
    with safe_open(uri, "np", connector=make_connector()) as file:
        found = file.get_slice("a")[index]
    expected = np.frombuffer(data, np.int32).reshape(512, 1024)[index]
    assert np.array_equal(found, expected)
    assert found.flags.c_contiguous
    assert found.flags.writeable or not found.shape


def test_eighth_of_a_tensor_along_its_first_dimension_receives_little_more(
    wide, make_connector, server
):
    uri, data = wide
    with safe_open(uri, "np", connector=make_connector()) as file:
        server.clear_log()
        for part in range(8):
            found = file.get_slice("a")[64 * part : 64 * (part + 1)]
            assert found.tobytes() == data[part * MiB // 4 : (part + 1) * MiB // 4]
        received = sum(end - begin for begin, end in asked_ranges(server.local))
        assert received <= 1.05 * 2 * MiB
