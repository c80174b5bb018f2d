"""Whole tensors that are asked for once each, in about the order of their files, and checked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ossmodelconnector._process import register_lock_holder
from ossmodelconnector.safetensors._lazy import LazyTensor
from ossmodelconnector.safetensors._shard import begin_loads

if TYPE_CHECKING:
    from ossmodelconnector.safetensors._shard import Shard
    from ossmodelconnector.safetensors._store import TensorStore

__all__ = ["CheckedStateDict", "CheckedTensor"]


class _Stream:
    """A file that is received in the order of its bytes, each tensor into memory of its own.

    Thread-safe: whoever asks for a tensor first receives what lies before it.
    """

    def __init__(self, store: TensorStore, shard: Shard, names: list[str]) -> None:
        self._store = store
        self._shard = shard
        self._names = names
        self._lock = threading.Lock()
        # The following is guarded by it.
        self._tensors = store.stream_alone(shard, names)
        self._passed: dict[str, Any] = {}  # received, and not asked for yet
        self._left = set(names)  # nobody was given these
        self._is_begun = False
        self._is_whole = False  # all of it came, and its CRC-64 was right
        self._error: BaseException | None = None  # which ended it

    def renew(self) -> None:
        """In a forked child, where nobody is left to unlock it, or to go on with what was begun.

        What came before is the parent's, and its to check: here the file comes from its begin.
        """
        self._lock = threading.Lock()
        if not self._is_whole and self._error is None:
            self._tensors = self._store.stream_alone(self._shard, self._names)
            self._passed.clear()
            self._is_begun = False

    def take(self, name: str) -> Any:
        """The tensor; None: it was handed out before."""
        with self._lock:
            if name not in self._left:
                return None
            self._is_begun = True
            while name not in self._passed:
                self._receive_one()
            self._left.discard(name)
            return self._passed.pop(name)

    def check(self) -> None:
        """Receives the rest, and drops it. ChecksumError: the file is not what was uploaded."""
        with self._lock:
            self._passed.clear()
            while self._is_begun and self._receive_one():
                self._passed.clear()

    def _receive_one(self) -> bool:
        """False: that was all."""
        if self._error is not None:
            raise self._error
        try:
            for name, tensor in self._tensors:
                if name in self._left:  # else it was handed out before a fork
                    self._passed[name] = tensor
                return True
        except BaseException as error:
            self._error = error
            raise
        self._is_whole = True
        return False


class CheckedTensor(LazyTensor):
    """As `LazyTensor`; and all of it, ``checked[...]``, is checked by the CRC-64 of its file.

    That is known when `CheckedStateDict.check` has returned. Asked for again, or in parts, it is
    read as a `LazyTensor` is.

    Example:
        >>> weights = model.checked_state_dict()
        >>> weights["embed.weight"][...].shape
        torch.Size([8, 4])
    """

    __slots__ = ("_stream",)

    def __init__(self, store: TensorStore, device: Any, name: str, stream: _Stream) -> None:
        super().__init__(store, device, name)
        self._stream = stream

    def __getitem__(self, index: Any) -> Any:
        if index is Ellipsis:
            tensor = self._stream.take(self._name)
            if tensor is not None:
                return self._store.framework.finish(tensor, self._device)
        return super().__getitem__(index)


class CheckedStateDict(Mapping[str, CheckedTensor]):
    """The tensors of a model by name. `Model.checked_state_dict` makes it. Any thread may use it.

    Example:
        >>> weights = model.checked_state_dict()
        >>> whole = {name: tensor[...] for name, tensor in weights.items()}
        >>> weights.check()
    """

    def __init__(self, store: TensorStore, device: Any) -> None:
        self._store = store
        self._device = device
        self._streams: dict[str, _Stream] = {}
        shards = store.by_shard(None)
        begin_loads(shards)
        for shard, names in shards.items():
            stream = _Stream(store, shard, names)
            self._streams.update(dict.fromkeys(names, stream))
        register_lock_holder(self)

    def __getitem__(self, name: str) -> CheckedTensor:
        return CheckedTensor(self._store, self._device, name, self._streams[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def check(self) -> None:
        """Compares the CRC-64 of each file that a whole tensor was taken of.

        What nobody took of such a file is received and dropped.

        Raises:
            ChecksumError: its bytes, and so the tensors of it, are not what was uploaded.
            OssError: or another of its kinds.
        """
        for stream in dict.fromkeys(self._streams.values()):
            stream.check()

    def _after_fork_in_child(self) -> None:
        for stream in dict.fromkeys(self._streams.values()):
            stream.renew()
