"""Model: the tensors of one or more safetensors files, as safetensors' own handles have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ossmodelconnector._errors import ChecksumError
from ossmodelconnector.safetensors._checked import CheckedStateDict
from ossmodelconnector.safetensors._copied import NodeCopy, open_copied_shards
from ossmodelconnector.safetensors._format import TensorMeta
from ossmodelconnector.safetensors._frameworks import framework_of
from ossmodelconnector.safetensors._lazy import LazyStateDict, LazyTensor
from ossmodelconnector.safetensors._loader import Planned, PrefetchLoader, require_limits
from ossmodelconnector.safetensors._shard import Shard, Verify, open_shards
from ossmodelconnector.safetensors._source import files_of
from ossmodelconnector.safetensors._store import TensorStore

if TYPE_CHECKING:
    from typing_extensions import Self

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._node_copy import Folder

__all__ = ["Model"]


class Model:
    """The tensors of a model, read as they are asked for. `open_model` and `safe_open` make it.

    A whole tensor is handed out as ``verify`` says. With ``"early"`` its file is received whole
    first, and checked: for one tensor of a large file, or a part of one, use `get_slice`, which
    costs no more than what it takes. With ``"late"`` the CRC-64 is compared when all tensors of a
    file have come, whole, in whatever order and by whichever call; the next call says what is
    wrong, or `close`. `verified` tells what was checked.

    Tensors can be changed in place, and each is alone: the next call for the same name returns the
    file's bytes again. They stay after the model is closed.

    Any thread may use it. A closed model raises ValueError.

    Example:
        >>> with open_model("oss://bucket/tiny/", connector=connector) as model:
        ...     weights = {name: tensor for name, tensor in model.iter_tensors()}
    """

    def __init__(
        self,
        connector: OssModelConnector,
        source: Any,
        framework: str,
        device: Any,
        verify: Verify,
        variant: str | None,
        folder: Folder | None,
        keep: bool,
    ) -> None:
        if verify not in ("early", "late", "off"):
            raise ValueError(f'verify must be "early", "late" or "off", not {verify!r}')
        library = framework_of(framework, device)
        files = files_of(connector, source, variant)
        self._node_copy: NodeCopy | None = None
        shards: Sequence[Shard]
        if folder is None:
            shards = open_shards(connector, files.objects)
        else:
            shards, self._node_copy = open_copied_shards(
                connector, files.objects, folder, keep=keep
            )
            verify = "early"  # it was, when the copy was made
        self._store = TensorStore(shards, files, library, verify)
        self._device = device

    # --- what there is ---

    @property
    def files(self) -> list[str]:
        """The addresses of its files, in their order."""
        return [shard.uri for shard in self._store.shards]

    @property
    def tensor_bytes(self) -> int:
        """How many bytes its tensors have in all."""
        return sum(place.meta.nbytes for place in self._store.places.values())

    @property
    def verified(self) -> dict[str, str]:
        """By file, what the bytes that came of it were checked by so far.

        ``"crc64"``: all of them, by the object's CRC-64. Of a file that parts were read of:
        ``"length+etag"`` or ``"length+modified"``, see `ObjectReader.verified`.

        Example:
            >>> set(model.verified.values()) <= {"crc64", "length+etag"}
            True
        """
        return {shard.uri: shard.verified for shard in self._store.shards}

    @property
    def node_copy(self) -> NodeCopy | None:
        """Where the copy is that processes share, and whether it was there; None: there is none.

        Example:
            >>> model.node_copy is None
            True
        """
        return self._node_copy

    def keys(self) -> list[str]:
        """The tensors' names, sorted."""
        return sorted(self._store.places)

    def offset_keys(self) -> list[str]:
        """The tensors' names in the order of their bytes, file after file."""
        return list(self._store.places)

    def __len__(self) -> int:
        return len(self._store.places)

    def metadata(self) -> dict[str, str] | None:
        """The texts of the files' headers; of two of one name, the first file's. None: no texts."""
        merged: dict[str, str] = {}
        found = [shard.header.metadata for shard in self._store.shards]
        for metadata in reversed(found):
            merged.update(metadata or {})
        return merged if any(metadata is not None for metadata in found) else None

    def get_tensor_meta(self, name: str) -> TensorMeta:
        """What the header says about a tensor. HeaderError: there is none of that name."""
        self._store.check()
        return self._store.place(name).meta

    # --- tensors ---

    def get_tensor(self, name: str) -> Any:
        """Returns a tensor.

        Raises:
            HeaderError: there is none of that name.
            ChecksumError: the bytes of its file are not what was uploaded.
            MemoryBudgetError: ``verify="early"``, and its file is larger than the budget.
            OssError: or another of its kinds.

        Example:
            >>> model.get_tensor("embed.weight").shape
            torch.Size([8, 4])
        """
        self._store.check()
        return self._store.framework.finish(self._store.whole_tensor(name), self._device)

    def get_tensors(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Returns tensors by name; None: all of them. Errors as `get_tensor`."""
        return dict(self.iter_tensors(names))

    def iter_tensors(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Any]]:
        """Iterates over (name, tensor), in the order of their bytes, file after file.

        Later files are fetched while earlier ones are used, as far as the budget goes.

        Args:
            names: which; None: all of them.

        Raises:
            HeaderError: there is none of that name.
            ChecksumError: from the iterator: a file's bytes are not what was uploaded.
            OssError: or another of its kinds.

        Example:
            >>> sum(tensor.nbytes for _, tensor in model.iter_tensors()) == model.tensor_bytes
            True
        """
        tensors = self._store.iterate(self._store.by_shard(names))  # which checks the names
        finish = self._store.framework.finish
        return ((name, finish(tensor, self._device)) for name, tensor in tensors)

    def get_slice(self, name: str) -> LazyTensor:
        """Returns a tensor that is read when it is indexed, and of which only that part is.

        HeaderError: there is none of that name.

        Example:
            >>> model.get_slice("embed.weight")[2:4, 0].shape
            torch.Size([2])
        """
        self._store.check()
        return LazyTensor(self._store, self._device, name)

    def lazy_state_dict(self) -> Mapping[str, LazyTensor]:
        """Returns all tensors by name, each read when it is indexed.

        It is what transformers takes for ``state_dict=`` of ``from_pretrained``.

        Example:
            >>> model.lazy_state_dict()["embed.weight"][...].shape
            torch.Size([8, 4])
        """
        return LazyStateDict(self._store, self._device)

    def checked_state_dict(self) -> CheckedStateDict:
        """Returns all tensors by name, for who takes each of them once, whole, and then checks.

        As `lazy_state_dict`, but a whole tensor, ``[...]``, is received with its file: in the order
        of its bytes, by many requests at once, as far ahead as the budget goes. `CheckedStateDict.
        check` then compares the CRC-64 of the files. Tensors that were passed over wait in memory.

        Example:
            >>> weights = model.checked_state_dict()
            >>> weights["head.weight"][...].shape
            torch.Size([4, 8])
            >>> weights.check()
        """
        return CheckedStateDict(self._store, self._device)

    def prefetch(
        self,
        plan: Mapping[str, Any] | None = None,
        *,
        device: Any = None,
        threads: int | None = None,
        dtype: Any = None,
        memory_bytes: int | None = None,
    ) -> PrefetchLoader:
        """Starts to load tensors, or parts of them, in the background.

        Args:
            plan: by name None for the whole tensor, or a slice, or a tuple of slices; None: all
                tensors.
            device: where they go; None: the model's.
            threads: how many receive at a time; None: 4.
            dtype: what those of a floating type become; None: they stay as they are.
            memory_bytes: how much may be ready or on its way that nobody has taken yet; None: no
                limit. Files that are received whole lie in the connector's budget besides.

        Returns:
            A `PrefetchLoader`, a context manager, which hands each tensor out once.

        Raises:
            HeaderError: there is none of that name.
            SliceError: a slice lies outside of its tensor.
            ValueError: a limit is below 1, or there is no such type.

        Example:
            >>> with model.prefetch({"embed.weight": (slice(0, 4),)}) as loader:
            ...     shapes = {name: tuple(tensor.shape) for name, tensor in loader}
            >>> shapes
            {'embed.weight': (4, 4)}
        """
        store, library = self._store, self._store.framework
        target = self._device if device is None else device
        require_limits(threads, memory_bytes)
        library.finish(library.empty(library.dtype("F32"), (0,)), target, dtype)  # can it be?
        wanted = dict.fromkeys(store.places) if plan is None else dict(plan)
        planned = [
            Planned(name, wanted[name], store.wanted_bytes(name, wanted[name]))
            for names in store.by_shard(wanted).values()
            for name in names
        ]
        store.begin_loads(store.by_shard(item.name for item in planned if item.index is None))

        def load(item: Planned) -> Any:
            if item.index is None:
                tensor = store.whole_tensor(item.name)
            else:
                tensor = store.part(item.name, item.index)
            return library.finish(tensor, target, dtype)

        return PrefetchLoader(
            planned, load, threads=threads, memory_bytes=memory_bytes, tell=store.tell_late
        )

    # --- its end ---

    def close(self) -> None:
        """Closes its files. Tensors that were handed out stay. A second close does nothing.

        Raises:
            ChecksumError: with ``verify="late"``, bytes that were handed out were wrong.
        """
        self._store.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._store.closed

    def __enter__(self) -> Self:
        self._store.check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except ChecksumError:
            if error is None:
                raise

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"<Model of {len(self.files)} files, {len(self)} tensors{state}>"
