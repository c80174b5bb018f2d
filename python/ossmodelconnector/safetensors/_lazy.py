"""Tensors that are read when they are indexed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ossmodelconnector.safetensors._store import TensorStore

__all__ = ["LazyStateDict", "LazyTensor"]


class LazyTensor:
    """A tensor of a model that is open, of which an index reads a part: ``lazy[3:5, ..., 0]``.

    An index takes what torch's does of integers, slices with steps above 0, ``...``, None and
    sequences of integers; ``lazy[...]`` is all of it. What is taken lies in memory of its own. Its
    bytes are checked as `Model.verified` says, not by the CRC-64 of their file, which only all of
    that has.

    Example:
        >>> lazy = model.get_slice("embed.weight")
        >>> lazy.get_shape(), lazy.get_dtype()
        ([8, 4], 'F32')
        >>> lazy[-1].shape
        torch.Size([4])
    """

    __slots__ = ("_device", "_meta", "_name", "_store")

    def __init__(self, store: TensorStore, device: Any, name: str) -> None:
        self._store = store
        self._device = device
        self._name = name
        self._meta = store.place(name).meta

    def get_shape(self) -> list[int]:
        """The shape that the header tells, in elements of `get_dtype`."""
        return list(self._meta.shape)

    def get_dtype(self) -> str:
        """The format's name of its type, such as ``"BF16"``."""
        return self._meta.dtype

    def __getitem__(self, index: Any) -> Any:
        self._store.check()
        return self._store.framework.finish(self._store.part(self._name, index), self._device)

    def __repr__(self) -> str:
        return f"<LazyTensor {self._name!r}, {self._meta.dtype} {list(self._meta.shape)}>"


class LazyStateDict(Mapping[str, LazyTensor]):
    """The tensors of a model by name, in the order of their bytes. `Model` makes it."""

    def __init__(self, store: TensorStore, device: Any) -> None:
        self._store = store
        self._device = device

    def __getitem__(self, name: str) -> LazyTensor:
        if name not in self._store.places:
            raise KeyError(name)
        return LazyTensor(self._store, self._device, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.places)

    def __len__(self) -> int:
        return len(self._store.places)
