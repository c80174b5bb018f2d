"""OssModelFileSystem: objects of OSS as files of fsspec."""

from __future__ import annotations

import asyncio
from typing import Any

from ossmodelconnector.fsspec._getting import GettingFileSystem
from ossmodelconnector.fsspec._read_only import ReadOnly

__all__: list[str] = []


def _in_executor(name: str) -> Any:
    """The coroutine of a method: it runs in the executor of the loop that awaits it."""

    async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(getattr(self, name), *args, **kwargs)

    call.__name__ = call.__qualname__ = f"_{name}"
    return call


class OssModelFileSystem(ReadOnly, GettingFileSystem):
    """Objects of OSS as files of fsspec: read-only, and fast where many are asked for at once.

    fsspec makes one by URLs that begin with ``ossmc://``, and the arguments are what it takes as
    ``storage_options``. Without any it is the process's own connector, that of
    `OssModelConnector.from_env`. Paths are ``bucket/key``, the key as it is; ``ossmc://`` or
    ``oss://`` may stand before them. fsspec drops slashes at the end of a path, so that no path
    names an object whose key ends in one; it is the marker of a directory here.

    Args:
        endpoint: as for `OssModelConnector`; None: the environment's.
        region: likewise.
        cred_path: a file with keys, as for `OssModelConnector`.
        cred_provider: a provider of keys, likewise.
        config: the connector's configuration, likewise.
        key: an access key id, as of ossfs.
        secret: its secret.
        token: its security token.
        anon: True: a public bucket, without keys, as of s3fs.
        default_cache_type: the `cache_type` of files that are opened without one.
        default_block_size: what the `blocksize` of files says; it changes nothing else, since the
            core finds the size of its requests.
        asynchronous: True: the caller awaits the coroutines, as fsspec has it.
        loop: fsspec's; the coroutines run in whichever loop awaits them.
        options: fsspec's own: `use_listings_cache`, `listings_expiry_time`,
            `skip_instance_cache`.

    Raises:
        ValueError: options that contradict each other, or no endpoint.
        CredentialsError: there are no keys.

    Listings are remembered: see `invalidate_cache`. What writes raises OSError (EROFS). It pickles
    as its options, and works on in a forked child.

    Example:
        >>> fs = OssModelFileSystem()
        >>> fs.ls("bucket/qwen", detail=False)[:1]
        ['bucket/qwen/config.json']
    """

    _cat = _in_executor("cat")
    _cat_file = _in_executor("cat_file")
    _cat_ranges = _in_executor("cat_ranges")
    _copy = _in_executor("copy")
    _cp_file = _in_executor("cp_file")
    _du = _in_executor("du")
    _exists = _in_executor("exists")
    _find = _in_executor("find")
    _get = _in_executor("get")
    _get_file = _in_executor("get_file")
    _glob = _in_executor("glob")
    _info = _in_executor("info")
    _isdir = _in_executor("isdir")
    _isfile = _in_executor("isfile")
    _ls = _in_executor("ls")
    _makedirs = _in_executor("makedirs")
    _mkdir = _in_executor("mkdir")
    _pipe = _in_executor("pipe")
    _pipe_file = _in_executor("pipe_file")
    _put = _in_executor("put")
    _put_file = _in_executor("put_file")
    _rm = _in_executor("rm")
    _rm_file = _in_executor("rm_file")
    _sizes = _in_executor("sizes")
