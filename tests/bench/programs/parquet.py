"""The query of programs/sales.py by pyarrow or DuckDB, through somebody's fsspec filesystem.

Everything has its defaults, and the filesystem is made when the clock runs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

from bench.programs.sales import BEGIN, COLUMNS, END, answer, where
from bench.programs.usage import Meter, tell

_KEYS = {"key": "ak-test", "secret": "sk-test"}


def ours(module: Any, endpoint: str) -> Any:
    return module.OssModelFileSystem(endpoint, region="cn-test", **_KEYS)


def ossfs(module: Any, endpoint: str) -> Any:
    class ForDuckDB(module.OSSFileSystem):  # type: ignore[misc]
        """With two things mended without which DuckDB reads nothing through it."""

        def glob(self, path: str, **options: Any) -> list[str]:
            # Names that begin with a slash become oss:///bucket/key.
            return [name.lstrip("/") for name in super().glob(path, **options)]

        def modified(self, path: str) -> datetime:
            return datetime.fromtimestamp(super().modified(path), timezone.utc)

    return ForDuckDB(endpoint=endpoint, **_KEYS)


def obstore(module: Any, endpoint: str) -> Any:
    module.register("s3")  # as its documentation has it: a class that knows its protocol
    return import_module("fsspec").filesystem(
        "s3",
        endpoint=endpoint,
        skip_signature=True,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        region="us-east-1",
    )


# With its module, and the protocol that its paths have in SQL.
WHO: dict[str, tuple[Callable[[Any, str], Any], str, str]] = {
    "ours": (ours, "ossmodelconnector.fsspec", "ossmc"),
    "ossfs": (ossfs, "ossfs", "oss"),
    "obstore": (obstore, "obstore.fsspec", "s3"),
}


def by_pyarrow(filesystem: Any, _protocol: str, folder: str) -> dict[str, int]:
    dataset = import_module("pyarrow.dataset").dataset(
        folder, filesystem=filesystem, format="parquet", partitioning="hive"
    )
    return answer(dataset.to_table(list(COLUMNS), filter=where()))


def by_duckdb(filesystem: Any, protocol: str, folder: str) -> dict[str, int]:
    with import_module("duckdb").connect() as connection:
        connection.register_filesystem(filesystem)
        # All rows, though there is one: a connection that ends before its result may hang.
        ((rows, cents, seconds),) = connection.execute(
            "SELECT count(*), sum(amount_cents), sum(epoch_us(sold_at) // 1000000) "
            "FROM read_parquet($files) "
            "WHERE sold_at >= $begin AND sold_at < $end",
            {"files": f"{protocol}://{folder}/*/*.parquet", "begin": BEGIN, "end": END},
        ).fetchall()
    return {"rows": rows, "cents": int(cents), "seconds_sum": int(seconds)}


ENGINES = {"pyarrow": by_pyarrow, "duckdb": by_duckdb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("who", choices=WHO)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--folder", required=True, help="BUCKET/KEY")
    parser.add_argument("--bytes", type=int, required=True, help="that the query needs")
    options = parser.parse_args()
    make, name, protocol = WHO[options.who]
    module = import_module(name)
    import_module("pyarrow.dataset" if options.engine == "pyarrow" else "duckdb")
    meter = Meter()
    filesystem = make(module, options.endpoint)
    found = ENGINES[options.engine](filesystem, protocol, options.folder)
    tell({**meter.stop(options.bytes), **found})
    # Not by Python's own end: threads of Arrow that let go of their last buffers after it abort.
    os._exit(0)


if __name__ == "__main__":
    main()
