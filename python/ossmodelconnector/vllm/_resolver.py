"""Adapters by name while vLLM serves. It imports vLLM: `register` imports it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any

from vllm.lora.request import LoRARequest
from vllm.lora.resolver import LoRAResolver, LoRAResolverRegistry

from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector.vllm._adapters import pull_adapter, uri_of_adapter
from ossmodelconnector.vllm._connecting import connect
from ossmodelconnector.vllm._options import LOAD_FORMAT, Options

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["register_resolver"]

_log = logging.getLogger("ossmodelconnector.vllm")


class OssLoRAResolver(LoRAResolver):  # type: ignore[misc]  # vllm is of type Any
    """Finds adapters under one prefix. It is constant; vLLM's server calls it."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    async def resolve_lora(self, base_model_name: str, lora_name: str) -> Any:
        """The adapter of that name, in a local folder; None: there is none."""
        uri = uri_of_adapter(self._prefix, lora_name)
        if uri is None:
            return None
        try:
            folder = await asyncio.to_thread(_pull, uri)
        except ObjectNotFoundError as error:
            _log.warning("adapter %r: %s", lora_name, error)
            return None
        # vLLM's server gives it a number of its own; whoever does not gets one by the version.
        number = int(hashlib.sha256(str(folder).encode()).hexdigest()[:7], 16) + 1
        return LoRARequest(lora_name=lora_name, lora_int_id=number, lora_path=str(folder))


def _pull(uri: str) -> Path:
    with connect(Options()) as connector:
        return pull_adapter(uri, connector=connector)


def register_resolver(prefix: str) -> None:
    """Has vLLM's server look for adapters under the prefix."""
    LoRAResolverRegistry.register_resolver(LOAD_FORMAT, OssLoRAResolver(prefix))
