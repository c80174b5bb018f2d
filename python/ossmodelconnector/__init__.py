"""Read-only, fast access to Alibaba Cloud OSS for loading models and datasets.

Example:
    >>> from oss2.credentials import EnvironmentVariableCredentialsProvider
    >>> from ossmodelconnector import OssModelConnector
    >>> shards = {}
    >>> with OssModelConnector(
    ...     "https://oss-cn-hangzhou.aliyuncs.com",
    ...     cred_provider=EnvironmentVariableCredentialsProvider(),
    ... ) as connector:
    ...     for reader in connector.open_many(connector.list("bucket", "model/")):
    ...         with reader:  # its end gives the memory back, so that the model is held once
    ...             shards[reader.key] = reader.read()
"""

from __future__ import annotations

import logging

from ossmodelconnector._build_info import build_info
from ossmodelconnector._connector import ConnectorStats, OssModelConnector
from ossmodelconnector._core import __version__
from ossmodelconnector._credentials import AnonymousCredentialsProvider, CredentialsProvider
from ossmodelconnector._errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ChecksumError,
    ConnectError,
    CredentialsError,
    MemoryBudgetError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectNotFoundError,
    OssError,
    ProtocolError,
    ServerError,
    ThrottledError,
    TransferTimeoutError,
)
from ossmodelconnector._objects import ObjectInfo, ObjectKeys, ObjectList
from ossmodelconnector._progress import Progress, progress_lines
from ossmodelconnector._public import name_package as _name_package
from ossmodelconnector._reader import ObjectReader

__all__ = [
    "AccessDeniedError",
    "AnonymousCredentialsProvider",
    "BucketNotFoundError",
    "ChecksumError",
    "ConnectError",
    "ConnectorStats",
    "CredentialsError",
    "CredentialsProvider",
    "MemoryBudgetError",
    "ObjectArchivedError",
    "ObjectChangedError",
    "ObjectInfo",
    "ObjectKeys",
    "ObjectList",
    "ObjectNotFoundError",
    "ObjectReader",
    "OssError",
    "OssModelConnector",
    "Progress",
    "ProtocolError",
    "ServerError",
    "ThrottledError",
    "TransferTimeoutError",
    "__version__",
    "build_info",
    "progress_lines",
]

_name_package(__name__, vars())

# The program decides what to show; without this, warnings would go to stderr by themselves.
logging.getLogger("ossmodelconnector").addHandler(logging.NullHandler())
