"""vLLM with weights straight from OSS: ``vllm serve oss://bucket/model/``.

vLLM finds this package by itself (entry point ``vllm.general_plugins``). Weights go from OSS into
the model, without a local copy; config, tokenizer and processor files are brought into a small
folder. docs/vllm.md says how to use it. vLLM is imported by `register`, which vLLM calls.
"""

from __future__ import annotations

from ossmodelconnector._public import name_package as _name_package
from ossmodelconnector.vllm._adapters import pull_adapter
from ossmodelconnector.vllm._plugin import register

__all__ = ["pull_adapter", "register"]

_name_package(__name__, vars())
