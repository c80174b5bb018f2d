"""Libraries that take a binary file read from a reader what they read from the file."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import lzma
import pickle
import sys
import tarfile
import zipfile

import numpy as np
import PIL.Image
import pytest
import safetensors
import safetensors.numpy
from ossmodelconnector import MemoryBudgetError

rng = np.random.default_rng(1)
ARRAYS = {
    "weight": rng.standard_normal((120, 33)).astype(np.float32),
    "bias": rng.integers(0, 255, 1000, dtype=np.uint8),
    "scale": np.float16(rng.standard_normal((5, 4, 3))),
}


@pytest.fixture(scope="module")
def shared(make_shared_connector):
    return make_shared_connector(config={"prefetch": {"chunkBytes": "4 KiB", "vcpus": 1}})


@pytest.fixture
def open_bytes(shared, store, request):
    """open_bytes(data): a reader over an object that holds `data`."""
    readers = []

    def open_object(data, binary=True):
        key = f"consumers/{request.node.name}"
        store.put(key, data)
        readers.append(shared.open(store.uri(key), binary))
        return readers[-1]

    yield open_object
    for reader in readers:
        reader.close()


def test_numpy_load_npy(open_bytes):
    file = io.BytesIO()
    np.save(file, ARRAYS["weight"])
    loaded = np.load(open_bytes(file.getvalue()))
    np.testing.assert_array_equal(loaded, ARRAYS["weight"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy_load_npz(open_bytes, save):
    file = io.BytesIO()
    save(file, **ARRAYS)
    with np.load(open_bytes(file.getvalue())) as loaded:
        assert sorted(loaded) == sorted(ARRAYS)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(loaded[name], array)


def test_numpy_frombuffer_over_a_view(open_bytes):
    reader = open_bytes(ARRAYS["weight"].tobytes())
    array = np.frombuffer(reader.getbuffer(), dtype=np.float32).reshape(120, 33)
    np.testing.assert_array_equal(array, ARRAYS["weight"])
    assert not array.flags.writeable


def test_zipfile(open_bytes):
    file = io.BytesIO()
    contents = {f"folder/{i}.bin": rng.bytes(i * 700) for i in range(20)}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    reader = open_bytes(file.getvalue())
    assert zipfile.is_zipfile(reader)
    with zipfile.ZipFile(reader) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents


@pytest.mark.parametrize("compression", ["", "gz", "xz"])
@pytest.mark.parametrize("access", [":", "|"])
def test_tarfile(open_bytes, compression, access):
    file = io.BytesIO()
    contents = {f"folder/{i}.bin": rng.bytes(i * 700) for i in range(20)}
    with tarfile.open(fileobj=file, mode=f"w:{compression}") as archive:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    reader = open_bytes(file.getvalue())
    with tarfile.open(fileobj=reader, mode=f"r{access}{compression}") as archive:
        assert {info.name: archive.extractfile(info).read() for info in archive} == contents


@pytest.mark.parametrize("module", [gzip, lzma])
def test_compressed_streams(open_bytes, module):
    data = b"".join(b"line %d\n" % i for i in range(20_000))
    with module.open(open_bytes(module.compress(data))) as stream:
        assert stream.readline() == b"line 0\n"
        assert stream.seek(100_000) == 100_000
        assert stream.read() == data[100_000:]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_pil(open_bytes, form):
    file = io.BytesIO()
    pixels = rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(file, form)
    with PIL.Image.open(open_bytes(file.getvalue())) as image:
        assert image.format == form
        expected = PIL.Image.open(io.BytesIO(file.getvalue()))
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))


def test_safetensors(open_bytes):
    data = safetensors.numpy.save(ARRAYS, {"format": "np"})
    reader = open_bytes(data)
    for loaded in (
        safetensors.numpy.load(reader.read()),
        {
            name: np.frombuffer(tensor["data"], _numpy_type(tensor["dtype"])).reshape(
                tensor["shape"]
            )
            for name, tensor in safetensors.deserialize(reader.getbuffer().tobytes())
        },
    ):
        assert sorted(loaded) == sorted(ARRAYS)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(loaded[name], array)


def test_safetensors_by_hand_without_a_copy(open_bytes):
    # The way a loader reads a shard: the header, then each tensor in place.
    reader = open_bytes(safetensors.numpy.save(ARRAYS))
    header_size = int.from_bytes(reader.read(8), "little")
    header = json.loads(reader.read(header_size))
    view = reader.getbuffer()
    for name, array in ARRAYS.items():
        begin, end = (8 + header_size + offset for offset in header[name]["data_offsets"])
        tensor = np.frombuffer(view[begin:end], _numpy_type(header[name]["dtype"]))
        np.testing.assert_array_equal(tensor.reshape(header[name]["shape"]), array)


def _numpy_type(name):
    return {"F32": np.float32, "F16": np.float16, "U8": np.uint8}[name]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="hashlib.file_digest is new in 3.11")
def test_a_digest_of_a_file_within_the_budget_and_beyond(make_connector, new_bucket):
    store = new_bucket("digests")
    data = bytes(range(256)) * 4096
    store.put("shard", data)
    right = hashlib.sha256(data).hexdigest()
    reader = make_connector().open(store.uri("shard"))
    reader.read(7)
    # CPython takes getbuffer() where a file has one, which is all of it, whatever the cursor.
    assert hashlib.file_digest(reader, "sha256").hexdigest() == right
    assert (reader.tell(), reader.verified) == (7, "crc64")
    little = make_connector(config={"prefetch.memoryBytes": "512 KiB"})
    reader = little.open(store.uri("shard"))
    with pytest.raises(MemoryBudgetError, match=r"read it in pieces \(chunks\(\)"):
        hashlib.file_digest(reader, "sha256")
    digest = hashlib.sha256()
    for chunk in reader.chunks():
        digest.update(chunk)
    assert digest.hexdigest() == right


TORCH = "torch is not installed: see tests/support/install_torch.py"


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_torch_load(open_bytes, zipped):
    torch = pytest.importorskip("torch", reason=TORCH)
    state = {name: torch.from_numpy(array) for name, array in ARRAYS.items()}
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    loaded = torch.load(open_bytes(file.getvalue()), weights_only=True)
    assert sorted(loaded) == sorted(state)
    for name, tensor in state.items():
        assert torch.equal(loaded[name], tensor)


def test_torch_frombuffer_over_a_view(open_bytes):
    torch = pytest.importorskip("torch", reason=TORCH)
    reader = open_bytes(ARRAYS["weight"].tobytes())
    # torch has no read-only tensors and warns.
    with pytest.warns(UserWarning, match="not writable"):
        tensor = torch.frombuffer(reader.getbuffer(), dtype=torch.float32)
    assert torch.equal(tensor.reshape(120, 33), torch.from_numpy(ARRAYS["weight"]))


def test_pickle(open_bytes):
    value = {"name": "model", "arrays": ARRAYS, "numbers": list(range(10_000))}
    loaded = pickle.load(open_bytes(pickle.dumps(value)))
    assert loaded["numbers"] == value["numbers"]
    np.testing.assert_array_equal(loaded["arrays"]["weight"], ARRAYS["weight"])


def test_pickle_with_several_values_in_a_file(open_bytes):
    reader = open_bytes(pickle.dumps([1, 2]) + pickle.dumps("second") + b"rest")
    assert pickle.load(reader) == [1, 2]
    assert pickle.load(reader) == "second"
    assert reader.read() == b"rest"


def test_json_as_text_and_as_bytes(open_bytes):
    value = {"architectures": ["Qwen2ForCausalLM"], "名": "世界", "layers": list(range(5000))}
    data = json.dumps(value, ensure_ascii=False).encode()
    assert json.load(open_bytes(data, False)) == value
    assert json.load(open_bytes(data)) == value


def test_csv(open_bytes):
    rows = [["key", "text"], *([str(i), f"line\nof é {i}"] for i in range(500))]
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    text = open_bytes(file.getvalue().encode(), False)
    assert list(csv.reader(text)) == rows


def test_buffered_reader_over_it(open_bytes):
    # Some wrap whatever they get once more.
    data = rng.bytes(50_000)
    wrapped = io.BufferedReader(open_bytes(data), buffer_size=1000)
    assert wrapped.read(10) == data[:10]
    assert wrapped.seek(-7, io.SEEK_END) == len(data) - 7
    assert wrapped.read() == data[-7:]


def test_copyfileobj(open_bytes, tmp_path):
    import shutil

    data = rng.bytes(300_000)
    with open(tmp_path / "copy", "wb") as file:
        shutil.copyfileobj(open_bytes(data), file, 10_000)
    assert (tmp_path / "copy").read_bytes() == data
