"""SavedTensor: what the head of a file that ``torch.save`` wrote of one tensor says.

Such a file is a zip archive: ``data.pkl`` comes first, then some small records, then the tensor's
bytes, which are not compressed.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import struct
from typing import Any, ClassVar, NamedTuple

import torch

__all__ = ["SavedTensor", "parse_head"]

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_HAS_DESCRIPTOR = 1 << 3  # sizes stand behind the record, not in front of it
_DESCRIPTOR = struct.Struct("<4s3I")
_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}


class SavedTensor(NamedTuple):
    """A tensor of an archive.

    Attributes:
        begin: where its first element is, in bytes from the archive's begin.
        dtype: its type.
        shape: its extents.
        stride: how many elements lie between neighbours along each dimension.
    """

    begin: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie behind each other in their order."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.stride)):
            if size != 1 and stride != expected:
                return 0 in self.shape
            expected *= size
        return True

    @property
    def span_bytes(self) -> int:
        """How many bytes there are from its first element to behind its last one."""
        if 0 in self.shape:
            return 0
        steps = ((size - 1) * stride for size, stride in zip(self.shape, self.stride))
        itemsize: int = self.dtype.itemsize
        return (sum(steps) + 1) * itemsize


def parse_head(head: bytes | bytearray) -> SavedTensor | None:
    """Returns what the begin of an archive tells of its one tensor. Runs nothing that it names.

    None: it is none, or it is cut before the tensor's bytes, or it holds something else than a
    plain tensor, such as a sparse one, or bytes of the other order.
    """
    try:
        return _parse(head)
    except Exception:  # whatever strange bytes lead to: torch shall judge them
        return None


def _parse(head: bytes | bytearray) -> SavedTensor | None:
    name, begin, end = _record(head, 0)
    folder, _, file = name.rpartition("/")
    if file != "data.pkl":
        return None
    tensor = _Unpickler(io.BytesIO(head[begin:end])).load()
    if not isinstance(tensor, _Tensor):
        return None
    wanted = f"{folder}/data/{tensor.storage.key}"
    at = head.index(b"PK\3\4", end)
    while True:
        name, begin = _name_of_record(head, at)
        if name == wanted:
            break
        _, begin, end = _record(head, at)
        if name == f"{folder}/byteorder" and head[begin:end] != b"little":
            return None
        at = head.index(b"PK\3\4", end)
    saved = SavedTensor(
        begin + tensor.offset * tensor.dtype.itemsize, tensor.dtype, tensor.shape, tensor.stride
    )
    storage_bytes = tensor.storage.elements * (tensor.storage.dtype or torch.uint8).itemsize
    if saved.begin - begin + saved.span_bytes > storage_bytes:
        return None
    return saved


def _name_of_record(head: bytes | bytearray, at: int) -> tuple[str, int]:
    """The name of the record whose header begins there, and where its bytes begin."""
    mark, _, _, method, *_, name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(head, at)
    if mark != b"PK\3\4" or method != 0:
        raise ValueError("no header of a record that is not compressed")
    at += _LOCAL_HEADER.size
    begin = at + name_bytes + extra_bytes
    if begin > len(head):
        raise ValueError("the head ends in a header")
    return bytes(head[at : at + name_bytes]).decode(), begin


def _record(head: bytes | bytearray, at: int) -> tuple[str, int, int]:
    """The name of the record whose header begins there, and where its bytes begin and end."""
    name, begin = _name_of_record(head, at)
    _, _, flags, _, _, _, _, size, *_ = _LOCAL_HEADER.unpack_from(head, at)
    if not flags & _HAS_DESCRIPTOR:
        return name, begin, begin + size
    end = begin
    while True:
        end = head.index(b"PK\7\x08", end)
        if _DESCRIPTOR.unpack_from(head, end)[2] == end - begin:
            return name, begin, end
        end += 1


class _Storage(NamedTuple):
    key: str
    dtype: torch.dtype | None  # None: untyped
    elements: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, dtype: Any) -> _Tensor:
    sizes = (offset, *shape, *stride)
    if (
        not isinstance(storage, _Storage)
        or not isinstance(dtype, torch.dtype)
        or not all(type(size) is int and size >= 0 for size in sizes)
        or len(shape) != len(stride)
        or math.prod(shape) >= 1 << 63
    ):
        raise pickle.UnpicklingError("no tensor has such sizes")
    return _Tensor(storage, offset, dtype, tuple(shape), tuple(stride))


def _rebuild_v2(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, more: Any = None
) -> _Tensor:
    if more:
        raise pickle.UnpicklingError("a tensor with marks, such as a conjugate")
    return _tensor(storage, offset, shape, stride, storage.dtype)


def _rebuild_v3(
    storage: Any,
    offset: Any,
    shape: Any,
    stride: Any,
    _grad: Any,
    _hooks: Any,
    dtype: Any,
    more: Any = None,
) -> _Tensor:
    if more:
        raise pickle.UnpicklingError("a tensor with marks, such as a conjugate")
    return _tensor(storage, offset, shape, stride, dtype)


_NAMES: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_v2,
    ("torch._utils", "_rebuild_tensor_v3"): _rebuild_v3,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch.storage", "UntypedStorage"): None,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


_OPCODES = (
    pickle.PROTO,
    pickle.STOP,
    pickle.GLOBAL,
    pickle.REDUCE,
    pickle.BINPERSID,
    pickle.BINUNICODE,
    pickle.BININT,
    pickle.BININT1,
    pickle.BININT2,
    pickle.LONG1,
    pickle.NONE,
    pickle.NEWTRUE,
    pickle.NEWFALSE,
    pickle.MARK,
    pickle.EMPTY_TUPLE,
    pickle.TUPLE,
    pickle.TUPLE1,
    pickle.TUPLE2,
    pickle.TUPLE3,
    pickle.BINPUT,
    pickle.LONG_BINPUT,
    pickle.BINGET,
    pickle.LONG_BINGET,
)


class _Unpickler(pickle._Unpickler):
    """Knows the names and opcodes of a plain tensor alone, and has its own meaning for each name.

    It is the one in Python: the one in C takes as much memory as a number in the file says.
    """

    dispatch: ClassVar[Any] = {code[0]: pickle._Unpickler.dispatch[code[0]] for code in _OPCODES}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NAMES:
            return _NAMES[module, name]
        dtype = getattr(torch, name, None) if module == "torch" else None
        if isinstance(dtype, torch.dtype):
            return dtype
        raise pickle.UnpicklingError(f"{module}.{name} is not of a plain tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count = pid
        if kind != "storage" or type(count) is not int:
            raise pickle.UnpicklingError("no storage")
        return _Storage(str(key), dtype, count)
