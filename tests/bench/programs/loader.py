"""A DataLoader of torch over many small objects: this library's data set, or another's."""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
import warnings
from importlib import import_module
from typing import Any

import torch.utils.data

from bench.programs.usage import tell


class Oss2Objects(torch.utils.data.Dataset):  # type: ignore[misc]  # torch is of type Any
    """An object a sample, by oss2, as its users write it."""

    def __init__(self, options: argparse.Namespace, keys: list[str]) -> None:
        self._options = options
        self._keys = keys
        self._bucket: Any = None

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> bytes:
        if self._bucket is None:  # in each worker its own
            library = import_module("oss2")
            credentials = import_module("oss2.credentials")
            auth = library.ProviderAuth(credentials.EnvironmentVariableCredentialsProvider())
            place = self._options.endpoint, self._options.bucket
            self._bucket = library.Bucket(auth, *place, enable_crc=False)
        data: bytes = self._bucket.get_object(self._keys[index]).read()
        return data


def oss2(options: argparse.Namespace, keys: list[str]) -> Any:
    return Oss2Objects(options, keys)


def osstorch(options: argparse.Namespace, keys: list[str]) -> Any:
    library = import_module("osstorchconnector")
    folder = tempfile.mkdtemp(dir=options.folder)
    config_path = os.path.join(folder, "config.json")
    with open(config_path, "w") as file:
        # The file of its documentation.
        config = {"prefetchConcurrency": 24, "prefetchWorker": 2}
        paths = {"logPath": os.path.join(folder, "log"), "auditPath": os.path.join(folder, "audit")}
        json.dump({"logLevel": 2, **paths, "datasetConfig": config}, file)
    credentials = import_module("oss2.credentials")
    return library.OssIterableDataset.from_objects(
        [f"oss://{options.bucket}/{key}" for key in keys],
        options.endpoint,
        cred_provider=credentials.EnvironmentVariableCredentialsProvider(),
        config_path=config_path,
        region="cn-test",
        transform=lambda one: one.read(),
    )


def _ours(options: argparse.Namespace, keys: list[str], name: str) -> Any:
    from bench.programs.connecting import connect

    made = getattr(import_module("ossmodelconnector.torch"), name)
    uris = [f"oss://{options.bucket}/{key}" for key in keys]
    return made(uris, connector=connect(options), transform=lambda sample: sample[1])


def ours_iterable(options: argparse.Namespace, keys: list[str]) -> Any:
    return _ours(options, keys, "IterableObjectDataset")


def ours_map(options: argparse.Namespace, keys: list[str]) -> Any:
    return _ours(options, keys, "ObjectDataset")


WAYS = (ours_iterable, ours_map, oss2, osstorch)


def as_list(batch: list[bytes]) -> list[bytes]:
    return batch


def cpu_seconds() -> float:
    """Of this process and of workers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    ways = {way.__name__.replace("_", "-"): way for way in WAYS}
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("who", choices=ways)
    add("--endpoint", required=True)
    add("--bucket", required=True)
    add("--config", type=json.loads, default={}, help="as JSON")
    add("--folder", default=None, help="for files of the peer's")
    add("--stem", required=True, help="keys are STEM00, STEM01, ...")
    add("--count", type=int, required=True, help="objects")
    add("--size", type=int, required=True, help="bytes of each")
    add("--reads", type=int, required=True, help="how many samples an epoch has")
    add("--workers", type=int, default=2)
    add("--batch", type=int, default=50)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "This DataLoader will create .* worker processes")
    keys = [f"{options.stem}{number:02d}" for number in range(options.count)]
    keys = (keys * (options.reads // len(keys) + 1))[: options.reads]
    dataset = ways[options.who](options, keys)
    loader_of: Any = torch.utils.data.DataLoader
    if options.who.startswith("ours"):
        loader_of = import_module("ossmodelconnector.torch").DataLoader
    loader = loader_of(
        dataset, options.batch, num_workers=options.workers, collate_fn=as_list, timeout=100
    )
    cpu, begin = cpu_seconds(), time.perf_counter()
    sizes = [len(one) for batch in loader for one in batch]
    seconds = time.perf_counter() - begin
    if len(sizes) != options.reads or set(sizes) != {options.size}:
        raise SystemExit(f"{len(sizes)} of {options.reads} samples, {sum(sizes)} bytes")
    cpu = cpu_seconds() - cpu
    tell(
        {
            "bytes": sum(sizes),
            "seconds": seconds,
            "items_a_second": options.reads / seconds,
            "cpu_us_an_item": cpu / options.reads * 1e6,
        }
    )


if __name__ == "__main__":
    main()
