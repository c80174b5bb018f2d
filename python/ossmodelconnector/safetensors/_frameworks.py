"""Tensors of torch or numpy over memory that holds a file's bytes."""

from __future__ import annotations

import functools
import math
import mmap
import warnings
from typing import TYPE_CHECKING, Any, Protocol

from ossmodelconnector._warnings import stacklevel_of_caller
from ossmodelconnector.safetensors._format import DTYPES, TensorMeta

if TYPE_CHECKING:
    from types import ModuleType

    from typing_extensions import Buffer

__all__ = ["Framework", "allocate", "framework_of", "stored_as", "tensor_over"]

# From so many bytes on memory comes from the system, in huge pages where it has them.
_LARGE_BYTES = 1 << 20


def allocate(size: int) -> Buffer:
    """Returns writable memory of `size` bytes, at least 16-byte aligned, in nobody's budget."""
    if size < _LARGE_BYTES:
        return bytearray(size)
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


class Framework(Protocol):
    """A library of tensors."""

    def dtype(self, name: str) -> Any:
        """Its type for one of the format; None: it has none, and tensors of it come as bytes."""

    def over(self, memory: Buffer, offset: int, count: int) -> Any:
        """`count` bytes of writable memory from `offset` on, as a flat tensor of bytes."""

    def as_type(self, flat: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
        """The same bytes as another type and shape."""

    def empty(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        """A tensor without elements."""

    def copy(self, tensor: Any) -> Any:
        """A contiguous copy in memory of its own."""

    def itemsize(self, dtype: Any) -> int:
        """How many bytes an element has."""

    def finish(self, tensor: Any, device: Any, dtype: Any = None) -> Any:
        """The tensor on that device, and of that type if it is of a floating one."""


class _Torch:
    def __init__(self, torch: ModuleType) -> None:
        self._torch: Any = torch

    def dtype(self, name: str) -> Any:
        return getattr(self._torch, DTYPES[name].torch or "-", None)

    def over(self, memory: Buffer, offset: int, count: int) -> Any:
        return self._torch.frombuffer(memory, dtype=self._torch.uint8, count=count, offset=offset)

    def as_type(self, flat: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
        return flat.view(dtype).view(shape)

    def empty(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        # Not where a context of torch has new tensors go.
        return self._torch.empty(shape, dtype=dtype, device="cpu")

    def copy(self, tensor: Any) -> Any:
        return tensor.clone(memory_format=self._torch.contiguous_format)

    def itemsize(self, dtype: Any) -> int:
        size: int = dtype.itemsize
        return size

    def finish(self, tensor: Any, device: Any, dtype: Any = None) -> Any:
        if isinstance(dtype, str):
            name, dtype = dtype, getattr(self._torch, dtype.removeprefix("torch."), None)
            if not isinstance(dtype, self._torch.dtype):
                raise ValueError(f"torch has no type {name!r}")
        changes = dtype is not None and tensor.is_floating_point()
        return tensor.to(device=device, dtype=dtype if changes else None)


class _Numpy:
    def __init__(self, numpy: ModuleType) -> None:
        self._numpy: Any = numpy

    def dtype(self, name: str) -> Any:
        try:
            return self._numpy.dtype(DTYPES[name].numpy or "-")
        except TypeError:
            return None

    def over(self, memory: Buffer, offset: int, count: int) -> Any:
        return self._numpy.frombuffer(memory, dtype=self._numpy.uint8, count=count, offset=offset)

    def as_type(self, flat: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
        return flat.view(dtype).reshape(shape)

    def empty(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        return self._numpy.empty(shape, dtype=dtype)

    def copy(self, tensor: Any) -> Any:
        return self._numpy.array(tensor, order="C")

    def itemsize(self, dtype: Any) -> int:
        size: int = self._numpy.dtype(dtype).itemsize
        return size

    def finish(self, tensor: Any, device: Any, dtype: Any = None) -> Any:
        if dtype is not None and self._numpy.issubdtype(tensor.dtype, self._numpy.floating):
            tensor = tensor.astype(dtype, copy=False)
        return tensor


@functools.cache
def _torch() -> Framework:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "tensors of torch need torch: pip install 'ossmodelconnector[torch]', or "
            'framework="numpy"'
        ) from error
    return _Torch(torch)


@functools.cache
def _numpy() -> Framework:
    try:
        import numpy
    except ImportError as error:
        raise ImportError(
            "arrays of numpy need numpy: pip install 'ossmodelconnector[safetensors]'"
        ) from error
    return _Numpy(numpy)


def framework_of(name: str, device: Any) -> Framework:
    """The library of that name, which must know that device.

    Raises:
        ValueError: there is none of that name, or numpy is to put arrays elsewhere.
        RuntimeError: or another one by torch: it does not know the device.
        ImportError: it is not installed.
    """
    if name in ("pt", "torch"):
        torch = _torch()
        torch.finish(torch.empty(torch.dtype("U8"), (0,)), device)
        return torch
    if name in ("np", "numpy"):
        if device != "cpu":
            raise ValueError(f"arrays of numpy are on the device 'cpu', not {device!r}")
        return _numpy()
    raise ValueError(f'framework must be "pt", "torch", "np" or "numpy", not {name!r}')


def stored_as(framework: Framework, meta: TensorMeta) -> tuple[Any, tuple[int, ...]]:
    """Returns the type and shape of a tensor as `framework` has them.

    What it has no type for comes as bytes, and a warning says so.
    """
    kind = DTYPES[meta.dtype]
    dtype = framework.dtype(meta.dtype)
    last = meta.shape[-1] if meta.shape else 1
    if dtype is not None and last % kind.packed == 0:
        return dtype, meta.shape if kind.packed == 1 else (*meta.shape[:-1], last // kind.packed)
    bits = last * kind.bits
    shape = (*meta.shape[:-1], bits // 8) if meta.shape and bits % 8 == 0 else (meta.nbytes,)
    warnings.warn(
        f"tensors of {meta.dtype} come as bytes (uint8): there is no such type here",
        stacklevel=stacklevel_of_caller(),
    )
    return framework.dtype("U8"), shape


def tensor_over(
    framework: Framework, memory: Buffer, offset: int, dtype: Any, shape: tuple[int, ...]
) -> Any:
    """A tensor whose bytes lie in writable memory from `offset` on.

    A copy where they are not aligned as its type must be.
    """
    count = math.prod(shape) * framework.itemsize(dtype)
    if count == 0:
        return framework.empty(dtype, shape)
    flat = framework.over(memory, offset, count)
    if offset % framework.itemsize(dtype):
        flat = framework.copy(flat)
    return framework.as_type(flat, dtype, shape)
