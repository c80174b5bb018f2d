"""What writes: refused, as on a read-only mount."""

from __future__ import annotations

from errno import EROFS
from typing import Any, NoReturn

__all__: list[str] = []


def read_only_error(call: str, path: Any) -> OSError:
    return OSError(
        EROFS,
        f"{call} would write, and ossmodelconnector reads only: write by oss2, "
        "alibabacloud-oss-v2 or ossutil",
        str(path),
    )


class ReadOnly:
    """Raises OSError (EROFS) for all of fsspec that writes."""

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("mkdir", path)

    def makedirs(self, path: str, exist_ok: bool = False) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("makedirs", path)

    def rmdir(self, path: str) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("rmdir", path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("rm", path)

    def rm_file(self, path: str) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("rm_file", path)

    def touch(self, path: str, truncate: bool = True, **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("touch", path)

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("pipe", next(iter(path), "") if isinstance(path, dict) else path)

    def pipe_file(self, path: str, value: Any, mode: str = "overwrite", **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("pipe_file", path)

    def put(self, lpath: Any, rpath: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("put", rpath)

    def put_file(self, lpath: Any, rpath: str, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("put_file", rpath)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("cp_file", path2)

    def copy(self, path1: Any, path2: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("copy", path2)

    def mv(self, path1: Any, path2: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises OSError (EROFS)."""
        raise read_only_error("mv", path1)
