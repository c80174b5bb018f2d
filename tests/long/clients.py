"""Connectors as the long tests make them, and the errors that faults may become."""

from __future__ import annotations

from typing import Any

from ossmodelconnector import (
    ChecksumError,
    ConnectError,
    OssError,
    OssModelConnector,
    ProtocolError,
    ServerError,
    ThrottledError,
    TransferTimeoutError,
)
from support.random_fault_server import BUCKET
from support.random_faults import MiB, Plan, key_of

# What resets, stalls, short replies, 5xx and throttling may end as when they do not stop. The last
# one is of a length that does not fit the range.
LOUD_ERRORS = (ConnectError, TransferTimeoutError, ServerError, ThrottledError, ProtocolError)


class Keys:
    """A provider that pickles; the server believes everybody."""

    access_key_id = "LTAI5tLongTests"
    access_key_secret = "not-a-secret"
    security_token = None

    def get_credentials(self) -> Keys:
        return self


def connect(endpoint: str, **config: Any) -> OssModelConnector:
    """A connector with short time limits; `config` has dotted keys with `__` for the dot."""
    settings = {
        "proxy": "",
        "prefetch.chunkBytes": "64 KiB",
        "prefetch.memoryBytes": 8 * MiB,
        "prefetch.vcpus": 1,
        "prefetch.workers": 4,
        "timeout.stallSeconds": 0.5,
        "timeout.readSeconds": 20,
    }
    settings.update({name.replace("__", "."): value for name, value in config.items()})
    return OssModelConnector(endpoint, cred_provider=Keys(), region="cn-test", config=settings)


def uri_of(name: str, seed: int, size: int) -> str:
    return f"oss://{BUCKET}/{key_of(name, seed, size)}"


def is_expected(error: OssError, plan: Plan) -> bool:
    """Whether the faults of the plan explain the error."""
    if type(error) is ChecksumError:
        return plan.can_corrupt
    return type(error) in LOUD_ERRORS
