"""The safetensors format: its dtypes, and the header of a file, checked. No tensor library.

The rules are those of https://github.com/safetensors/safetensors (format), and stricter: a name
that stands twice is refused, where a JSON parser would take the last one; and a dimension has less
than 2**63 elements, as it has in tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

try:
    from safetensors import SafetensorError
except ImportError:

    class SafetensorError(Exception):  # type: ignore[no-redef]  # one of ours where it is missing
        """What that package raises for a file that it cannot read."""


__all__ = [
    "DTYPES",
    "DType",
    "Header",
    "HeaderError",
    "SliceError",
    "TensorMeta",
    "header_length",
    "parse_header",
]

# As the Rust library has it.
MAX_HEADER_BYTES = 100_000_000
# Of the header's length, an unsigned little-endian integer.
PREFIX_BYTES = 8
# What stands around JSON: writers pad a header with it, in front too.
_BLANKS = b" \t\r\n"
# As deep as that library reads; a header needs three levels.
_MAX_DEPTH = 127
_SIZE_LIMIT = 1 << 63
_FIELDS = ("dtype", "shape", "data_offsets")
# Python refuses to convert long texts only in its newer versions, and needs minutes for them.
_MAX_DIGITS = 20


class HeaderError(SafetensorError, ValueError):
    """A file is no safetensors file, or says what cannot be, or lacks what was asked for.

    Also a `safetensors.SafetensorError` where that package is installed.
    """


class SliceError(SafetensorError, IndexError):
    """A slice lies outside of its tensor.

    Also a `safetensors.SafetensorError` where that package is installed.
    """


class DType(NamedTuple):
    """An element type of the format.

    Attributes:
        bits: of one element.
        torch: the name of torch's type; ``""``: it has none.
        numpy: the name of numpy's type, or of one that ml_dtypes adds; ``""``: neither has one.
        packed: how many elements are one element of torch's type, along the last dimension.
    """

    bits: int
    torch: str
    numpy: str
    packed: int = 1


DTYPES: Mapping[str, DType] = {
    "BOOL": DType(8, "bool", "bool"),
    "F4": DType(4, "float4_e2m1fn_x2", "", packed=2),
    "F6_E2M3": DType(6, "", ""),
    "F6_E3M2": DType(6, "", ""),
    "U8": DType(8, "uint8", "uint8"),
    "I8": DType(8, "int8", "int8"),
    "F8_E5M2": DType(8, "float8_e5m2", "float8_e5m2"),
    "F8_E4M3": DType(8, "float8_e4m3fn", "float8_e4m3fn"),
    "F8_E8M0": DType(8, "float8_e8m0fnu", "float8_e8m0fnu"),
    "F8_E4M3FNUZ": DType(8, "float8_e4m3fnuz", "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": DType(8, "float8_e5m2fnuz", "float8_e5m2fnuz"),
    "I16": DType(16, "int16", "int16"),
    "U16": DType(16, "uint16", "uint16"),
    "F16": DType(16, "float16", "float16"),
    "BF16": DType(16, "bfloat16", "bfloat16"),
    "I32": DType(32, "int32", "int32"),
    "U32": DType(32, "uint32", "uint32"),
    "F32": DType(32, "float32", "float32"),
    "C64": DType(64, "complex64", "complex64"),
    "F64": DType(64, "float64", "float64"),
    "I64": DType(64, "int64", "int64"),
    "U64": DType(64, "uint64", "uint64"),
}


class TensorMeta(NamedTuple):
    """What a header says about a tensor.

    Attributes:
        dtype: the format's own name, such as ``"BF16"``.
        shape: in elements of that type.
        data_offsets: (begin, end) of its bytes, from the end of the header on.
    """

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        return self.data_offsets[1] - self.data_offsets[0]


class Header(NamedTuple):
    """A checked header.

    Attributes:
        tensors: by name, in the order of their bytes.
        metadata: the texts beside them; None: there are none.
        data_begin: where the tensors' bytes begin in the file.
    """

    tensors: Mapping[str, TensorMeta]
    metadata: Mapping[str, str] | None
    data_begin: int


def header_length(file: str, prefix: bytes, file_bytes: int) -> int:
    """Returns where the header of a file ends, by its first 8 bytes.

    Args:
        file: its name, for errors.
        prefix: its first bytes.
        file_bytes: how many it has.

    Raises:
        HeaderError: no header can have that length.
    """
    if file_bytes < PREFIX_BYTES or len(prefix) < PREFIX_BYTES:
        raise HeaderError(f"{file}: a file of {file_bytes} bytes has no safetensors header")
    length = int.from_bytes(prefix[:PREFIX_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise HeaderError(
            f"{file}: its first 8 bytes say that its header has {length} bytes, more than the "
            f"{MAX_HEADER_BYTES} that are possible: no safetensors file"
        )
    if PREFIX_BYTES + length > file_bytes:
        raise HeaderError(
            f"{file}: a header of {length} bytes does not fit in its {file_bytes} bytes: it is cut "
            "short, or no safetensors file"
        )
    return PREFIX_BYTES + length


def parse_header(file: str, text: bytes, file_bytes: int) -> Header:
    """Returns what the header says.

    Args:
        file: its name, for errors.
        text: the file's bytes behind the first 8, to the end of the header.
        file_bytes: how many bytes the whole file has.

    Raises:
        HeaderError: it does not hold.
    """
    fields = _json_object(file, text)
    metadata = _metadata(file, fields.pop("__metadata__", None))
    metas = [(name, _tensor(file, name, info)) for name, info in fields.items()]
    metas.sort(key=lambda entry: entry[1].data_offsets)
    data_begin = PREFIX_BYTES + len(text)
    _check_offsets(file, metas, file_bytes - data_begin)
    return Header(dict(metas), metadata, data_begin)


def _json_object(file: str, text: bytes) -> dict[str, Any]:
    if not text.lstrip(_BLANKS).startswith(b"{"):
        raise HeaderError(f"{file}: its header does not begin with '{{': no safetensors file")
    try:
        fields = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
        if b"\\u" in text:
            _check_surrogates(fields)
    except _DuplicateError as error:
        raise HeaderError(f"{file}: its header names {error.args[0]!r:.200} twice") from None
    except RecursionError:
        raise HeaderError(f"{file}: its header is nested too deeply") from None
    except ValueError as error:
        raise HeaderError(f"{file}: its header is no valid JSON: {error!s:.200}") from None
    return fields  # type: ignore[no-any-return]  # a dict: nothing else begins so


class _DuplicateError(Exception):
    pass


# One for all that are empty: a hostile header has tens of millions.
_NOTHING: dict[str, Any] = {}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if not pairs:
        return _NOTHING
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _DuplicateError(name)
            seen.add(name)
    return fields


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _integer(text: str) -> int:
    """-1: it is no size."""
    if len(text) <= _MAX_DIGITS and text[0] != "-":
        return int(text)
    _finite(text)
    return -1


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text:.60} is no number")
    return value


def _check_surrogates(fields: object) -> None:
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("it holds a lone surrogate, which UTF-8 has no form for") from None


def _check_depth(value: Any, depth: int) -> None:
    """Of what no rule knows: whether it is read must not depend on this Python's own limit."""
    if not isinstance(value, (dict, list)):
        return
    if depth > _MAX_DEPTH:
        raise RecursionError
    for inner in value.values() if isinstance(value, dict) else value:
        _check_depth(inner, depth + 1)


