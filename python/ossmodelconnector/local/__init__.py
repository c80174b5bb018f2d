"""An OSS server on this machine, for tests and for trying things out.

Example:
    >>> from ossmodelconnector import AnonymousCredentialsProvider, OssModelConnector
    >>> from ossmodelconnector.local import LocalServer
    >>> anonymous = AnonymousCredentialsProvider()
    >>> with LocalServer("buckets", anonymous=True) as server:  # serves buckets/BUCKET/KEY
    ...     with OssModelConnector(server.endpoint, cred_provider=anonymous) as connector:
    ...         connector.open("oss://models/weights.bin").read()
    b'weights'

On the command line: ``python -m ossmodelconnector serve buckets``.
"""

from __future__ import annotations

try:
    import aiohttp as _aiohttp  # noqa: F401 - looked for, not used
    import cryptography as _cryptography  # noqa: F401 - looked for, not used
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"the local server needs {_error.name}: pip install 'ossmodelconnector[local]'",
        name=_error.name,
    ) from None

from ossmodelconnector._public import name_package as _name_package
from ossmodelconnector.local._record import Reply, RequestRecord
from ossmodelconnector.local._server import DEFAULT_CREDENTIAL, LocalServer
from ossmodelconnector.local._signature import Credential

__all__ = ["DEFAULT_CREDENTIAL", "Credential", "LocalServer", "Reply", "RequestRecord"]

_name_package(__name__, vars())
