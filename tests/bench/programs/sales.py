"""The parquet files of the scenario `parquet`: written, and what a query of them needs.

A file a store, each with the sales of one year in the order of time: 20 columns of what tills
write, four row groups. The query is over four months of that year and reads two of the columns.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

COLUMNS = ("sold_at", "amount_cents")
BEGIN, END = datetime(2025, 5, 1), datetime(2025, 9, 1)
ROW_GROUPS = 4
_YEAR = datetime(2025, 1, 1)
_YEAR_US = 365 * 24 * 3600 * 10**6


class _Random:
    """Columns of random values, the same ones for the same seed."""

    def __init__(self, rows: int, seed: int) -> None:
        self._rows = rows
        self._seed = seed * 1000

    def share(self) -> Any:
        """From 0 to 1."""
        self._seed += 1
        return pc.random(self._rows, initializer=self._seed)

    def count(self, limit: int, skew: int = 1) -> Any:
        """Below `limit`; with `skew` small ones more often."""
        share = pc.power(self.share(), float(skew))
        return pc.cast(pc.floor(pc.multiply(share, float(limit))), pa.int64())

    def rounded(self, limit: float, digits: int) -> Any:
        return pc.round(pc.multiply(self.share(), limit), ndigits=digits)

    def word(self, stem: str, limit: int, skew: int = 2) -> Any:
        return _joined(pa.scalar(stem), self.count(limit, skew))


def _joined(*parts: Any) -> Any:
    texts = [pc.cast(part, pa.string()) for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar("-"))


def table(rows: int, store: int) -> pa.Table:
    """The sales of one store."""
    random = _Random(rows, store)
    steps = pc.add(random.share(), 0.01)
    passed = pc.cumulative_sum(steps)
    of_the_year = pc.multiply(pc.divide(passed, passed[-1]), float(_YEAR_US - 1))
    begin = int((_YEAR - datetime(1970, 1, 1)).total_seconds()) * 10**6
    sold_at = pc.cast(pc.add(pc.cast(pc.floor(of_the_year), pa.int64()), begin), pa.timestamp("us"))
    number = pc.add(pa.array(range(rows), pa.int64()), store * 10**9)
    quantity = pc.add(random.count(12, 4), 1)
    cents = pc.add(random.count(50_000, 3), 99)
    remark = pc.if_else(
        pc.less(random.share(), 0.4),
        _joined(random.word("asked", 500), random.word("took", 900), random.word("left", 300)),
        pa.scalar(None, pa.string()),
    )
    columns = {
        "sale_id": number,
        "sold_at": sold_at,
        "customer_id": random.count(2_000_000, 3),
        "product_id": pc.cast(random.count(50_000, 2), pa.int32()),
        "product": random.word("product", 5000),
        "category": random.word("category", 40),
        "brand": random.word("brand", 800),
        "quantity": pc.cast(quantity, pa.int32()),
        "unit_price": pc.divide(pc.cast(cents, pa.float64()), 100.0),
        "discount": pc.cast(random.rounded(0.3, 2), pa.float32()),
        "tax": random.rounded(40.0, 4),
        "amount_cents": pc.multiply(quantity, cents),
        "currency": random.word("currency", 5),
        "payment": random.word("payment", 6),
        "cashier": random.word("cashier", 60),
        "receipt": _joined(pa.scalar("R"), number, random.count(10**6)),
        "latitude": random.rounded(180.0, 6),
        "longitude": random.rounded(360.0, 6),
        "is_member": pc.less(random.share(), 0.3),
        "remark": remark,
    }
    return pa.table(columns)


def write(path: Path, rows: int, store: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(rows, store), path, row_group_size=-(-rows // ROW_GROUPS))


def needs(folder: Path) -> dict[str, int]:
    """What the query has to fetch by the format, and what it finds.

    Of each file that is the footer, and of the row groups whose statistics do not rule them out the
    chunks of the two columns.
    """
    files = sorted(folder.rglob("*.parquet"))
    footers = chunks = 0
    for file in files:
        metadata = pq.read_metadata(file)
        footers += metadata.serialized_size + 8
        chunks += sum(_chunk_bytes(metadata.row_group(at)) for at in range(metadata.num_row_groups))
    found = ds.dataset(files, format="parquet").to_table(list(COLUMNS), filter=where())
    return {"footer_bytes": footers, "needed_bytes": footers + chunks, **answer(found)}


def _chunk_bytes(group: pq.RowGroupMetaData) -> int:
    columns = [group.column(at) for at in range(group.num_columns)]
    by_name = {column.path_in_schema: column for column in columns}
    times = by_name["sold_at"].statistics
    if times.max < BEGIN or times.min >= END:
        return 0
    return sum(by_name[name].total_compressed_size for name in COLUMNS)


def where() -> Any:
    """The query's condition, for pyarrow."""
    return (ds.field("sold_at") >= BEGIN) & (ds.field("sold_at") < END)


def answer(found: pa.Table) -> dict[str, int]:
    """Numbers that tell whether `found` is right, as exact as they are in SQL."""
    cents = pc.sum(found["amount_cents"]).as_py()
    seconds = pc.cast(found["sold_at"], pa.timestamp("s"), safe=False)
    times = pc.sum(pc.cast(seconds, pa.int64())).as_py()
    return {"rows": found.num_rows, "cents": cents, "seconds_sum": times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("--rows", type=int, required=True)
    writing.add_argument("paths", type=Path, nargs="+", help="a store each")
    needing = commands.add_parser("needs")
    needing.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.what == "write":
        for store, path in enumerate(options.paths):
            write(path, options.rows, store)
    else:
        print(json.dumps(needs(options.folder)))


if __name__ == "__main__":
    main()
