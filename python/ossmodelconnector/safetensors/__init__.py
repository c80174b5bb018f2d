"""safetensors files in OSS, as tensors of torch or numpy, without a local copy.

It needs torch or numpy, whichever the tensors are of; the package safetensors it does not.

Example:
    >>> from ossmodelconnector.safetensors import load_file, open_model
    >>> with open_model("oss://bucket/tiny/", connector=connector) as model:
    ...     for name, tensor in model.iter_tensors():
    ...         print(name, tuple(tensor.shape))
    embed.weight (8, 4)
    head.weight (4, 8)
"""

from __future__ import annotations

from ossmodelconnector._public import name_package as _name_package
from ossmodelconnector.safetensors._checked import CheckedStateDict, CheckedTensor
from ossmodelconnector.safetensors._copied import NodeCopy
from ossmodelconnector.safetensors._format import HeaderError, SliceError, TensorMeta
from ossmodelconnector.safetensors._lazy import LazyTensor
from ossmodelconnector.safetensors._loader import LoaderStats, PrefetchLoader
from ossmodelconnector.safetensors._model import Model
from ossmodelconnector.safetensors._open import load_file, load_model, open_model, safe_open

__all__ = [
    "CheckedStateDict",
    "CheckedTensor",
    "HeaderError",
    "LazyTensor",
    "LoaderStats",
    "Model",
    "NodeCopy",
    "PrefetchLoader",
    "SliceError",
    "TensorMeta",
    "load_file",
    "load_model",
    "open_model",
    "safe_open",
]

_name_package(__name__, vars())
