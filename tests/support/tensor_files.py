"""safetensors files made by hand, of any header."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Mapping
from typing import NamedTuple

from ossmodelconnector.safetensors._format import DTYPES


class Raw(NamedTuple):
    """A tensor as the format has it."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def random_tensor(dtype: str, shape: tuple[int, ...], seed: int = 1) -> Raw:
    size = math.prod(shape) * DTYPES[dtype].bits // 8
    data = random.Random(seed).randbytes(size)
    return Raw(dtype, shape, bytes(byte & 1 for byte in data) if dtype == "BOOL" else data)


def tensor_file(
    tensors: Mapping[str, Raw], metadata: Mapping[str, str] | None = None, blanks: int | None = None
) -> bytes:
    """Tensors in their order. `blanks` behind the header; None: so many that its end is aligned."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    end = 0
    for name, (dtype, shape, data) in tensors.items():
        begin, end = end, end + len(data)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8 if blanks is None else blanks)
    return struct.pack("<Q", len(text)) + text + b"".join(raw.data for raw in tensors.values())


def index_file(weight_map: Mapping[str, str]) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": weight_map}).encode()
