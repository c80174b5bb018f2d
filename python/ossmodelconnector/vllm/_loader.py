"""The load format. It imports vLLM: `register` imports it."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from vllm.model_executor.model_loader import register_model_loader
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader
from vllm.model_executor.model_loader.ep_weight_filter import should_skip_weight

from ossmodelconnector.vllm._connecting import connect
from ossmodelconnector.vllm._held import hold, release
from ossmodelconnector.vllm._options import LOAD_FORMAT, take_options
from ossmodelconnector.vllm._progress import progress_bar
from ossmodelconnector.vllm._records import show_records
from ossmodelconnector.vllm._weights import as_source, is_oss, open_weights, wanted_names

if TYPE_CHECKING:
    from ossmodelconnector.safetensors import Model

__all__ = ["OssModelLoader"]

_log = logging.getLogger("ossmodelconnector.vllm")
# What vLLM has where nobody says otherwise: it is about subfolders, which are not read.
_IGNORED_BY_DEFAULT = ["original/**/*"]
_WEIGHTS = (".safetensors", ".bin", ".pt")


@register_model_loader(LOAD_FORMAT)
class OssModelLoader(DefaultModelLoader):  # type: ignore[misc]  # vllm is of type Any
    """Loads weights from OSS into a model of vLLM, tensor by tensor.

    Which experts are read, what a model loads besides, and whether all was loaded, are vLLM's.
    Owned by a worker; one thread uses it.
    """

    def __init__(self, load_config: Any) -> None:
        show_records()
        self._options, theirs = take_options(load_config.model_loader_extra_config)
        super().__init__(dataclasses.replace(load_config, model_loader_extra_config=theirs))
        # By what vLLM calls it: a model's folder of config files, whose weights are elsewhere.
        self._uris: dict[str, str] = {}

    def download_model(self, model_config: Any) -> None:
        """Receives the headers of the files, and nothing else: they are not kept on a disk."""
        uri = self._name_weights(model_config)
        if uri is not None:
            with connect(self._options) as connector:
                options = self._options._replace(node_copy=False)
                open_weights(connector, as_source(uri), options).close()
        else:
            self._of_vllm().download_model(model_config)

    def get_all_weights(self, model_config: Any, model: Any) -> Iterator[tuple[str, Any]]:
        """Yields (name, tensor), of the model's own weights and then of those that it names."""
        self._name_weights(model_config)
        yield from super().get_all_weights(model_config, model)

    def _name_weights(self, model_config: Any) -> str | None:
        """Notes where the model's weights are; a reload puts their URI in `model` alone."""
        uri = next(filter(is_oss, (model_config.model_weights, model_config.model)), None)
        if uri is not None:
            self._uris[model_config.model] = uri
        elif _lacks_weights(Path(model_config.model)):
            raise ValueError(
                f"load_format {LOAD_FORMAT!r}: {model_config.model} has no weights, and neither "
                "model nor model_weights is an oss:// URI: give model_weights='oss://bucket/model/'"
            )
        return uri

    def _get_weights_iterator(self, source: Any) -> Generator[tuple[str, Any], None, None]:
        named = source.model_or_path
        uri = named if is_oss(named) else self._uris.get(named)
        self.counter_before_loading_weights: float  # of vLLM, which tells the seconds
        if self.counter_before_loading_weights == 0.0:
            self.counter_before_loading_weights = time.perf_counter()
        if uri is None:
            yield from self._of_vllm()._get_weights_iterator(source)
            return
        for name, tensor in self._tensors(as_source(uri, source.subfolder), source):
            yield source.prefix + name, tensor
            del tensor  # its memory is the model's alone

    def _of_vllm(self) -> Any:
        """The loader of vLLM, for weights that are not in OSS."""
        loader = DefaultModelLoader(dataclasses.replace(self.load_config, load_format="auto"))
        loader.local_expert_ids = self.local_expert_ids
        return loader

    def _tensors(self, uri: str, source: Any) -> Iterator[tuple[str, Any]]:
        if self.load_config.safetensors_load_strategy == "torchao":
            raise ValueError(
                f"{uri}: weights that torchao quantized and saved are not loaded from OSS: load "
                "them from a local copy"
            )
        ignored = self.load_config.ignore_patterns
        ignored = [ignored] if isinstance(ignored, str) else list(ignored)
        began = time.monotonic()
        release()
        with ExitStack() as opened:
            connector = opened.enter_context(connect(self._options))
            model = open_weights(
                connector,
                uri,
                self._options,
                allowed=source.allow_patterns_overrides,
                ignored=[] if ignored == _IGNORED_BY_DEFAULT else ignored,
                has_neighbours=_rank_and_size()[1] > 1,
            )
            opened.enter_context(model)
            is_unused = source.is_unused_weight or (lambda _name: False)
            names = wanted_names(
                model.offset_keys(),
                lambda name: is_unused(name) or should_skip_weight(name, self.local_expert_ids),
            )
            yield from self._with_progress(model, names)
            _tell(uri, model, names, time.monotonic() - began)
            if model.node_copy is not None and not self._options.keep:
                hold(opened.pop_all())

    def _with_progress(self, model: Model, names: list[str]) -> Iterator[tuple[str, Any]]:
        total = sum(model.get_tensor_meta(name).nbytes for name in names)
        is_shown = self.load_config.use_tqdm_on_load and _rank_and_size()[0] == 0
        with progress_bar(total, is_shown) as bar:
            for name, tensor in model.iter_tensors(names):
                size = tensor.nbytes
                yield name, tensor
                del tensor
                bar.update(size)


def _lacks_weights(folder: Path) -> bool:
    """Whether it is a folder, and has the files of a model but these."""
    return folder.is_dir() and not any(path.suffix in _WEIGHTS for path in folder.iterdir())


def _rank_and_size() -> tuple[int, int]:
    """Which of this engine's processes that load the model this is, and how many there are."""
    group = torch.distributed
    if not group.is_available() or not group.is_initialized():
        return 0, 1
    return group.get_rank(), group.get_world_size()


def _tell(uri: str, model: Model, names: list[str], seconds: float) -> None:
    size = sum(model.get_tensor_meta(name).nbytes for name in names)
    copy = model.node_copy
    _log.info(
        "%s: %d tensors of %d files, %.2f GB in %.2f s (%.2f GB/s), checked by %s%s",
        uri,
        len(names),
        len(model.files),
        size / 1e9,
        seconds,
        size / 1e9 / max(seconds, 1e-9),
        ", ".join(sorted(set(model.verified.values()))),
        "" if copy is None else f"; copy in {copy.path}, {copy.fetched_bytes} bytes of it received",
    )