def _metadata(file: str, given: Any) -> Mapping[str, str] | None:
    if given is None:
        return None
    if isinstance(given, dict) and all(isinstance(value, str) for value in given.values()):
        return given
    raise HeaderError(f"{file}: __metadata__ must be a JSON object whose values are strings")


def _tensor(file: str, name: str, info: Any) -> TensorMeta:
    def fault(text: str) -> HeaderError:
        return HeaderError(f"{file}: tensor {name!r:.200}: {text}")

    if not isinstance(info, dict):
        raise fault("must be a JSON object")
    missing = [field for field in _FIELDS if field not in info]
    if missing:
        raise fault(f"has no {missing[0]}")
    if len(info) > len(_FIELDS):
        try:
            _check_depth(info, 2)
        except RecursionError:
            raise fault("is nested too deeply") from None
    dtype, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise fault(f"its dtype is {dtype!r:.60}, which the format does not have")
    if not _are_sizes(shape):
        raise fault(f"its shape is {shape!r:.60}: it must be a list of integers of 0 or more")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise fault(f"its data_offsets are {offsets!r:.60}: they must be [begin, end]")
    bits = 1
    for factor in (*shape, DTYPES[dtype].bits):
        bits *= factor
        if bits >= _SIZE_LIMIT:
            raise fault(f"{dtype} of shape {shape!r:.60} is more than 64 bits can count")
    if bits % 8 or bits // 8 != offsets[1] - offsets[0]:
        raise fault(
            f"{dtype} of shape {shape!r:.60} is {bits / 8:g} bytes, and its data_offsets have "
            f"{offsets[1] - offsets[0]}"
        )
    return TensorMeta(dtype, tuple(shape), (offsets[0], offsets[1]))


def _are_sizes(given: Any) -> bool:
    return isinstance(given, list) and all(
        type(size) is int and 0 <= size < _SIZE_LIMIT for size in given
    )


def _check_offsets(file: str, metas: list[tuple[str, TensorMeta]], data_bytes: int) -> None:
    end, before = 0, "the header"
    for name, meta in metas:
        begin = meta.data_offsets[0]
        if begin != end:
            fault = "overlaps" if begin < end else "leaves a hole behind"
            raise HeaderError(
                f"{file}: tensor {name!r:.200}: its bytes begin at {begin}, which {fault} "
                f"{before}, whose bytes end at {end}"
            )
        end, before = meta.data_offsets[1], f"{name!r:.200}"
    if end != data_bytes:
        fault = "is cut short" if end > data_bytes else "has bytes that belong to no tensor"
        raise HeaderError(
            f"{file}: its tensors end at {end}, and behind its header are {data_bytes} bytes: the "
            f"file {fault}"
        )
