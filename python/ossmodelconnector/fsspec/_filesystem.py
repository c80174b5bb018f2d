"""OssModelFileSystem: objects of OSS as files of fsspec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsspec.asyn import AsyncFileSystem, get_loop

from ossmodelconnector._connector import OssModelConnector
from ossmodelconnector._default import connector_or_default
from ossmodelconnector._derived_reader import open_derived
from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector.fsspec._entries import Entry, directory_entry, entry_named, file_entry
from ossmodelconnector.fsspec._files import OssModelFile
from ossmodelconnector.fsspec._listing import children, has_children, parents
from ossmodelconnector.fsspec._options import connector_of
from ossmodelconnector.fsspec._paths import inside, split_path, uri_of

__all__: list[str] = []


class OssModelFileSystem(AsyncFileSystem):  # type: ignore[misc]
    """Objects of OSS as files of fsspec."""

    protocol = ("ossmc", "oss")
    # The synchronous calls are made in the caller's thread; nothing is to go by a loop's.
    mirror_sync_methods = False

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        region: str | None = None,
        cred_path: Any = None,
        cred_provider: Any = None,
        config: Mapping[str, Any] | None = None,
        key: str | None = None,
        secret: str | None = None,
        token: str | None = None,
        anon: bool = False,
        default_cache_type: str | None = None,
        default_block_size: int | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(asynchronous=True, **options)
        self.asynchronous = asynchronous
        self._loop = loop
        self._default_cache_type = default_cache_type
        if default_block_size:
            self.blocksize = default_block_size
        self._connector = connector_of(
            endpoint=endpoint,
            region=region,
            cred_path=cred_path,
            cred_provider=cred_provider,
            config=config,
            key=key,
            secret=secret,
            token=token,
            anon=anon,
        )

    @property
    def connector(self) -> OssModelConnector:
        """The connector that does the work."""
        return connector_or_default(self._connector)

    @property
    def loop(self) -> Any:
        return self._loop or get_loop()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return super()._strip_protocol(path).lstrip("/")

    # --- listing

    def ls(self, path: str, detail: bool = True, refresh: bool = False, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if not path:
            raise NotImplementedError("buckets are not listed: give a path that begins with one")
        entries: list[Entry] | None = None if refresh else self.dircache.get(path)
        if entries is None:
            entries = children(self.connector, path)
            if entries is not None:
                self.dircache[path] = entries
            else:
                entries = [file_entry(self.connector.stat(uri_of(path)))]
        return list(entries) if detail else [entry["name"] for entry in entries]

    def info(self, path: str, refresh: bool = False, **kwargs: Any) -> Entry:
        path = self._strip_protocol(path)
        if not path:
            return directory_entry(path)
        listed = None if refresh else self.dircache.get(self._parent(path))
        entry = entry_named(listed, path) if listed is not None else None
        if entry is not None:
            return entry
        if "/" not in path:
            has_children(self.connector, path)
            return directory_entry(path)
        try:
            return file_entry(self.connector.stat(uri_of(path)))
        except ObjectNotFoundError:
            if has_children(self.connector, path):
                return directory_entry(path)
            raise

    def exists(self, path: str, **kwargs: Any) -> bool:
        try:
            self.info(path, **kwargs)
        except FileNotFoundError:
            return False
        return True

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        prefix: str = "",
        **kwargs: Any,
    ) -> Any:
        path = self._strip_protocol(path)
        if maxdepth is not None:
            return super().find(path, maxdepth, withdirs, detail, **kwargs)
        if not path:
            raise NotImplementedError("buckets are not listed: give a path that begins with one")
        bucket, _ = split_path(path)
        objects = self.connector.list(bucket, inside(path) + prefix, fast=True)
        objects.sort()
        base = f"{bucket}/"
        if not objects and not prefix and self.isfile(path):
            return {path: self.info(path)} if detail else [path]
        if not detail and not withdirs:
            return [base + key for key in objects.keys if not key.endswith("/")]
        found = {base + one.key: file_entry(one) for one in objects if not one.key.endswith("/")}
        if withdirs:
            directories = parents([base + key for key in objects.keys], path)
            if objects:
                directories.add(path)
            found.update({one: directory_entry(one) for one in directories})
            found = {name: found[name] for name in sorted(found)}
        return found if detail else list(found)

    def invalidate_cache(self, path: str | None = None) -> None:
        if path is None:
            self.dircache.clear()
        else:
            path = self._strip_protocol(path)
            while path:
                self.dircache.pop(path, None)
                path = self._parent(path)
        super().invalidate_cache(path)

    # --- reading

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        cache_type: str | None = None,
        prefetch: bool | None = None,
        **kwargs: Any,
    ) -> OssModelFile:
        if mode != "rb":
            raise NotImplementedError("this file system is read-only")
        file = open_derived(
            OssModelFile, self.connector, uri_of(path), prefetch=bool(prefetch), **kwargs
        )
        file._belongs_to(self, path, None)
        return file

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        path = self._strip_protocol(path)
        if start is None and end is None:
            with self.connector.open(uri_of(path)) as reader:
                return reader.read()
        return self.cat_ranges([path], [start], [end], on_error="raise")[0]

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        if not isinstance(starts, list):
            starts = [starts] * len(paths)
        if not isinstance(ends, list):
            ends = [ends] * len(paths)
        ranges = []
        for path, start, end in zip(paths, starts, ends):
            start = start or 0
            if start < 0 or end is None or end < 0:
                start, end, _ = slice(start, end).indices(self.info(path)["size"])
            ranges.append((uri_of(self._strip_protocol(path)), start, max(0, end - start)))
        return self.connector.read_ranges(ranges)
