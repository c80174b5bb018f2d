"""Adapters of PEFT: small, and read by it out of a folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector.transformers._cache import write_files

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector.transformers._source import ModelFolder

__all__ = ["CONFIG", "WEIGHTS", "adapter_folder", "base_of", "load_peft_model"]

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


def load_peft_model(
    cls: Any, connector: OssModelConnector, source: ModelFolder, folder: Path, kw: dict[str, Any]
) -> Any:
    """A ``PeftModel`` over the model in ``kw["model"]``."""
    model = kw.pop("model", None)
    if model is None:
        raise ValueError(
            f"{cls.__name__} needs model=, the model that the adapter belongs to: "
            "from_pretrained(PeftModel, uri, model=base)"
        )
    with adapter_folder(connector, source, folder) as whole:
        return cls.from_pretrained(model, str(whole), local_files_only=True, **kw)


@contextlib.contextmanager
def adapter_folder(
    connector: OssModelConnector, source: ModelFolder, folder: Path
) -> Iterator[Path]:
    """A folder with the adapter and its weights, for the time of the context."""
    found = next((name for name in WEIGHTS if name in source.objects), None)
    if CONFIG not in source.objects or found is None:
        missing = CONFIG if CONFIG not in source.objects else WEIGHTS[0]
        raise ObjectNotFoundError(f"{source.uri} has no {missing}: no adapter", uri=source.uri)
    with tempfile.TemporaryDirectory(prefix="ossmodelconnector-") as made:
        whole = Path(made)
        shutil.copytree(folder, whole, dirs_exist_ok=True)
        # The weights of a model that stands beside are not needed.
        write_files(connector, whole, {found: source.objects[found]})
        yield whole


def base_of(source: ModelFolder, folder: Path) -> str:
    """The URI of the model that the adapter belongs to."""
    name = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not isinstance(name, str) or not name.startswith("oss://"):
        raise ValueError(
            f"{source.uri} has an adapter alone, and its base model is {name!r:.200}, which is no "
            "oss:// URI: load that model by its own URI, and then the adapter by "
            "from_pretrained(PeftModel, uri, model=base)"
        )
    return os.fspath(name)
