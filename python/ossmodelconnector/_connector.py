"""OssModelConnector: what users begin with."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from ossmodelconnector import _core, _log, _process
from ossmodelconnector._arguments import (
    ObjectToOpen,
    object_to_open,
    range_of_object,
    read_ahead,
    require_binary_flag,
    require_bucket,
    require_prefetch_flag,
    require_text,
)
from ossmodelconnector._certificates import offer_certifi
from ossmodelconnector._config import config_json, read_config_file
from ossmodelconnector._credentials import (
    check_provider,
    is_anonymous,
    pickled_provider,
    read_now,
    restored_provider,
)
from ossmodelconnector._credentials_chain import DefaultChain
from ossmodelconnector._credentials_files import CredentialsFileProvider
from ossmodelconnector._objects import ObjectInfo, ObjectList, object_info
from ossmodelconnector._progress import Progress, ProgressContext
from ossmodelconnector._read_objects import iterate
from ossmodelconnector._reader import ObjectReader
from ossmodelconnector._renewal import Renewal
from ossmodelconnector._warnings import stacklevel_of_caller

if TYPE_CHECKING:
    from typing_extensions import Self

    from ossmodelconnector._credentials import CredentialClient, CredentialsProvider
    from ossmodelconnector._errors import OssError

__all__ = ["ConnectorStats", "OssModelConnector"]


@dataclass(frozen=True)
class ConnectorStats:
    """Counters of one connector since it was made; what `OssModelConnector.stats` returns.

    Attributes:
        bytes_received: body bytes that came in from the network.
        bytes_read: bytes that reads and views handed out.
        requests: HTTP requests sent.
        retries: requests that were sent again after a failure.
        throttles: replies that asked to slow down.
        hedges: requests sent a second time because the first was slow.
        refetches: chunks fetched anew, after memory was taken back or bytes were wrong.
        prefetch_hits: reads that found all their bytes in memory.
        prefetch_misses: reads that had to wait.
        memory_bytes: chunk memory in use now.
        memory_peak_bytes: the most that was in use.
        memory_limit_bytes: the budget; the one that all connectors of the process share, unless
            ``prefetch.memoryBytes`` is set, and then it moves with what others leave free.
        connections: connections that are open now.
        limited_by: what holds the speed down now: ``"idle"``, ``"network"``, ``"memory"``,
            ``"reader"``, ``"cpu"``, ``"throttle"`` or ``"limit"``
            (``transfer.maxBytesPerSecond``).
    """

    bytes_received: int
    bytes_read: int
    requests: int
    retries: int
    throttles: int
    hedges: int
    refetches: int
    prefetch_hits: int
    prefetch_misses: int
    memory_bytes: int
    memory_peak_bytes: int
    memory_limit_bytes: int
    connections: int
    limited_by: Literal["idle", "network", "memory", "reader", "cpu", "throttle", "limit"]


class _Configuration(NamedTuple):
    """All that a connector is made of, and pickles as. The config file's text is in it."""

    endpoint: str
    region: str
    config_text: str
    config_name: str
    overrides: str
    provider: Any


