"""What may stand in the file .metadata of a checkpoint, and what may not."""

from __future__ import annotations

import collections
import pickle
import pickletools
from pathlib import Path

import pytest
import torch
from ossmodelconnector.torch._checkpoint_metadata import load_metadata
from torch.distributed._shard.sharded_tensor.metadata import TensorProperties as OldProperties
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)

URI = "oss://bucket/checkpoint/.metadata"


def a_metadata(properties=TensorProperties, **more):
    index = MetadataIndex("a", [0, 0], 0)
    stored = TensorStorageMetadata(
        properties(dtype=torch.float8_e5m2, memory_format=torch.channels_last),
        torch.Size([3, 4]),
        [ChunkStorageMetadata(torch.Size([0, 0]), torch.Size([3, 4]))],
    )
    return Metadata(
        {"a": stored, "step": BytesStorageMetadata()},
        planner_data={"a": ("model", "a"), "step": ("progress", 0, "step")},
        storage_data={index: _StorageInfo("__0_0.distcp", 5, 7, ["stream.zstd/1"])},
        **more,
    )


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_torch_writes_is_read(protocol):
    metadata = a_metadata(storage_meta=StorageMeta(Path("/a/b"), "id", modules=["x"]))
    loaded = load_metadata(URI, pickle.dumps(metadata, protocol))
    assert str(loaded.storage_meta.checkpoint_id) == "/a/b"
    loaded.storage_meta.checkpoint_id = metadata.storage_meta.checkpoint_id
    assert loaded == metadata


def test_what_older_torch_wrote_is_read():
    loaded = load_metadata(URI, pickle.dumps(a_metadata(OldProperties)))
    assert loaded.state_dict_metadata["a"].properties.dtype == torch.float8_e5m2
    metadata = a_metadata()
    del metadata.storage_meta, metadata.version  # before 2.3 there were none
    (info,) = metadata.storage_data.values()
    del info.transform_descriptors
    assert load_metadata(URI, pickle.dumps(metadata)).planner_data == metadata.planner_data


@pytest.mark.parametrize(
    ("module", "name", "shown"),
    [
        ("pathlib._local", "PosixPath", "a/b"),  # of Python 3.13
        ("pathlib", "WindowsPath", "a\\b"),
    ],
)
def test_path_of_another_system_or_python(module, name, shown):
    given = pickle.dumps(a_metadata(storage_meta=StorageMeta(Path("a/b"))), protocol=2)
    data = given.replace(b"cpathlib\nPosixPath\n", f"c{module}\n{name}\n".encode())
    assert data != given
    assert str(load_metadata(URI, data).storage_meta.checkpoint_id) == shown


class Hostile:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


def test_nothing_else_is_looked_up_or_called(tmp_path):
    mark = tmp_path / "was-run"
    hostile = [
        Hostile(open, str(mark), "w"),
        Hostile(getattr, Metadata, "__init__"),
        Hostile(torch.load, str(mark)),
        Hostile(__import__, "ossmodelconnector"),
        Hostile(eval, f"open({str(mark)!r}, 'w')"),
    ]
    for one in hostile:
        metadata = a_metadata()
        metadata.planner_data = {"a": one}
        name = one.reduced[0].__name__
        with pytest.raises(ValueError, match=rf"names [\w.]+\.{name}, which") as caught:
            load_metadata(URI, pickle.dumps(metadata))
        assert "torch.serialization.add_safe_globals" in str(caught.value)
    # A name with dots leads out of what is allowed.
    name = b"Size.__new__.__self__"
    data = b"\x80\x04\x8c\x05torch\x8c" + bytes([len(name)]) + name + b"\x93."
    assert [code.name for code, *_ in pickletools.genops(data)][-2] == "STACK_GLOBAL"
    with pytest.raises(ValueError, match=r"names torch\.Size\.__new__\.__self__, which"):
        load_metadata(URI, data)
    assert not mark.exists()


def test_user_may_allow_a_class():
    metadata = a_metadata()
    metadata.planner_data = {"a": collections.Counter("aab")}
    data = pickle.dumps(metadata)
    with pytest.raises(ValueError, match=r"names collections\.Counter, which"):
        load_metadata(URI, data)
    with torch.serialization.safe_globals([collections.Counter]):
        assert load_metadata(URI, data) == metadata
    with torch.serialization.safe_globals([(dict, "collections.Counter")]):
        assert load_metadata(URI, data).planner_data == {"a": {"a": 2, "b": 1}}


@pytest.mark.parametrize("data", [b"", b"<html>", pickle.dumps(a_metadata())[:-30]], ids=repr)
def test_file_that_is_none(data):
    with pytest.raises(ValueError, match=rf"{URI}: {len(data)} bytes that are no metadata"):
        load_metadata(URI, data)


def test_pickle_of_something_else():
    with pytest.raises(ValueError, match=r"holds a dict, not a checkpoint's metadata"):
        load_metadata(URI, pickle.dumps({"a": 1}))
