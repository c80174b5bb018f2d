"""What vLLM calls in each of its processes, before it reads a configuration."""

from __future__ import annotations

import importlib
import os
import sys

from ossmodelconnector.vllm._options import LOAD_FORMAT
from ossmodelconnector.vllm._records import early, show_records
from ossmodelconnector.vllm._uris import wrap_uris
from ossmodelconnector.vllm._weights import is_oss

__all__ = ["LORA_PREFIX", "TESTED", "register"]

LORA_PREFIX = "OSSMC_LORA_PREFIX"
# What `make test-engines` ran.
TESTED = ("0.32.0",)

# What was done in this process; vLLM calls `register` in one thread.
_done: set[str] = set()


def register() -> None:
    """Makes the load format, and ``oss://`` URIs, known to vLLM. What is done is not done again.

    It is the entry point ``ossmodelconnector`` of the group ``vllm.general_plugins``: vLLM calls
    it. It never fails there: what of vLLM is not as it was is told by a warning.

    Raises:
        ImportError: vLLM is missing.

    Example:
        >>> from ossmodelconnector.vllm import register
        >>> register()
    """
    try:
        import vllm
    except ImportError as error:
        raise ImportError(
            "ossmodelconnector.vllm needs vLLM: pip install 'ossmodelconnector[vllm]'"
        ) from error
    version = str(getattr(vllm, "__version__", "of an unknown version"))
    show_records()
    if "load format" not in _done:
        _done.add("load format")
        _imported("ossmodelconnector.vllm._loader", version, f"load_format {LOAD_FORMAT!r}")
    # Processes that read no arguments, such as workers, have not imported it, and need not.
    arg_utils = sys.modules.get("vllm.engine.arg_utils")
    if arg_utils is not None and "uris" not in _done:
        _done.add("uris")
        wrap_uris(arg_utils, version)
    if "adapters" not in _done:
        _done.add("adapters")
        _register_resolver(os.environ.get(LORA_PREFIX, ""), version)


def _register_resolver(prefix: str, version: str) -> None:
    if prefix and not is_oss(prefix):
        early.warning("%s must be oss://bucket/adapters/, not %r", LORA_PREFIX, prefix[:200])
    elif prefix and _imported("ossmodelconnector.vllm._resolver", version, LORA_PREFIX):
        from ossmodelconnector.vllm._resolver import register_resolver

        register_resolver(prefix)


def _imported(module: str, version: str, purpose: str) -> bool:
    """Imports a module that stands on vLLM's own; says so where that is not as it was."""
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever it is, vLLM goes on without what it is for
        early.warning(
            "vLLM %s: %s does not work with it (%s: %s). Tested versions: %s",
            version,
            purpose,
            type(error).__name__,
            error,
            ", ".join(TESTED),
        )
        return False
    return True
