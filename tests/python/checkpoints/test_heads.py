"""What is read off the head of a file of torch.save, against torch."""

from __future__ import annotations

import io
import random
import resource
import zipfile

import pytest
import torch
from ossmodelconnector.torch._saved_tensor import SavedTensor, parse_head

# Quantized ones have scales beside their elements: they are no plain tensors.
DTYPES = [
    one
    for name, one in vars(torch).items()
    if isinstance(one, torch.dtype) and not name.startswith(("qint", "quint"))
]


def saved(tensor, **options):
    buffer = io.BytesIO()
    torch.save(tensor, buffer, **options)
    return buffer.getvalue()


def dtypes_that_can_be_saved():
    found = []
    for dtype in dict.fromkeys(DTYPES):
        try:
            saved(torch.zeros(4, dtype=torch.uint8).view(dtype))
        except (RuntimeError, TypeError, KeyError):
            continue
        found.append(dtype)
    return found


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental:UserWarning")
def test_place_type_and_strides_are_those_of_torch():
    dtypes = dtypes_that_can_be_saved()
    assert {torch.float8_e4m3fn, torch.bfloat16, torch.uint16} <= set(dtypes)
    for dtype in dtypes:
        flat = torch.arange(240, dtype=torch.uint8).view(dtype)
        for tensor in (flat, flat.view(2, -1), flat.view(5, -1).t(), flat[1:]):
            data = saved(tensor)
            head = parse_head(data)
            own = (tensor.dtype, tuple(tensor.shape), tensor.stride())
            assert (head.dtype, head.shape, head.stride) == own
            assert head.is_contiguous == tensor.is_contiguous()
            raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            place = slice(head.begin, head.begin + head.span_bytes)
            again = raw[place].clone().view(dtype).as_strided(head.shape, head.stride)
            assert torch.equal(
                again.contiguous().view(torch.uint8), tensor.contiguous().view(torch.uint8)
            )


def test_head_is_enough():
    data = saved(torch.arange(100_000))
    begin = parse_head(data).begin
    assert parse_head(data[:begin]) == parse_head(data)
    assert parse_head(data[: begin - 100]) is None


@pytest.mark.parametrize(
    "thing",
    [
        {"a": torch.zeros(3)},
        torch.nn.Parameter(torch.zeros(3)),
        torch.zeros(3, 3).to_sparse(),
        torch.zeros(3, dtype=torch.complex64).conj(),
        [1, 2],
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_no_plain_tensor_is_left_to_torch(thing):
    assert parse_head(saved(thing)) is None


def test_other_forms_are_left_to_torch():
    tensor = torch.arange(5)
    assert parse_head(saved(tensor, _use_new_zipfile_serialization=False)) is None
    data = saved(tensor)
    assert parse_head(data.replace(b"little", b"biggie")) is None
    packed = io.BytesIO()
    old = zipfile.ZipFile(io.BytesIO(data))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert parse_head(packed.getvalue()) is None
    assert parse_head(b"") is None


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(
    "hostile",
    [
        b"r\xff\xff\xff\x0f",  # LONG_BINPUT: in C, a list of 2 GiB
        b"\x96\x00\x00\x00\x80\x00\x00\x00\x00",  # BYTEARRAY8 of 2 GiB
        b"\x8b\xff\xff\xff\x7f",  # LONG4
    ],
)
def test_head_takes_no_memory_that_it_claims(hostile):
    old = zipfile.ZipFile(io.BytesIO(saved(torch.arange(5))))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            changed = data.replace(b"q\x00(", hostile + b"(") if name.endswith("data.pkl") else data
            new.writestr(name, changed)
            assert changed != data or not name.endswith("data.pkl")
    before = peak_bytes()
    parse_head(buffer.getvalue())
    assert peak_bytes() - before < 512 << 20


def test_no_bytes_lead_to_anything_else_than_a_tensor_or_none():
    data = saved(torch.arange(64))
    draw = random.Random(1)
    tensors = 0
    for _ in range(3000):
        changed = bytearray(data[: draw.randrange(len(data)) if draw.random() < 0.1 else None])
        for _ in range(draw.randrange(1, 4)):
            if changed:
                changed[draw.randrange(min(len(changed), 800))] = draw.randrange(256)
        head = parse_head(changed)
        assert head is None or isinstance(head, SavedTensor)
        if head is not None:
            tensors += 1
            assert head.span_bytes >= 0
    assert 0 < tensors < 3000
