"""The part of the file system that reads: open files, ranges, whole objects, copies on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from glob import has_magic
from typing import Any, TypeVar

from ossmodelconnector._derived_reader import open_derived
from ossmodelconnector._errors import ObjectChangedError, ObjectNotFoundError
from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector._reader import ObjectReader
from ossmodelconnector.fsspec._each import result_or_error_of_each
from ossmodelconnector.fsspec._entries import Entry, info_of
from ossmodelconnector.fsspec._files import (
    CACHES_OF_FSSPEC,
    FetchedFile,
    OssModelFile,
    prefetches,
)
from ossmodelconnector.fsspec._listing import ListingFileSystem
from ossmodelconnector.fsspec._paths import uri_of
from ossmodelconnector.fsspec._read_only import read_only_error
from ossmodelconnector.fsspec._slices import Slice, slices_by_object

__all__: list[str] = []

# So many objects are open at a time where many are read as a whole.
_OPEN_AT_ONCE = 128

Item = TypeVar("Item")


class ReadingFileSystem(ListingFileSystem):
    """Reads. What is asked for in one call is asked of the store at once."""

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        cache_type: str | None = None,
        prefetch: bool | None = None,
        version_id: str | None = None,
        **kwargs: Any,
    ) -> Any:
        if mode != "rb":
            raise read_only_error(f"open(mode={mode!r})", path)
        cache_type = cache_type or self._default_cache_type
        if prefetch is None:
            if cache_type in CACHES_OF_FSSPEC:
                return FetchedFile(
                    self,
                    path,
                    mode,
                    block_size or self.blocksize,
                    cache_type=cache_type,
                    cache_options=cache_options,
                    size=kwargs.get("size"),
                )
            prefetch = prefetches(path, cache_type)
        # Fetched ahead, it is opened by the first of its requests; else what is known saves one.
        entry = None if prefetch or version_id else self._remembered_file(path)
        source = uri_of(path) if entry is None else info_of(entry)
        file = open_derived(
            OssModelFile, self.connector, source, prefetch=prefetch, version_id=version_id
        )
        file._belongs_to(self, path, entry)
        return file

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        """Returns the bytes of an object, or of a slice of it.

        Args:
            path: the object.
            start: where to begin; negative: so far from the end; None: at the beginning.
            end: where to end, likewise.
            kwargs: what others have; ignored.
        """
        path = self._strip_protocol(path)
        if start is None and end is None:
            with self.connector.open(uri_of(path)) as reader:
                return reader.read()
        data: bytes = self.cat_ranges([path], start, end, on_error="raise")[0]
        return data

    def cat_ranges(
        self,
        paths: Sequence[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Returns slices of any number of objects, all asked for at once.

        Args:
            paths: the object of each slice.
            starts: where each begins, or one number for all, as of `cat_file`.
            ends: where each ends, likewise.
            max_gap: ignored: what lies near travels in one request, by what the line costs.
            on_error: ``"return"``: an error stands in the place of a slice; ``"raise"``.
            kwargs: what others have; ignored.
        """
        if isinstance(paths, str):
            raise TypeError("cat_ranges takes a list of paths; cat_file takes one")
        paths = [self._strip_protocol(path) for path in paths]
        objects = list(slices_by_object(paths, starts, ends).items())
        read: Sequence[list[bytes] | Exception]
        if on_error == "raise":
            read = self._slices_of(objects)
        else:
            read = result_or_error_of_each(self._slices_of, objects)
        results: list[Any] = [None] * len(paths)
        for (_, slices), data in zip(objects, read):
            for index, one in enumerate(slices):
                results[one.place] = data if isinstance(data, Exception) else data[index]
        return results

    def cat(
        self,
        path: str | list[str],
        recursive: bool = False,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> Any:
        """Returns the bytes of one object, or a dict from path to bytes of many.

        Args:
            path: an object, a glob pattern, or a list of them.
            recursive: whether they are directories, of which all files are read.
            on_error: ``"raise"``, ``"return"`` (the error in the place of the bytes) or ``"omit"``.
            kwargs: what others have; ignored.
        """
        entries = self._sources(path, recursive, None)
        names = [name for name, entry in entries.items() if not is_directory(entry)]
        if isinstance(path, str) and names == [self._strip_protocol(path)]:
            return self.cat_file(names[0])
        contents: dict[str, Any] = {}
        for some in batches(names):
            read: Sequence[bytes | Exception]
            if on_error == "raise":
                read = self._whole(some)
            else:
                read = result_or_error_of_each(self._whole, some)
            contents.update(zip(some, read))
        if on_error == "omit":
            return {name: one for name, one in contents.items() if isinstance(one, bytes)}
        return contents

    def sizes(self, paths: Sequence[str]) -> list[int]:
        """Returns the size of each object, all asked for at once."""
        paths = [self._strip_protocol(path) for path in paths]
        known = {path: self._remembered_file(path) for path in paths}
        found = {path: entry["size"] for path, entry in known.items() if entry is not None}
        for some in batches([path for path, entry in known.items() if entry is None]):
            with self._opened(some, prefetch=False) as readers:
                found.update((path, reader.size) for path, reader in zip(some, readers))
        return [found[path] for path in paths]

    def _sources(self, path: Any, recursive: bool, maxdepth: int | None) -> dict[str, Entry | None]:
        """As fsspec's `expand_path`, sorted by name; None: an object, or whatever is there."""
        found: dict[str, Entry | None] = {}
        paths = path if isinstance(path, (list, tuple)) else [path]
        for one in paths:
            one = self._strip_protocol(one)
            if has_magic(one):
                matching = self.glob(one, maxdepth=maxdepth, detail=True)
                found.update(matching)
                if not recursive or (maxdepth is not None and maxdepth <= 1):
                    continue
                depth = maxdepth - 1 if maxdepth is not None else None
                for name, entry in matching.items():
                    if is_directory(entry):
                        found.update(self.find(name, depth, withdirs=True, detail=True))
            elif recursive:
                found.update(self.find(one, maxdepth, withdirs=True, detail=True))
            else:
                found[one] = self._remembered(one)
        if not found:
            raise FileNotFoundError(path)
        return {name: found[name] for name in sorted(found)}

    def _remembered_file(self, path: str) -> Entry | None:
        entry = self._remembered(path)
        return None if is_directory(entry) else entry

    @contextlib.contextmanager
    def _opened(self, paths: Iterable[str], prefetch: bool = True) -> Iterator[list[ObjectReader]]:
        readers = self.connector.open_many([uri_of(path) for path in paths], prefetch=prefetch)
        try:
            yield readers
        finally:
            for reader in readers:
                reader.close()

    def _whole(self, paths: Sequence[str]) -> list[bytes]:
        contents = []
        with self._opened(paths) as readers:
            for reader in readers:
                contents.append(reader.read())
                reader.close()
        return contents

    def _slices_of(self, objects: Sequence[tuple[str, list[Slice]]]) -> list[list[bytes]]:
        """One read of all slices, object by object."""
        unsized = [path for path, slices in objects if any(s.counts_from_the_end for s in slices)]
        with self._opened(unsized, prefetch=False) as readers:
            opened = dict(zip(unsized, readers))
            sources: dict[str, ObjectReader | ObjectInfo] = dict(opened)
            ranges: list[tuple[str, int, int]] = []
            for path, slices in objects:
                size = opened[path].size if path in opened else None
                ranges += [(path, *one.offset_and_length(size)) for one in slices]
                entry = None if path in opened else self._remembered_file(path)
                if entry is not None:
                    sources[path] = info_of(entry)
            data = iter(self._read(ranges, sources))
        return [[next(data) for _ in slices] for _, slices in objects]

    def _read(
        self,
        ranges: Sequence[tuple[str, int, int]],
        sources: Mapping[str, ObjectReader | ObjectInfo],
    ) -> list[bytes]:
        read = self.connector.read_ranges
        try:
            return read((sources.get(path) or uri_of(path), at, size) for path, at, size in ranges)
        except (ObjectChangedError, ObjectNotFoundError) as error:
            if not any(isinstance(source, ObjectInfo) for source in sources.values()):
                raise
            # A listing that is remembered is not the caller's: what is there now is asked for.
            self.invalidate_cache(self._strip_protocol(error.uri))
        return read((uri_of(path), at, size) for path, at, size in ranges)


def is_directory(entry: Entry | None) -> bool:
    return entry is not None and entry["type"] == "directory"


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """As many as may be open at once."""
    for begin in range(0, len(items), _OPEN_AT_ONCE):
        yield items[begin : begin + _OPEN_AT_ONCE]
