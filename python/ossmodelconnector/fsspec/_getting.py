"""The part of the file system that copies objects into local files."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from glob import has_magic
from pathlib import Path
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.local import LocalFileSystem, make_path_posix, trailing_sep
from fsspec.utils import isfilelike, other_paths, stringify_path

from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector._reader import ObjectReader
from ossmodelconnector.fsspec._download import check_targets, copy_to, save
from ossmodelconnector.fsspec._entries import Entry
from ossmodelconnector.fsspec._paths import uri_of
from ossmodelconnector.fsspec._reading import ReadingFileSystem, batches, is_directory

__all__: list[str] = []


class GettingFileSystem(ReadingFileSystem):
    """Copies objects into local files."""

    def get_file(
        self,
        rpath: str,
        lpath: Any = None,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        **kwargs: Any,
    ) -> None:
        """Copies an object into a local file, which appears when it is whole, and checked.

        Args:
            rpath: the object; a directory makes a folder.
            lpath: the file's path, or an open one.
            callback: fsspec's, told of bytes.
            outfile: an open file, instead of `lpath`.
            kwargs: what others have; ignored.

        Raises:
            ChecksumError: the bytes are not those of the object; there is no file then.
        """
        path = self._strip_protocol(rpath)
        if outfile is None and isfilelike(lpath):
            outfile = lpath
        try:
            reader = self.connector.open(uri_of(path))
        except (ObjectNotFoundError, IsADirectoryError):
            if outfile is not None or not self.isdir(path):
                raise
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        with reader:
            if outfile is not None:
                copy_to(reader, outfile, callback)
            else:
                save(reader, Path(lpath), callback)

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Copies objects into local files, many at once; each appears when it is whole.

        Args:
            rpath: an object, a glob pattern, a directory with `recursive`, or a list of them.
            lpath: a file; a folder, if it is one or ends in a slash; or a list, one for each.
            recursive: whether to copy what is below directories.
            callback: fsspec's, told of files; its branches are told of bytes.
            maxdepth: how many levels to go down.
            kwargs: what others have; ignored.

        Raises:
            ValueError: a key would lead out of `lpath`, or two to one file.
        """
        lpath = stringify_path(lpath)
        if isinstance(lpath, list) and isinstance(rpath, list):
            pairs = list(zip((self._strip_protocol(path) for path in rpath), lpath))
        else:
            entries = self._sources(rpath, recursive, maxdepth)
            if not isinstance(rpath, list):
                entries = {path: entry or self.info(path) for path, entry in entries.items()}
            pairs = self._local_names(rpath, lpath, recursive, maxdepth, entries)
            for path, target in pairs:
                if is_directory(entries[path]):
                    Path(target).mkdir(parents=True, exist_ok=True)
            pairs = [(path, target) for path, target in pairs if not is_directory(entries[path])]
        callback.set_size(len(pairs))
        for some in batches(pairs):
            self._save_all(some, callback)

    def _save_all(self, pairs: Sequence[tuple[str, Any]], callback: Any) -> None:
        with contextlib.ExitStack() as stack:
            opened: list[ObjectReader | None]
            try:
                opened = [*stack.enter_context(self._opened([path for path, _ in pairs]))]
            except ObjectNotFoundError:
                # One of them may be a directory.
                opened = [None] * len(pairs)
            for (path, target), reader in zip(pairs, opened):
                with callback.branched(path, target) as child:
                    if reader is None:
                        self.get_file(path, target, callback=child)
                    else:
                        with reader:
                            save(reader, Path(target), child)
                callback.relative_update()

    def _local_names(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool,
        maxdepth: int | None,
        entries: dict[str, Entry | None],
    ) -> list[tuple[str, str]]:
        """What fsspec's own `get` makes of its arguments: which file goes where."""
        is_one = not isinstance(rpath, list)
        paths = list(entries)
        if is_one and (not recursive or maxdepth is not None):
            paths = [path for path in paths if not is_directory(entries[path])]
        if not paths:
            return []
        if not isinstance(lpath, str):
            return list(zip(paths, other_paths(paths, lpath)))
        lpath = make_path_posix(lpath)
        is_folder = trailing_sep(lpath) or LocalFileSystem().isdir(lpath)
        source = stringify_path(rpath) if is_one else ""
        goes_inside = is_one and (
            len(paths) == 1 if has_magic(source) else is_folder and not trailing_sep(source)
        )
        targets = other_paths(paths, lpath, exists=goes_inside, flatten=not is_one)
        check_targets(lpath, targets)
        return list(zip(paths, targets))
