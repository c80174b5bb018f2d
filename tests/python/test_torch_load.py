"""ossmodelconnector.torch.load against torch.load of the same bytes."""

from __future__ import annotations

import importlib
import io
import random
import subprocess
import sys
import zipfile

import ossmodelconnector.torch
import pytest
from ossmodelconnector import ChecksumError, ObjectNotFoundError, _core

MiB = 1 << 20


def test_import_brings_no_torch_and_a_call_without_it_names_the_extra(make_connector, monkeypatch):
    code = "import sys, ossmodelconnector.torch; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
    monkeypatch.setitem(sys.modules, "torch", None)  # its import fails
    with pytest.raises(ImportError, match=r"pip install 'ossmodelconnector\[torch\]'"):
        ossmodelconnector.torch.load("oss://models/any", connector=make_connector())
    monkeypatch.delitem(vars(ossmodelconnector.torch), "OssStorageReader", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'ossmodelconnector\[torch\]'"):
        ossmodelconnector.torch.OssStorageReader  # noqa: B018 - it is imported now
    assert set(ossmodelconnector.torch.__all__) <= set(dir(ossmodelconnector.torch))
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        ossmodelconnector.torch.no_such_name  # noqa: B018 - it is looked for


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def state(torch):
    torch.manual_seed(1)
    tensors = {f"layers.{i}.weight": torch.randn(64, 300 + i) for i in range(120)}
    tensors["large"] = torch.randn(3, MiB // 2)
    tensors["tied"] = tensors["layers.3.weight"]
    tensors["part"] = tensors["layers.4.weight"][10:20]
    tensors["bf16"] = torch.randn(7).to(torch.bfloat16)
    return {"model": tensors, "step": 12}


@pytest.fixture(scope="module")
def saved(torch, state):
    return save(torch, state)


def save(torch, what, **options):
    buffer = io.BytesIO()
    torch.save(what, buffer, **options)
    return buffer.getvalue()


def in_order_of_names(data):
    """The archive as torch wrote it until 2.6: records sorted as text, 10 before 2."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in sorted(old.namelist()):
            new.writestr(name, old.read(name))
    return buffer.getvalue()


def same(torch, loaded, expected):
    assert list(loaded) == list(expected)
    assert loaded["step"] == expected["step"]
    ours, theirs = loaded["model"], expected["model"]
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert torch.equal(ours[name], tensor), name
    assert ours["tied"].data_ptr() == ours["layers.3.weight"].data_ptr()
    assert ours["part"].untyped_storage().data_ptr() == ours["layers.4.weight"].data_ptr()
    return True


@pytest.fixture
def load(make_connector, store):
    connector = make_connector(config={"prefetch.memoryBytes": 8 * MiB, "prefetch.chunkBytes": MiB})

    def load_bytes(data, key="checkpoint.pt", **options):
        store.put(key, data)
        store.served.clear_log()
        return ossmodelconnector.torch.load(store.uri(key), connector=connector, **options)

    load_bytes.connector = connector
    return load_bytes


def test_file_is_received_once_and_in_its_order(torch, state, saved, load, store):
    assert same(torch, load(saved), state)
    received = load.connector.stats().bytes_received
    assert len(saved) <= received <= len(saved) + 200_000
    assert len(store.served.log()) <= len(saved) / MiB + 8


@pytest.mark.parametrize("step", [5000, MiB])
def test_large_records_go_past_the_memory_that_others_wait_in(
    step, torch, state, saved, load, monkeypatch
):
    archive = importlib.import_module("ossmodelconnector.torch._archive")
    monkeypatch.setattr(archive, "_STEP_BYTES", step)
    assert same(torch, load(saved), state)
    assert same(torch, load(in_order_of_names(saved)), state)


def test_records_in_another_order_than_they_are_asked_for(torch, state, saved, load):
    data = in_order_of_names(saved)
    assert same(torch, load(data), state)
    assert load.connector.stats().bytes_received <= len(data) + 200_000


def test_form_of_torch_before_its_archives(torch, state, load):
    assert same(torch, load(save(torch, state, _use_new_zipfile_serialization=False)), state)


def test_directory_of_thousands_of_records(torch, load):
    tensors = [torch.full((2,), float(i)) for i in range(3000)]
    loaded = load(save(torch, tensors))
    assert all(map(torch.equal, loaded, tensors))


def test_small_file(torch, load):
    assert load(save(torch, {"a": torch.arange(3)}))["a"].tolist() == [0, 1, 2]
    assert load(save(torch, 5)) == 5


def test_meta_receives_no_tensors(torch, saved, load):
    loaded = load(saved, map_location="meta")
    assert loaded["model"]["large"].device.type == "meta"
    assert load.connector.stats().bytes_received < 700_000


def test_wrong_bytes_are_an_error(torch, state, saved, load, store):
    old = save(torch, state, _use_new_zipfile_serialization=False)
    for data in (saved, old):
        place = random.Random(3).randrange(len(data) // 2, len(data) - 200_000)
        flipped = bytearray(data)
        flipped[place] ^= 4
        store.served.local.put_object(
            store.bucket, "flipped.pt", bytes(flipped), crc64=_core.crc64(data)
        )
        with pytest.raises(ChecksumError, match=r"flipped\.pt"):
            ossmodelconnector.torch.load(store.uri("flipped.pt"), connector=load.connector)


def test_refusals_say_what_to_do(torch, saved, load, store):
    with pytest.raises(ValueError, match=r"mmap=True maps a local file"):
        load(saved, mmap=True)
    with pytest.raises(ValueError, match=r"cut\.pt: a zip archive without a directory"):
        load(saved[:-40_000], "cut.pt")
    with pytest.raises(ObjectNotFoundError):
        ossmodelconnector.torch.load(store.uri("no such.pt"), connector=load.connector)
    with pytest.raises(Exception, match="weights_only"):
        load(save(torch, {"code": random.Random(1)}))
    with pytest.raises((EOFError, RuntimeError)):
        load(b"", "empty.pt")


def test_code_in_a_file_runs_only_if_asked(torch, load):
    data = save(torch, {"random": random.Random(1)})
    assert load(data, weights_only=False)["random"].random() == random.Random(1).random()


@pytest.mark.parametrize("step", [5000, 16 * MiB])
def test_bytes_that_are_read_again_are_right(step, torch, saved, load, store, monkeypatch):
    archive = importlib.import_module("ossmodelconnector.torch._archive")
    monkeypatch.setattr(archive, "_STEP_BYTES", step)
    store.put("again.pt", saved)
    uri = store.uri("again.pt")
    with load.connector.open(uri) as reader, load.connector.open(reader, prefetch=False) as parts:
        file = archive.ArchiveFile(reader, parts, is_swept=True)
        for begin, end in ((5, 3 * MiB), (MiB + 7, MiB + 107), (MiB, 2 * MiB), (0, len(saved))):
            file.seek(begin)
            assert file.read(end - begin) == saved[begin:end]
        file.seek(-10, io.SEEK_END)
        assert file.read() == saved[-10:]
        file.check()
