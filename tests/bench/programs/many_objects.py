"""Many small objects, each read whole: this library's read_objects, or a peer's own way."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from bench.programs.peers import obstore_store
from bench.programs.usage import Figures, Meter, status_bytes, tell

THREADS = 16
AT_ONCE = 64  # gets of the async way
Run = Callable[[list[str]], int]


def ours(options: argparse.Namespace, listed: bool) -> tuple[Run, Callable[[], Figures]]:
    from bench.programs.connecting import connect

    connector = connect(options)

    def run(keys: list[str]) -> int:
        objects = [known[key] for key in keys] if listed else [uri_of(key) for key in keys]
        return sum(len(data) for _, data in connector.read_objects(objects))

    def uri_of(key: str) -> str:
        return f"oss://{options.bucket}/{key}"

    # nginx has no listings: what one would tell, from the replies.
    all_keys = keys_of(options) if listed else []
    infos = (info for info, _ in connector.read_objects(map(uri_of, all_keys)))
    known: dict[str, Any] = dict(zip(all_keys, infos))

    def figures() -> Figures:
        stats = connector.stats()
        return {"connections": stats.connections, "memory_peak_bytes": stats.memory_peak_bytes}

    return run, figures


def keys_of(options: argparse.Namespace) -> list[str]:
    return [f"{options.stem}{number:02d}" for number in range(options.count)]


def _obstore(options: argparse.Namespace) -> tuple[Any, Any]:
    return import_module("obstore"), obstore_store(options)


def obstore_sync(options: argparse.Namespace) -> Run:
    library, store = _obstore(options)
    return lambda keys: sum(len(library.get(store, key).bytes()) for key in keys)


def obstore_threads(options: argparse.Namespace) -> Run:
    library, store = _obstore(options)

    def one(key: str) -> int:
        return len(library.get(store, key).bytes())

    def run(keys: list[str]) -> int:
        with ThreadPoolExecutor(THREADS) as executor:
            return sum(executor.map(one, keys))

    return run


def obstore_async(options: argparse.Namespace) -> Run:
    library, store = _obstore(options)

    async def worker(keys: Any) -> int:
        total = 0
        for key in keys:
            got = await library.get_async(store, key)
            total += len(await got.bytes_async())
        return total

    async def all_of(keys: list[str]) -> int:
        # Workers that share the keys: as many gets at once, and no task an object.
        shared = iter(keys)
        return sum(await asyncio.gather(*(worker(shared) for _ in range(AT_ONCE))))

    return lambda keys: asyncio.run(all_of(keys))


def oss2(options: argparse.Namespace) -> Run:
    library = import_module("oss2")
    credentials = import_module("oss2.credentials")
    auth = library.ProviderAuth(credentials.EnvironmentVariableCredentialsProvider())
    bucket = library.Bucket(auth, options.endpoint, options.bucket, enable_crc=False)
    return lambda keys: sum(len(bucket.get_object(key).read()) for key in keys)


PEERS = {
    "obstore_sync": obstore_sync,
    "obstore_threads": obstore_threads,
    "obstore_async": obstore_async,
    "oss2": oss2,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("who", choices=["ours_listed", "ours_uris", *PEERS])
    add("--endpoint", required=True)
    add("--bucket", required=True)
    add("--config", type=json.loads, default={}, help="as JSON")
    add("--stem", required=True, help="keys are STEM00, STEM01, ...")
    add("--count", type=int, required=True, help="objects")
    add("--size", type=int, required=True, help="bytes of each")
    add("--reads", type=int, required=True, help="how many are read in a pass")
    add("--passes", type=int, default=2)
    add("--wait-seconds", type=float, default=0.0, help="how long each reply takes")
    options = parser.parse_args()
    figures: Callable[[], Figures] = dict
    if options.who.startswith("ours"):
        run, figures = ours(options, options.who == "ours_listed")
    else:
        run = PEERS[options.who](options)
    keys = keys_of(options)
    keys = (keys * (options.reads // len(keys) + 1))[: options.reads]
    resident = status_bytes("VmRSS")
    for _ in range(options.passes):
        meter = Meter()
        got = run(keys)
        row = meter.stop(got)
        if got != options.reads * options.size:
            raise SystemExit(f"{got} of {options.reads * options.size} bytes")
        cpu = row["user_seconds"] + row["system_seconds"]
        row["objects_a_second"] = options.reads / row["seconds"]
        row["cpu_us_an_object"] = cpu / options.reads * 1e6
        row["peak_growth_mib"] = (row["peak_rss_bytes"] - resident) / (1 << 20)
        row.update(figures())
        if options.wait_seconds and row.get("connections"):
            row["of_ideal"] = row["objects_a_second"] * options.wait_seconds / row["connections"]
        tell(row)


if __name__ == "__main__":
    main()