class OssModelConnector:
    """Read-only, fast access to Alibaba Cloud OSS.

    Opening an object starts to fetch it into memory, with many concurrent ranged requests, in the
    order of the open calls; reads then take it from memory. For a model of many shards, open all of
    them first, then read one after the other.

    Args:
        endpoint: such as ``"https://oss-cn-hangzhou-internal.aliyuncs.com"``; a bare host is https.
        cred_path: a JSON file with ``AccessKeyId``, ``AccessKeySecret`` and, optionally,
            ``SecurityToken`` and ``Expiration``; it is read anew before it expires. Or the file
            of aliyun-cli (modes AK and StsToken) or ossutil.
        config_path: a JSON file of configuration; without one every key has its default.
        cred_provider: any object with ``get_credentials()``, as the providers of oss2 and
            alibabacloud-oss-v2 have it, or with ``get_credential()``, as the Client of
            alibabacloud_credentials has it; `AnonymousCredentialsProvider` for public buckets.
            Exactly one of `cred_path` and `cred_provider` must be given.
        region: such as ``"cn-hangzhou"``; by default it is read off the endpoint's host. With a
            region known, requests carry signature V4, else V1.
        config: a mapping with the same keys as the file's, nested or dotted; it wins over the file.

    Raises:
        ValueError: an argument or a configuration key that does not hold.
        TypeError: an argument of the wrong type.
        FileNotFoundError: the configuration file is not there.
        CredentialsError: the credentials file is missing or broken.

    A connector may be used by many threads. It works on in a forked child, and it pickles, as its
    configuration. It is a context manager; leaving it closes its readers too.

    Example:
        >>> from oss2.credentials import EnvironmentVariableCredentialsProvider
        >>> connector = OssModelConnector(
        ...     "https://oss-cn-hangzhou.aliyuncs.com",
        ...     cred_provider=EnvironmentVariableCredentialsProvider(),
        ...     config={"prefetch": {"memoryBytes": "16 GiB"}},
        ... )
        >>> with connector.open("oss://bucket/model.safetensors") as reader:
        ...     data = reader.read()
    """

    def __init__(
        self,
        endpoint: str,
        cred_path: str | os.PathLike[str] | None = "",
        config_path: str | os.PathLike[str] | None = "",
        cred_provider: CredentialsProvider | CredentialClient | None = None,
        *,
        region: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        require_text("endpoint", endpoint)
        if region is not None:
            require_text("region", region)
        provider: Any = cred_provider
        path = os.fspath(cred_path) if cred_path else ""
        if path and provider is not None:
            raise ValueError("give either cred_path or cred_provider, not both")
        if path:
            provider = CredentialsFileProvider(path)
        elif provider is None:
            raise ValueError(
                "no credentials: give cred_provider=, or cred_path= with a JSON file; for a public "
                "bucket cred_provider=ossmodelconnector.AnonymousCredentialsProvider()"
            )
        check_provider(provider)
        text, name = read_config_file(config_path or "")
        self._set_up(
            _Configuration(endpoint, region or "", text, name, config_json(config), provider)
        )
        try:
            for warning in self._core.warnings:
                warnings.warn(warning, UserWarning, stacklevel=stacklevel_of_caller())
        except Warning:
            # They are errors here.
            self.close()
            raise

    @classmethod
    def from_env(
        cls,
        *,
        endpoint: str | None = None,
        cred_path: str | os.PathLike[str] | None = "",
        config_path: str | os.PathLike[str] | None = "",
        cred_provider: CredentialsProvider | CredentialClient | None = None,
        region: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Self:
        """Makes a connector from environment variables.

        OSS_ENDPOINT and OSS_REGION (optional) are read now. Keys are looked for now, and again
        whenever they are due: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN
        (optional), else what Alibaba Cloud's own tools look for, in their order:
        ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and
        ALIBABA_CLOUD_SECURITY_TOKEN, RRSA, the profile in ``~/.aliyun/config.json`` or
        ``~/.alibabacloud/credentials.ini``, the ECS RAM role, ALIBABA_CLOUD_CREDENTIALS_URI.
        Where there is no role to be had, to find that out takes a second at most.

        Arguments are the constructor's, and win over the variables; None is as good as none.

        Args:
            endpoint: instead of OSS_ENDPOINT.
            cred_path: instead of all those keys.
            config_path: as for the constructor.
            cred_provider: instead of all those keys.
            region: instead of OSS_REGION.
            config: as for the constructor.

        Raises:
            ValueError: there is no endpoint.
            CredentialsError: there are no keys; the text says what was looked for, and what to
                install for RRSA.

        Example:
            >>> connector = OssModelConnector.from_env(config={"logLevel": 2})
        """
        if not endpoint:
            endpoint = os.environ.get("OSS_ENDPOINT", "")
            if not endpoint:
                raise ValueError(
                    "no endpoint: set OSS_ENDPOINT, or pass endpoint=, such as "
                    "https://oss-cn-hangzhou.aliyuncs.com"
                )
        if not region:
            region = os.environ.get("OSS_REGION") or None
        if not cred_path and cred_provider is None:
            cred_provider = DefaultChain()
            cred_provider.get_credentials()  # tells now what is missing
        arguments: dict[str, Any] = {
            "cred_path": cred_path or None,
            "config_path": config_path or None,
            "cred_provider": cred_provider,
            "region": region,
            "config": config,
        }
        # What is not given is not passed on: the constructor of a subclass may not have it.
        given = {name: value for name, value in arguments.items() if value is not None}
        return cls(endpoint=endpoint, **given)

    def list(
        self,
        bucket: str,
        prefix: str = "",
        fast: bool = False,
        *,
        delimiter: str = "",
        progress: Callable[[int], object] | None = None,
    ) -> ObjectList:
        """Lists the objects of a bucket whose keys begin with `prefix`.

        Args:
            bucket: the bucket's name.
            prefix: what the keys begin with; ``""``: all.
            fast: list by many concurrent requests (``fastList.vcpus`` times ``fastList.workers``),
                in no order: `ObjectList.sort` makes one. Up to 1,000 keys cost one request.
            delimiter: keys that have it behind the prefix are not listed one by one: what they have
                in common, up to and with it, is in `ObjectList.common_prefixes`. With ``"/"`` a
                prefix that ends in ``/`` is listed as a folder. Not with `fast`.
            progress: called as pages come, in this thread, with the number of objects so far; what
                it raises ends the listing.

        Returns:
            An `ObjectList`. Unless `fast` it is in the store's order, which at OSS is that of the
            keys' UTF-8 bytes; a store that has another order is warned of once in the log, and
            `ObjectList.sort` makes one. Objects that are there from beginning to end are in it
            exactly once.

        Raises:
            BucketNotFoundError: there is no such bucket.
            ProtocolError: a page is none, or leads back to one before it.
            OssError: or another of its kinds.
            ValueError: an argument does not hold, such as `delimiter` with `fast`.

        Example:
            >>> for obj in connector.list("bucket", "qwen/")[:2]:
            ...     print(obj.key, obj.size)
            qwen/config.json 14
            qwen/model-00001-of-00004.safetensors 1048576
            >>> connector.list("bucket", delimiter="/").common_prefixes
            ('model/', 'qwen/', 'run/', 'shards/', 'tiny/', 'train/')
        """
        require_bucket(bucket, prefix)
        require_text("prefix", prefix, hint="; fast comes third: list(bucket, prefix, True)")
        require_text("delimiter", delimiter)
        if progress is None and not delimiter:
            return ObjectList._over(self._core.list(bucket, prefix, bool(fast)))
        listing = self._core.start_list(bucket, prefix, bool(fast), delimiter)
        while listing.more():
            if progress is not None:
                progress(len(listing))
        return ObjectList._over(listing.take(), common_prefixes=listing.common_prefixes())

    def iter_objects(
        self, bucket: str, prefix: str = "", fast: bool = False
    ) -> Iterator[ObjectInfo]:
        """Lists as `list` does, and gives objects as their pages come.

        No more than the pages in flight are in memory, however long the listing. The first request
        goes out when the first object is asked for; an iterator that is given up (``close()``, or
        no longer referred to) gives up its requests.

        Args:
            bucket: the bucket's name.
            prefix: what the keys begin with; ``""``: all.
            fast: list by many concurrent requests; the objects then come in no order.

        Returns:
            An iterator over `ObjectInfo`.

        Raises:
            BucketNotFoundError: there is no such bucket; as all errors of requests, from the
                iterator.
            ProtocolError: the store turned out in the middle to mean a blank by ``+`` in keys, or
                with `fast` not to list in byte order, which `list` does without.

        Example:
            >>> sum(obj.size for obj in connector.iter_objects("bucket", "qwen/", fast=True))
            4194318
        """
        require_bucket(bucket, prefix)
        require_text("prefix", prefix, hint="; fast comes third")
        return _objects_of(self._core.start_list(bucket, prefix, bool(fast)))

    @overload
    def open(
        self,
        uri: str | ObjectInfo | ObjectReader,
        binary: Literal[True] = True,
        *,
        prefetch: bool = True,
        version_id: str | None = None,
    ) -> ObjectReader: ...
    @overload
    def open(
        self,
        uri: str | ObjectInfo | ObjectReader,
        binary: Literal[False],
        *,
        prefetch: bool = True,
        version_id: str | None = None,
    ) -> io.TextIOWrapper: ...
    @overload
    def open(
        self,
        uri: str | ObjectInfo | ObjectReader,
        binary: bool,
        *,
        prefetch: bool = True,
        version_id: str | None = None,
    ) -> ObjectReader | io.TextIOWrapper: ...
    def open(
        self,
        uri: str | ObjectInfo | ObjectReader,
        binary: bool = True,
        *,
        prefetch: bool = True,
        version_id: str | None = None,
    ) -> ObjectReader | io.TextIOWrapper:
        """Opens an object and starts to fetch it into memory.

        It returns when the object's metadata is known, which costs one round trip.

        Args:
            uri: ``oss://bucket/key``, the key as it is (no percent-encoding), or an `ObjectInfo`,
                or an `ObjectReader`, whose version is read: another one that has taken its place is
                an `ObjectChangedError`. (An ETag that is empty, weak, or of fewer than 8 characters
                says no more than the URI.)
            binary: True: bytes; False: text in UTF-8, with universal newlines.
            prefetch: False: nothing is fetched that no read asks for. It costs a HEAD to open; an
                ObjectInfo or a reader costs no request at all, and then the first read tells what
                is wrong with the object.
            version_id: in a versioned bucket, the version to open; None: that of the ObjectInfo if
                it has one, else the current version.

        Returns:
            An `ObjectReader`, or an `io.TextIOWrapper` over one.

        Raises:
            ObjectNotFoundError: there is no such object, or no such version; it was deleted.
            ObjectChangedError: it is another one now than the ObjectInfo's.
            OssError: or another of its kinds.
            ValueError: an argument does not hold, or the connector is closed.

        Example:
            >>> reader = connector.open("oss://bucket/model.safetensors")
            >>> lines = connector.open("oss://bucket/vocabulary.txt", False).readlines()
            >>> shard = connector.list("bucket", "qwen/")[1]
            >>> with connector.open(shard, prefetch=False) as reader:  # no request
            ...     header_size = int.from_bytes(reader.read(8), "little")
        """
        wanted = object_to_open(uri, version_id)
        require_binary_flag(binary)
        require_prefetch_flag(prefetch)
        return self._wrap(self._core.open(wanted, prefetch), binary)

    @overload
    def open_many(
        self,
        uris: Iterable[str | ObjectInfo | ObjectReader],
        binary: Literal[True] = True,
        *,
        prefetch: bool = True,
    ) -> builtins.list[ObjectReader]: ...
    @overload
    def open_many(
        self,
        uris: Iterable[str | ObjectInfo | ObjectReader],
        binary: Literal[False],
        *,
        prefetch: bool = True,
    ) -> builtins.list[io.TextIOWrapper]: ...
    @overload
    def open_many(
        self,
        uris: Iterable[str | ObjectInfo | ObjectReader],
        binary: bool,
        *,
        prefetch: bool = True,
    ) -> builtins.list[ObjectReader] | builtins.list[io.TextIOWrapper]: ...
    def open_many(
        self,
        uris: Iterable[str | ObjectInfo | ObjectReader],
        binary: bool = True,
        *,
        prefetch: bool = True,
    ) -> builtins.list[ObjectReader] | builtins.list[io.TextIOWrapper]:
        """Opens several objects, all asked for at once, fetched in the given order.

        Args:
            uris: what `open` takes, each.
            binary: as in `open`.
            prefetch: as in `open`.

        Returns:
            What `open` returns, for each, in the same order.

        Raises:
            OssError: the first failure in the given order; the other readers are closed then.

        Example:
            >>> readers = connector.open_many(connector.list("bucket", "qwen/"))
        """
        if isinstance(uris, (str, bytes, ObjectInfo)):
            raise TypeError("open_many takes several URIs; open takes one")
        wanted = [object_to_open(uri) for uri in uris]
        require_binary_flag(binary)
        require_prefetch_flag(prefetch)
        opened: Any = [self._wrap(core, binary) for core in self._core.open_many(wanted, prefetch)]
        return opened  # type: ignore[no-any-return]  # the overloads say which of the two

    def read_ranges(
        self, ranges: Iterable[tuple[str | ObjectInfo | ObjectReader, int, int]]
    ) -> builtins.list[bytes]:
        """Reads ranges of any number of objects, all asked for at once. Keeps nothing.

        Ranges of one object that lie near each other travel in one request. An object that is given
        as an `ObjectInfo` of a listing costs no request of its own, any other one a HEAD.

        Args:
            ranges: triples of (uri, offset, length), the latter two in bytes; `uri` as in `open`.

        Returns:
            The bytes of each, in the same order; short only where a range passes the end of its
            object. All bytes of one object are of one version.

        Raises:
            ObjectNotFoundError: there is no such object.
            ObjectChangedError: an object was overwritten meanwhile, or since it was listed.
            OssError: or another of its kinds.
            ValueError: an offset or a length is negative.

        Example:
            >>> shards = connector.list("bucket", "qwen/model")
            >>> sizes = connector.read_ranges((shard, 0, 8) for shard in shards)
            >>> [int.from_bytes(size, "little") for size in sizes][:1]
            [1016]
        """
        given: object = ranges
        if isinstance(given, (str, bytes)):
            raise TypeError("read_ranges takes triples of (uri, offset, length)")
        places: dict[ObjectToOpen, int] = {}
        wanted = []
        for item in ranges:
            uri, offset, length = range_of_object(item)
            place = places.setdefault(object_to_open(uri), len(places))
            wanted.append((place, offset, length))
        return self._core.read_ranges(builtins.list(places), wanted)

    @overload
    def read_objects(
        self,
        objects: Iterable[str | ObjectInfo],
        *,
        read_ahead_bytes: int | None = None,
        read_ahead_objects: int | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> Iterator[tuple[ObjectInfo, bytes]]: ...
    @overload
    def read_objects(
        self,
        objects: Iterable[str | ObjectInfo],
        *,
        read_ahead_bytes: int | None = None,
        read_ahead_objects: int | None = None,
        on_error: Literal["return"],
    ) -> Iterator[tuple[ObjectInfo, bytes] | tuple[str | ObjectInfo, OssError]]: ...
    def read_objects(
        self,
        objects: Iterable[str | ObjectInfo],
        *,
        read_ahead_bytes: int | None = None,
        read_ahead_objects: int | None = None,
        on_error: Literal["raise", "return"] = "raise",
    ) -> Iterator[tuple[ObjectInfo, bytes] | tuple[str | ObjectInfo, OssError]]:
        """Reads many objects, each of them whole, in the order given.

        Each costs one request; many are on their way at once, ahead of the one that is handed out.
        Objects of a listing, whose sizes are known, are received in place and cost least. Nothing
        is asked for before the first item is; an iterator that is given up (``close()``, or no
        longer referred to) gives up its requests.

        Args:
            objects: URIs or `ObjectInfo`, as in `open`; consumed as there is room for more, so it
                may have no end. What it raises is raised in its place, behind the objects before.
            read_ahead_bytes: so much may be on its way or wait to be handed out. None: a quarter
                of the memory budget, 256 MiB at most. What is ahead counts as memory in use; the
                object that is next comes whatever its size.
            read_ahead_objects: so many, likewise. None: twice the requests that may run at once.
            on_error: ``"raise"``: the first failure in the order given is raised, and ends the
                iterator. ``"return"``: it comes in its place as (what was given, the error), and
                the others go on.

        Returns:
            An iterator over pairs of (ObjectInfo, bytes). An ObjectInfo that was given comes back
            as it is, read in the version that it tells.

        Raises:
            ObjectNotFoundError: there is no such object; as all errors of requests, from the
                iterator.
            ObjectChangedError: an object was overwritten since it was listed.
            ChecksumError: the bytes do not match the object's CRC-64, nor when fetched once more.
            OssError: or another of its kinds.
            ValueError: an argument that does not hold.

        Example:
            >>> shards = connector.list("bucket", "qwen/model")
            >>> for info, data in connector.read_objects(shards):
            ...     assert len(data) == info.size
        """
        if isinstance(objects, (str, bytes, ObjectInfo)):
            raise TypeError("read_objects takes many: an iterable of URIs or ObjectInfo")
        if on_error not in ("raise", "return"):
            raise ValueError(f'on_error must be "raise" or "return", not {on_error!r}')
        ahead = (
            read_ahead("read_ahead_bytes", read_ahead_bytes),
            read_ahead("read_ahead_objects", read_ahead_objects),
        )
        if self.closed:
            raise ValueError("the connector is closed: make a new one")
        return iterate(self._core, iter(objects), ahead, on_error == "raise")

    def verify(
        self, uri: str | ObjectInfo | ObjectReader
    ) -> Literal["crc64", "length+etag", "length+modified"]:
        """Receives all of an object and checks it, without keeping a byte.

        Args:
            uri: as in `open`.

        Returns:
            What `ObjectReader.verified` says after a whole read: ``"crc64"``, or, of an object
            whose CRC-64 the server does not tell, ``"length+etag"`` or ``"length+modified"``.

        Raises:
            ChecksumError: the bytes do not match the object's CRC-64, nor when fetched once more.
            ObjectNotFoundError: there is no such object.
            OssError: or another of its kinds.

        Example:
            >>> connector.verify("oss://bucket/model.safetensors")
            'crc64'
        """
        wanted = object_to_open(uri)
        return self._core.verify(wanted)

    def stat(self, uri: str | ObjectInfo, *, version_id: str | None = None) -> ObjectInfo:
        """Asks the server about an object.

        Args:
            uri: as in `open`.
            version_id: as in `open`.

        Returns:
            An `ObjectInfo` with all fields.

        Raises:
            ObjectNotFoundError: there is no such object.
            OssError: or another of its kinds.

        Example:
            >>> connector.stat("oss://bucket/model.safetensors").size
            4194304
        """
        text, version, *_ = object_to_open(uri, version_id)
        row = self._core.stat(text, version)
        # It was a good URI, so all between "oss://" and the next "/" is the bucket.
        return object_info(text[len("oss://") :].partition("/")[0], row)

    def exists(self, uri: str | ObjectInfo, *, version_id: str | None = None) -> bool:
        """Asks the server whether an object is there.

        Args:
            uri: as in `open`.
            version_id: as in `open`.

        Returns:
            Whether it is there, and of a version that it is no delete marker; a bucket that is
            missing, or no permission, raises.

        Raises:
            ProtocolError: what replies is no object store, but a login page or a web server.
            OssError: or another of its kinds.

        Example:
            >>> connector.exists("oss://bucket/model.safetensors")
            True
        """
        text, version, *_ = object_to_open(uri, version_id)
        return self._core.exists(text, version)

    def stats(self) -> ConnectorStats:
        """Returns the counters as they stand.

        Example:
            >>> connector.stats().memory_limit_bytes
            1073741824
        """
        counters: dict[str, Any] = self._core.stats()
        return ConnectorStats(**counters)

    def progress(
        self, callback: Callable[[Progress], object], *, interval: float = 0.5
    ) -> AbstractContextManager[None]:
        """Calls back with how far this connector's transfers are, while a block of code runs.

        The calls come one after the other from a thread that is there until the block ends, and
        the last one, with the final state, from the thread that ends it. Several blocks at once,
        also one in another, know nothing of each other. A forked child is told nothing.

        Args:
            callback: is given a `Progress`. What it raises is logged the first time, and ends
                nothing.
            interval: seconds between calls, 0.05 to 3600.

        Returns:
            A context manager, for use once.

        Raises:
            ValueError: an interval out of range; the connector is closed.
            TypeError: an argument of the wrong type.

        Example:
            >>> def show(progress):
            ...     print(progress.bytes_done, "of", progress.bytes_total)
            >>> with connector.progress(show):
            ...     data = connector.open("oss://bucket/model.safetensors").read()
            4194304 of 4194304
        """
        if self.closed:
            raise ValueError("the connector is closed: make a new one")
        return ProgressContext(self._core, callback, interval)

    def close(self) -> None:
        """Closes the connector and its readers, and releases all that they hold.

        Work in flight ends within a second. A second close does nothing; other calls raise
        ValueError from then on.
        """
        self._core.close()
        _log.detach(id(self))

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._core.closed

    @property
    def endpoint(self) -> str:
        """The endpoint that requests go to."""
        return self._core.endpoint

    @property
    def region(self) -> str:
        """The region that requests are signed for; ``""`` where none is known."""
        return self._core.region

    def __enter__(self) -> Self:
        if self.closed:
            raise ValueError("the connector is closed: make a new one")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._close_silently()

    def __repr__(self) -> str:
        core = self._core
        region = f" in {core.region}" if core.region else ""
        state = ", closed" if core.closed else ""
        return f"<OssModelConnector {core.endpoint}{region}, signature {core.signature}{state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.closed:
            raise ValueError("cannot pickle a closed connector")
        provider = self._configuration.provider
        try:
            pickle.dumps(provider)
        except Exception as error:
            name = f"{type(provider).__module__}.{type(provider).__qualname__}"
            raise TypeError(
                f"cannot pickle the connector: its cred_provider, a {name}, cannot be pickled "
                f"({type(error).__name__}: {error}); use cred_path, from_env, or a provider that "
                "can be"
            ) from None
        pickled = self._configuration._replace(provider=pickled_provider(provider))
        return self._restore, tuple(pickled), self._attributes_of_subclass()

    # A method, not a function: a pickle names it by the class, and no private module.
    @classmethod
    def _restore(cls, *fields: Any) -> Self:
        connector = cls.__new__(cls)
        pickled = _Configuration(*fields)
        # Its warnings were given where it was made first.
        connector._set_up(pickled._replace(provider=restored_provider(pickled.provider)))
        return connector

    def _attributes_of_subclass(self) -> dict[str, Any] | None:
        """What a class derived from this one, or its user, added to the instance."""
        own = ("_configuration", "_renewal", "_core")
        return {name: value for name, value in vars(self).items() if name not in own} or None

    def _set_up(self, configuration: _Configuration) -> None:
        """Makes the core. Sends nothing and asks nobody, and starts no thread."""
        provider = configuration.provider
        keys = read_now(provider)
        feed = _feed_for(provider)
        renewal = Renewal(feed, None if is_anonymous(provider) else provider)
        if keys is not None:
            renewal.put(keys)
        self._configuration = configuration
        self._renewal = renewal
        _process.note_if_worker()
        offer_certifi()
        self._core = _core.Connector(*configuration[:5], feed, renewal)
        try:
            _log.attach(id(self), *self._core.log_settings)
        except BaseException:
            self._core.close()
            raise
        _process.register_connector(self)

    @overload
    def _wrap(self, core: _core.Reader, binary: Literal[True]) -> ObjectReader: ...
    @overload
    def _wrap(self, core: _core.Reader, binary: bool) -> ObjectReader | io.TextIOWrapper: ...
    def _wrap(self, core: _core.Reader, binary: bool) -> ObjectReader | io.TextIOWrapper:
        reader = ObjectReader._over(core, self)
        _process.register_reader(reader)
        if binary:
            return reader
        text = io.TextIOWrapper(reader, encoding="utf-8", errors="strict", newline=None)
        text.mode = "r"  # type: ignore[misc]  # as open() does
        return text

    def _close_silently(self) -> None:
        """Closes at the interpreter's end, or half made, when no error has anywhere to go."""
        try:  # noqa: SIM105 - contextlib may be gone by then
            self.close()
        except BaseException:
            pass

    def _after_fork_in_child(self) -> None:
        """Gives the connector a fresh start in the child; called by the fork hook."""
        if self.closed:
            return
        feed = _feed_for(self._configuration.provider)
        self._renewal.after_fork_in_child(feed)
        self._core.after_fork_in_child(feed)
        _log.attach_in_child(id(self), *self._core.log_settings)


def _feed_for(provider: object) -> _core.CredentialsFeed:
    return _core.CredentialsFeed.anonymous() if is_anonymous(provider) else _core.CredentialsFeed()


def _objects_of(listing: _core.Listing) -> Iterator[ObjectInfo]:
    while listing.more():
        yield from ObjectList._over(listing.take())
