"""The examples of docs/data-tools.md and of the docstrings of ossmodelconnector.ray run."""

from __future__ import annotations

import doctest
import json
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import ossmodelconnector.ray
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import xarray as xr
from PIL import Image
from support import examples, ray_nodes
from support.markdown import code_blocks

# Nodes of Ray may need more than one attempt to start.
pytestmark = pytest.mark.timeout(600)

PAGE = Path(__file__).parents[2] / "docs" / "data-tools.md"
COUNT = 100


def write_files(folder: Path) -> None:
    """What the page reads: what pandas, Arrow, h5py, xarray and others make of the same numbers."""
    frame = pd.DataFrame({"n": range(COUNT), "part": [i % 4 for i in range(COUNT)]})
    frame.to_parquet(folder / "table.parquet")
    frame.to_csv(folder / "table.csv", index=False)
    pq.write_to_dataset(pa.Table.from_pandas(frame), folder / "tables", partition_cols=["part"])
    (folder / "rows").mkdir()
    for i in range(2):
        frame.to_json(folder / "rows" / f"{i}.jsonl", orient="records", lines=True)
    np.save(folder / "array.npy", frame.n.to_numpy())
    Image.new("RGB", (4, 3), "red").save(folder / "picture.png")
    with tarfile.open(folder / "files.tar", "w") as tar:
        tar.add(folder / "table.csv", "table.csv")
    with zipfile.ZipFile(folder / "files.zip", "w") as archive:
        archive.writestr("0.txt", b"zero")
    temperature = np.arange(400.0).reshape(20, 20)
    with h5py.File(folder / "data.h5", "w") as file:
        file["temperature"] = temperature
    weather = xr.Dataset({"temperature": (("time", "place"), temperature)})
    weather.to_zarr(folder / "weather.zarr")
    weather.to_netcdf(folder / "weather.nc", engine="h5netcdf")


@pytest.fixture(scope="module", autouse=True)
def _files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    with examples.service(files) as environ, pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        with ray_nodes.cluster(environ, nodes=1):
            ray.data.DataContext.get_current().enable_progress_bars = False
            yield


def test_page_on_data_tools(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    blocks = [block for block in code_blocks(PAGE.read_text()) if block.info.startswith("python")]
    assert sum(block.info == "python integration" for block in blocks) >= 10
    for block in blocks:
        exec(compile(block.text, f"{PAGE}, block at line {block.line}", "exec"), names)
        if "frame" in names and "checked" not in names:
            names["checked"] = names["frame"].n.tolist()
    assert names["checked"] == list(range(91, COUNT))
    assert names["total"] == sum(range(COUNT))
    assert names["table"]["n"].to_pylist() == list(range(1, COUNT, 4))
    assert sorted(names["counts_by_part"]) == [(part, COUNT // 4) for part in range(4)]
    assert names["longest"] == len(json.dumps({"n": 10, "part": 2}, separators=(",", ":"))) + 1
    assert names["tables"].count() == COUNT
    assert names["objects"].count() == 5
    assert [row["rows"] for row in names["counts"]] == [COUNT, COUNT]
    assert names["corner"].shape == (5, 5)
    assert names["mean"] == 199.5
    assert names["array"].tolist() == list(range(COUNT))
    assert names["picture"].size == (4, 3)
    assert names["names"] == ["table.csv"]
    assert names["text"] == b"zero"


def test_docstrings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner()
    output: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(ossmodelconnector.ray):
        runner.run(test, out=output.append)
    assert runner.tries == 7
    assert runner.failures == 0, "".join(output)


def test_no_docstring_is_left_out():
    folder = Path(ossmodelconnector.ray.__file__).parent
    shown = sum(path.read_text().count(">>> ") for path in folder.glob("*.py"))
    assert shown == 7
