"""What all parts of the file system have: its connector, its paths, what it remembers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsspec.asyn import AsyncFileSystem, get_loop

from ossmodelconnector._connector import OssModelConnector
from ossmodelconnector._default import connector_or_default
from ossmodelconnector.fsspec._entries import Entry, entry_named, file_entry
from ossmodelconnector.fsspec._found import Found
from ossmodelconnector.fsspec._options import SECRET_OPTIONS, connector_of

__all__: list[str] = []


class ConnectorFileSystem(AsyncFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A connector as fsspec makes, names and pickles file systems. Any thread may use it."""

    protocol: tuple[str, ...] = ("ossmc", "oss")
    # The synchronous calls are the caller's own: none goes by the thread of a loop.
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
        # Asynchronous to the base: else it starts its loop's thread here.
        super().__init__(asynchronous=True, **options)
        self.asynchronous = asynchronous
        self._loop = loop
        self._default_cache_type = default_cache_type
        if default_block_size:
            self.blocksize = default_block_size
        self._found = Found(**options)
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
        """The connector that does the work; the process's own where no option is given.

        It is closed when the file system is garbage, which fsspec's cache of instances keeps from
        being, or at exit.
        """
        return connector_or_default(self._connector)

    @property
    def loop(self) -> Any:
        """The loop given, or fsspec's own, which starts when it is asked for."""
        return self._loop or get_loop()

    @property
    def fsid(self) -> str:
        """What tells this file system's objects from another's: the endpoint."""
        return f"ossmc_{self.connector.endpoint}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.connector.endpoint}>"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return super()._strip_protocol(path).lstrip("/")

    def to_dict(self, *, include_password: bool = True) -> dict[str, Any]:
        """Returns what the file system can be made from anew, as fsspec has it.

        Args:
            include_password: False: without ``key``, ``secret`` and ``token``.
        """
        result: dict[str, Any] = super().to_dict(include_password=include_password)
        if not include_password:
            for option in SECRET_OPTIONS:
                result.pop(option, None)
        return result

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forgets the listings of `path`, what is below it and above; None: all."""
        self._found.clear()
        if path is None:
            self.dircache.clear()
        else:
            path = self._strip_protocol(path)
            for listed in list(self.dircache):
                if f"{listed}/".startswith(f"{path}/") or f"{path}/".startswith(f"{listed}/"):
                    self.dircache.pop(listed, None)
        super().invalidate_cache(path)

    def _remembered(self, path: str) -> Entry | None:
        """What a listing said of the path, if there was one; stripped."""
        listed = self.dircache.get(self._parent(path))
        entry = entry_named(listed, path) if listed is not None else None
        if entry is not None:
            return entry
        found = self._found.object_at(path)
        return None if found is None else file_entry(found)
