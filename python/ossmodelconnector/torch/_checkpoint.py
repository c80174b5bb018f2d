"""OssStorageReader: distributed checkpoints in OSS, for torch.distributed.checkpoint."""

from __future__ import annotations

import functools
import itertools
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner
from torch.distributed.checkpoint.storage import StorageReader
from torch.futures import Future

from ossmodelconnector import _core
from ossmodelconnector._default import connector_or_default
from ossmodelconnector._errors import BucketNotFoundError, ObjectNotFoundError
from ossmodelconnector.safetensors._format import HeaderError
from ossmodelconnector.torch._checkpoint_folder import Folder, open_folder, read_folder
from ossmodelconnector.torch._checkpoint_metadata import load_metadata
from ossmodelconnector.torch._checkpoint_records import Record, read_records, records_of
from ossmodelconnector.torch._transfer import read_for

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._reader import ObjectReader

__all__ = ["OssStorageReader"]

# What is asked for in one go. Behind each group the line rests for a round trip.
_GROUP_BYTES = 1 << 30
# How many objects an error names that says what is in a folder.
_NAMED = 5


class OssStorageReader(StorageReader):  # type: ignore[misc]  # torch is of type Any
    """Reads a distributed checkpoint out of OSS, for ``torch.distributed.checkpoint.load``.

    The checkpoint is of DCP's own format, or a folder of safetensors files: one from a model hub,
    or what torch's HuggingFaceStorageWriter wrote. It may have been saved by another number of
    ranks. Each rank receives what it wants and little more, of all files at once, into the tensors
    of its state dict.

    All bytes of a file are of one version. They are checked by range and length, and each tensor's
    record by what its head says; a CRC-64 there is for whole files only.

    Args:
        uri: ``oss://bucket/prefix/``: the folder that ``.metadata`` or the files lie in.
        connector: None: one for the process, made by `OssModelConnector.from_env` at first use.

    Raises:
        ValueError: the URI is none.
        TypeError: the URI or the connector is of another type.

    It is used by one thread, for one load after the other, and it pickles, as its arguments. Values
    that are no tensors go to torch's planner, which unpickles them with ``weights_only=False``.
    That runs code out of the checkpoint: load those that you trust.

    Example:
        >>> import torch
        >>> import torch.distributed.checkpoint as dcp
        >>> state = {"embed.weight": torch.empty(8, 4), "head.weight": torch.empty(4, 8)}
        >>> reader = OssStorageReader("oss://bucket/tiny/", connector=connector)
        >>> dcp.load(state, storage_reader=reader, no_dist=True)
        >>> state["head.weight"][0, :3]
        tensor([0., 1., 2.])
    """

    def __init__(
        self, uri: str | os.PathLike[str], *, connector: OssModelConnector | None = None
    ) -> None:
        self._uri = _folder_uri(uri)
        self._given = connector
        if connector is not None:
            connector_or_default(connector)  # of the right type
        self._metadata: Any = None
        self._folder: Folder | None = None

    @property
    def checkpoint_id(self) -> str:
        """The folder's URI; it ends in ``/``."""
        return self._uri

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Whether it is ``oss://bucket/prefix``.

        Args:
            checkpoint_id: anything.
        """
        try:
            _folder_uri(checkpoint_id)
        except (TypeError, ValueError):
            return False
        return True

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Forgets what was read; another load begins.

        Args:
            checkpoint_id: the folder to read from now on; None: the same.

        Raises:
            ValueError: it is no ``oss://bucket/prefix``.
        """
        self._close()
        if checkpoint_id is not None:
            self._uri = _folder_uri(checkpoint_id)

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Reads ``.metadata``, or the headers of the folder's safetensors files.

        Args:
            *args: none.
            **kwargs: `rank`: reads the metadata of that rank, as they are saved without
                collectives.

        Returns:
            torch's ``Metadata``.

        Raises:
            ObjectNotFoundError: there is no checkpoint; the text says what there is.
            ValueError: ``.metadata`` is none, or names what it has no need of.
            HeaderError: a file is no safetensors file.
            OssError: or another of its kinds.
        """
        self._close()
        rank = kwargs.get("rank")
        uri = f"{self._uri}.metadata" if rank is None else f"{self._uri}__{rank}.metadata"
        connector = self._connector
        try:
            with connector.open(uri) as reader:
                metadata = load_metadata(uri, reader.read())
        except BucketNotFoundError:
            raise
        except ObjectNotFoundError:
            if rank is not None:
                raise
            metadata = self._folder_metadata(connector)
        if getattr(metadata, "storage_meta", None) is None:
            metadata.storage_meta = StorageMeta()
        metadata.storage_meta.load_id = str(uuid.uuid4())
        return metadata

    def set_up_storage_reader(
        self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any
    ) -> None:
        """Takes what `read_metadata` returned.

        Args:
            metadata: that.
            is_coordinator: whether this rank makes the global plan: all the same here.
            *args: none.
            **kwargs: what torch tells besides.

        Raises:
            ValueError: it does not say where anything is.
        """
        if metadata.storage_data is None:
            raise ValueError(f"the metadata of {self._uri} does not say where its tensors are")
        self._metadata = metadata

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """Returns the plan as it is.

        Args:
            plan: what this rank wants.
        """
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """Returns the plans as they are.

        Args:
            plans: what the ranks want.
        """
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Reads all items of a plan into the planner's tensors.

        Args:
            plan: what this rank wants.
            planner: tells where it goes.

        Returns:
            A future that is done.

        Raises:
            ObjectNotFoundError: a file is missing.
            ObjectChangedError: a file was overwritten meanwhile.
            ValueError: a file is cut short, or a record is none.
            OssError: or another of its kinds; the text names a tensor.
        """
        try:
            if self._folder is not None:
                read_folder(self._connector, self._folder, plan.items, planner, _GROUP_BYTES)
            else:
                self._read_records(records_of(plan.items, self._metadata), planner)
        finally:
            self._close()
        done: Any = Future()
        done.set_result(None)
        return done

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(type(self), connector=self._given), (self._uri,)

    @property
    def _connector(self) -> OssModelConnector:
        return connector_or_default(self._given)

    def _read_records(self, records: list[Record], planner: Any) -> None:
        connector = self._connector
        names: dict[str, list[str]] = {}
        for record in records:
            names.setdefault(record.file, []).append(record.name)
        with ExitStack() as opened:
            readers = _open_files(connector, self._uri, names)
            for reader in readers.values():
                opened.enter_context(reader)
            read_records(connector, readers, records, planner, _GROUP_BYTES)

    def _folder_metadata(self, connector: OssModelConnector) -> Any:
        try:
            self._folder = open_folder(connector, self._uri)
        except HeaderError:
            raise
        except (ObjectNotFoundError, ValueError) as error:
            raise ObjectNotFoundError(
                f"{self._uri} holds no checkpoint: there is no .metadata, and no folder of "
                f"safetensors files either ({error}). {self._what_is_there(connector)}",
                uri=self._uri,
            ) from None
        return self._folder.metadata

    def _what_is_there(self, connector: OssModelConnector) -> str:
        bucket, _, prefix = self._uri.removeprefix("oss://").partition("/")
        found = connector.iter_objects(bucket, prefix)
        names = [info.key[len(prefix) :] for info in itertools.islice(found, _NAMED + 1)]
        if not names:
            return "Nothing is there: no key begins so"
        more = ", and more" if len(names) > _NAMED else ""
        return f"There are: {', '.join(names[:_NAMED])}{more}"

    def _close(self) -> None:
        folder, self._folder = self._folder, None
        for shard in folder.shards if folder is not None else ():
            shard.close()
        self._metadata = None


def _folder_uri(given: Any) -> str:
    """The URI of a folder, with the slash at its end."""
    uri = os.fspath(given)
    if not isinstance(uri, str):
        raise TypeError(f"the checkpoint's URI must be str, not {type(uri).__name__}")
    bucket, _, prefix = uri.removeprefix("oss://").partition("/")
    if not uri.startswith("oss://") or not bucket or not prefix.strip("/"):
        hint = "; a Path makes one slash of two: pass a str" if uri.startswith("oss:/") else ""
        shown = _core.without_secrets(f"{uri!r:.200}")
        raise ValueError(f"a checkpoint is at oss://bucket/prefix/, not {shown}{hint}")
    return uri.rstrip("/") + "/"


def _open_files(
    connector: OssModelConnector, folder: str, names: Mapping[str, Sequence[str]]
) -> dict[str, ObjectReader]:
    """Opens files, all at once; `names` has the tensors that are in each."""
    try:
        readers = connector.open_many((folder + file for file in names), prefetch=False)
    except ObjectNotFoundError as error:
        file = error.uri[len(folder) :]
        if file in names:
            text = f"{error}; {read_for(names[file])}, as the checkpoint's metadata says"
            error.args, error.strerror = (text,), text
        raise
    return dict(zip(names, readers))
