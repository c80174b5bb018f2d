"""Models, tokenizers and processors of transformers, straight from OSS.

Weights go from OSS into the model, without a local copy. Config, tokenizer and processor files,
which transformers reads by their paths, are brought into a small folder. No hub is ever asked.
transformers is imported at first use.

Example:
    >>> from transformers import AutoModelForCausalLM, AutoTokenizer
    >>> from ossmodelconnector.transformers import from_pretrained
    >>> model = from_pretrained(AutoModelForCausalLM, "oss://bucket/llama/")
    >>> tokenizer = from_pretrained(AutoTokenizer, "oss://bucket/llama/")
"""

from __future__ import annotations

from ossmodelconnector.transformers._config import pull_config
from ossmodelconnector.transformers._pretrained import from_pretrained

__all__ = ["from_pretrained", "pull_config"]
