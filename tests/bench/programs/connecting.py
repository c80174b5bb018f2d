"""A connector of ours, from arguments that all programs share."""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

from ossmodelconnector import OssModelConnector


class _Credentials:
    """What the server does not check, in the shape of oss2."""

    def get_credentials(self) -> _Credentials:
        return self

    def get_access_key_id(self) -> str:
        return "ak-test"

    def get_access_key_secret(self) -> str:
        return "sk-test"

    def get_security_token(self) -> str:
        return ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--config", type=json.loads, default={}, help="as JSON")
    parser.add_argument("keys", nargs="+", metavar="KEY=BYTES")


def connect(options: argparse.Namespace, **more: Any) -> OssModelConnector:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return OssModelConnector(
            options.endpoint,
            cred_provider=_Credentials(),
            region="cn-test",
            config={**options.config, **more},
        )
