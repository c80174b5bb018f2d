"""The connector of one load, by model_loader_extra_config and the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ossmodelconnector._connector import OssModelConnector
from ossmodelconnector._errors import CredentialsError

if TYPE_CHECKING:
    from ossmodelconnector.vllm._options import Options

__all__ = ["connect"]

_OF_RAY = (
    "vLLM's workers have the environment that vLLM was started with; those of Ray only what "
    "VLLM_RAY_EXTRA_ENV_VARS_TO_COPY names besides"
)


def connect(options: Options) -> OssModelConnector:
    """Makes a connector. What the options have wins over the environment.

    Raises:
        ValueError: there is no endpoint, or a value cannot be.
        CredentialsError: there are no keys.
    """
    if not options.endpoint and not os.environ.get("OSS_ENDPOINT"):
        raise ValueError(
            f"OSS_ENDPOINT is not set in this process ({os.getpid()}), and "
            f"model_loader_extra_config has no endpoint: set one of them. {_OF_RAY}"
        )
    try:
        return OssModelConnector.from_env(
            endpoint=options.endpoint,
            region=options.region,
            cred_path=options.cred_path,
            config_path=options.config_path,
            config=options.config,
        )
    except CredentialsError as error:
        if options.cred_path:
            raise
        raise CredentialsError(
            f"{error} (process {os.getpid()}; or name a file by cred_path in "
            f"model_loader_extra_config). {_OF_RAY}"
        ) from error
