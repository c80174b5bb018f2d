"""The part of the file system that lists and tells."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from errno import EISDIR
from operator import itemgetter
from typing import Any

from fsspec.utils import tokenize

from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector._objects import ObjectList
from ossmodelconnector.fsspec._base import ConnectorFileSystem
from ossmodelconnector.fsspec._entries import Entry, directory_entry, file_entry
from ossmodelconnector.fsspec._paths import bucket_and_prefix, is_marker, split_path, uri_of

__all__: list[str] = []

# How many directories of a level are listed at a time.
_LISTED_AT_ONCE = 16


class ListingFileSystem(ConnectorFileSystem):
    """Listings and metadata. What was listed is remembered, until `invalidate_cache`."""

    def ls(self, path: str, detail: bool = True, refresh: bool = False, **kwargs: Any) -> list[Any]:
        """Lists a directory, by requests for its own children alone.

        Args:
            path: a directory, a bucket or an object.
            detail: True: dicts, as of `info`; False: names.
            refresh: whether to ask again what is remembered.
            kwargs: what others have; ignored.

        Raises:
            FileNotFoundError: there is nothing at `path`.
        """
        path = self._strip_protocol(path)
        entries: list[Entry] | None = None if refresh else self.dircache.get(path)
        if entries is None:
            entries = self._children(path)
            if entries is None:
                entries = [file_entry(self.connector.stat(uri_of(path)))]
            else:
                self.dircache[path] = entries
        return list(entries) if detail else [entry["name"] for entry in entries]

    def info(self, path: str, refresh: bool = False, **kwargs: Any) -> Entry:
        """Tells what is at a path: an object, or else a directory.

        Args:
            path: where to look.
            refresh: whether to ask again what is remembered.
            kwargs: what others have; ignored.

        Returns:
            A dict of ``name``, ``size`` and ``type``, of a file also ``ETag``, ``LastModified``,
            ``mtime`` and ``StorageClass``.

        Raises:
            FileNotFoundError: there is nothing.
        """
        path = self._strip_protocol(path)
        entry = None if refresh else self._remembered(path)
        if entry is not None:
            return entry
        if not path:
            return directory_entry(path)
        if not split_path(path)[1]:
            self._has_children(path)
            return directory_entry(path)
        try:
            return file_entry(self.connector.stat(uri_of(path)))
        except ObjectNotFoundError:
            if self._has_children(path):
                return directory_entry(path)
            raise

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Whether there is an object or a directory; errors but FileNotFoundError are raised."""
        return self._type(path, **kwargs) is not None

    def isdir(self, path: str) -> bool:
        """Whether there is a directory and no object; raises as `exists` does."""
        return self._type(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Whether there is an object; raises as `exists` does."""
        return self._type(path) == "file"

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        prefix: str = "",
        **kwargs: Any,
    ) -> Any:
        """Lists all files below a directory, by FastList; with `maxdepth`, level by level.

        The directories of a level are listed at the same time, as `glob` wants them.

        Args:
            path: a directory, or a file, which is then all that is found.
            maxdepth: how many levels to go down.
            withdirs: whether to list directories too.
            detail: True: a dict from name to what `info` says; it takes four times the memory.
            prefix: what the names below `path` begin with.
            kwargs: what others have; ignored.

        Returns:
            The names, sorted, or the dict in their order; empty where there is nothing.
        """
        path = self._strip_protocol(path)
        if maxdepth is not None:
            if maxdepth > 1 and self.dircache.use_listings_cache:
                self._remember_levels(path, maxdepth)
            found = super().find(path, maxdepth, withdirs, detail=True, **kwargs)
            begin = f"{path}/{prefix}" if prefix else path
            found = {name: found[name] for name in found if name.startswith(begin)}
            return found if detail else list(found)
        objects = self._all_below(path, prefix)
        if not objects and not prefix and self.isfile(path):
            return {path: self.info(path)} if detail else [path]
        base = f"{split_path(path)[0]}/"
        directories = _directories(objects, base, path) if withdirs else set()
        if not detail:
            # is_marker() itself would be half of the time.
            names = [base + key for key in objects.keys if key[-1] != "/"]
            return sorted(directories.union(names)) if directories else names
        # One text serves as the dict's key and as the entry's name.
        found = {entry["name"]: entry for entry in map(file_entry, objects)}
        for key in filter(is_marker, objects.keys):
            del found[base + key]
        for name in directories.difference(found):
            found[name] = directory_entry(name)
        return {name: found[name] for name in sorted(found)} if directories else found

    def du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Returns how many bytes the files below a directory have; directories have none.

        Args:
            path: the directory, or a file.
            total: False: a dict from name to size.
            maxdepth: how many levels to go down.
            withdirs: whether the dict has directories too.
            kwargs: what others have; ignored.
        """
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
        sizes = {name: entry["size"] for name, entry in found.items()}
        return sum(sizes.values()) if total else sizes

    def modified(self, path: str) -> datetime:
        """Returns when an object was written, in UTC; IsADirectoryError for a directory.

        As `info`, it answers from a listing that is remembered: DuckDB asks with each open.
        """
        when: datetime = self._file(path, refresh=False)["LastModified"]
        return when

    def created(self, path: str) -> datetime:
        """Returns the same as `modified`: an object is written once, as a whole."""
        return self.modified(path)

    def ukey(self, path: str) -> str:
        """Returns what changes when the object does: the store is asked for its ETag."""
        entry = self._file(path, refresh=True)
        if entry["ETag"]:
            return str(entry["ETag"])
        return str(tokenize(entry["size"], entry["LastModified"].timestamp()))

    def checksum(self, path: str) -> int:
        """Returns `ukey` as a number."""
        return int(tokenize(self.ukey(path)), 16)

    def _file(self, path: str, refresh: bool) -> Entry:
        entry = self.info(path, refresh=refresh)
        if entry["type"] != "file":
            raise IsADirectoryError(EISDIR, "a directory has no version", entry["name"])
        return entry

    def _type(self, path: str, **kwargs: Any) -> str | None:
        try:
            return str(self.info(path, **kwargs)["type"])
        except FileNotFoundError:
            return None

    def _has_children(self, path: str) -> bool:
        return any(True for _ in self.connector.iter_objects(*bucket_and_prefix(path)))

    def _children(self, path: str) -> list[Entry] | None:
        """What is in a directory, sorted by name; None where there is none."""
        bucket, prefix = bucket_and_prefix(path)
        entries: list[Entry] = []
        has_any = not prefix
        beginnings = [prefix]
        for begin in beginnings:
            objects = self.connector.list(bucket, begin, delimiter="/")
            has_any = has_any or bool(objects or objects.common_prefixes)
            entries += [file_entry(one) for one in objects if not is_marker(one.key)]
            for common in objects.common_prefixes:
                if common == f"{begin}/":
                    # A directory without a name has no path: what is in it is told here.
                    beginnings.append(common)
                else:
                    entries.append(directory_entry(f"{bucket}/{common[:-1]}"))
        return sorted(entries, key=itemgetter("name")) if has_any else None

    def _remember_levels(self, path: str, levels: int) -> None:
        """Lists directories, those of a level at a time: fsspec lists one after the other."""
        pool = ThreadPoolExecutor(_LISTED_AT_ONCE, "ossmc-fsspec-list")
        try:
            paths = [path]
            for _ in range(levels):
                # A single one needs no thread, and most calls meet no other.
                each = map if len(paths) == 1 else pool.map
                paths = [one for below in each(self._subdirectories, paths) for one in below]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _subdirectories(self, path: str) -> list[str]:
        try:
            return [one["name"] for one in self.ls(path) if one["type"] == "directory"]
        except OSError:  # told when it is listed in its turn
            return []

    def _all_below(self, path: str, prefix: str) -> ObjectList:
        bucket, begin = bucket_and_prefix(path)
        objects = self.connector.list(bucket, begin + prefix, fast=True)
        objects.sort()
        if not prefix:
            self._found.put(path, objects)
        return objects


def _directories(objects: ObjectList, base: str, root: str) -> set[str]:
    """Those that hold the objects, `root` and what is below."""
    found = {root} if objects else set()
    last = ""
    for key in objects.keys:
        directory = (base + key).rpartition("/")[0]
        if directory == last:
            continue
        last = directory
        while len(directory) > len(root) and directory not in found:
            if not directory.endswith("/"):
                found.add(directory)
            directory = directory.rpartition("/")[0]
    return found
