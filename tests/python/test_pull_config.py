"""pull_config: the files of a model but its weights, in a folder. It needs no transformers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ossmodelconnector import ChecksumError, ObjectNotFoundError
from ossmodelconnector.transformers import from_pretrained, pull_config

MiB = 1 << 20

FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"[1]",
    "tokenizer.model": b"\0sentencepiece",
    "modeling_own.py": b"x = 1\n",
    "chat_template.jinja": b"{{ a }}",
    "model.safetensors.index.json": b"{}",
    "1_Pooling/config.json": b'{"pooling": 1}',
}
LEFT_OUT = {
    "model-00001-of-00002.safetensors": b"w",
    "pytorch_model.bin": b"w",
    "Consolidated.PTH": b"w",
    "onnx/model.onnx": b"w",
    "unet/model.msgpack": b"w",
    ".gitattributes": b"git",
    ".cache/huggingface/download/config.json.metadata": b"x",
    "empty/": b"",
}


@pytest.fixture
def model(new_bucket, request):
    """A bucket of the test's own, with a model under model/."""
    bucket = new_bucket(f"pulled-{abs(hash(request.node.name)) % 10**9}")
    for name, data in {**FILES, **LEFT_OUT}.items():
        bucket.put(f"model/{name}", data)
    bucket.put("model-of-others/config.json", b"others")
    return bucket


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("ending", ["", "/"])
def test_all_but_weights(ending, model, make_connector, tmp_path):
    uri = model.uri("model") + ending
    folder = pull_config(uri, connector=make_connector(), cache_dir=tmp_path)
    assert tmp_path in folder.parents
    assert contents(folder) == FILES


def test_second_call_costs_a_listing(model, make_connector, tmp_path):
    connector = make_connector()
    first = pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path)
    model.served.clear_log()
    assert pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path) == first
    assert len(model.served.log()) == 1


def test_change_gives_another_folder_and_what_is_gone_leaves(model, make_connector, tmp_path):
    connector = make_connector()
    first = pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path)
    model.put("model/config.json", b"{ }")
    model.delete("model/tokenizer.json")
    second = pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path)
    assert second != first
    expected = {**FILES, "config.json": b"{ }"}
    del expected["tokenizer.json"]
    assert contents(second) == expected
    assert contents(first) == FILES  # somebody may read it still


def test_folders_that_nobody_asked_for_go(model, make_connector, tmp_path):
    connector = make_connector()

    def pull(text):
        model.put("model/config.json", text)
        return pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path)

    old, newer = pull(b"1"), pull(b"2")
    unfinished = old.parent / "unfinished-of-one-that-was-killed"
    unfinished.mkdir()
    for folder in (old, unfinished):
        os.utime(folder, (time.time() - 8 * 24 * 3600,) * 2)
    newest = pull(b"3")
    assert set(old.parent.iterdir()) == {newer, newest}


def test_file_that_somebody_removed_comes_again(model, make_connector, tmp_path):
    connector = make_connector()
    folder = pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path)
    (folder / "config.json").unlink()
    (folder / "tokenizer.json").write_bytes(b"")
    again = pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path)
    assert again == folder
    assert contents(folder) == FILES
    assert list(folder.parent.iterdir()) == [folder]


PULL = (
    "import sys; from ossmodelconnector.transformers import pull_config\n"
    "folder = pull_config(sys.argv[1], cache_dir=sys.argv[2])\n"
    "print(folder, len([p for p in folder.rglob('*') if p.is_file()]))"
)


def test_many_processes_at_once(model, make_connector, tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", PULL, model.uri("model/"), str(tmp_path)]
    processes = [
        subprocess.Popen(command, env=model.served.environ(), stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = {process.communicate(timeout=100)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    (output,) = outputs
    folder, count = output.split()
    assert int(count) == len(FILES)
    assert contents(Path(folder)) == FILES
    assert list(Path(folder).parent.iterdir()) == [Path(folder)]


def test_many_threads_at_once_on_a_folder_that_lacks_a_file(model, make_connector, tmp_path):
    connector = make_connector()
    folder = pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path)
    (folder / "config.json").unlink()
    found = []

    def pull():
        found.append(pull_config(model.uri("model/"), connector=connector, cache_dir=tmp_path))

    threads = [threading.Thread(target=pull) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [folder] * 6
    assert contents(folder) == FILES


def test_large_files_are_taken_for_weights(model, make_connector, tmp_path, monkeypatch, caplog):
    import ossmodelconnector.transformers._source as source

    monkeypatch.setattr(source, "_LARGEST_BYTES", 1000)
    model.put("model/weights.of-a-new-kind", bytes(1001))
    folder = pull_config(model.uri("model/"), connector=make_connector(), cache_dir=tmp_path)
    assert contents(folder) == FILES
    assert "weights.of-a-new-kind has 1001 bytes and is taken for weights" in caplog.text
    monkeypatch.setattr(source, "_MOST_BYTES", 20)
    with pytest.raises(ValueError, match="files that are no weights, more than the 20"):
        pull_config(model.uri("model/"), connector=make_connector(), cache_dir=tmp_path)


def test_bucket_by_mistake(model, make_connector, tmp_path, monkeypatch):
    import ossmodelconnector.transformers._source as source

    monkeypatch.setattr(source, "_MOST_OBJECTS", 10)
    with pytest.raises(ValueError, match="more than 10 objects, far more than a model"):
        pull_config(f"oss://{model.bucket}", connector=make_connector(), cache_dir=tmp_path)


@pytest.mark.parametrize("key", ["model/../up.json", "model//double.json", "model/config.json/x"])
def test_names_that_are_no_files(key, model, make_connector, tmp_path):
    model.put(key, b"x")
    with pytest.raises(ValueError, match=r"can have that name|cannot hold both"):
        pull_config(model.uri("model/"), connector=make_connector(), cache_dir=tmp_path)
    assert not (tmp_path / "up.json").exists()


def test_wrong_bytes_leave_no_folder(model, make_connector, tmp_path):
    model.served.local.put_object(model.bucket, "model/config.json", b"{1}", crc64=7)
    with pytest.raises(ChecksumError, match=r"config\.json"):
        pull_config(model.uri("model/"), connector=make_connector(), cache_dir=tmp_path)
    (parent,) = tmp_path.iterdir()
    assert list(parent.iterdir()) == []


def test_default_place(model, make_connector, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = pull_config(model.uri("model/"), connector=make_connector())
    assert tmp_path / "ossmodelconnector" in folder.parents
    assert folder.parent.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = pull_config(model.uri("model/"), connector=make_connector())
    assert tmp_path / "home" / ".cache" / "ossmodelconnector" in folder.parents


@pytest.mark.parametrize(
    ("uri", "kind", "text"),
    [
        ("/local/model", ValueError, "must be oss://bucket/model/"),
        ("oss://", ValueError, "must be oss://bucket/model/"),
        (5, TypeError, "must be str"),
        ("oss://bucket/a/model.safetensors", ValueError, "names a file"),
        ("oss://bucket/a/model.safetensors.index.json", ValueError, "names a file"),
    ],
)
def test_uris_that_are_no_folders(uri, kind, text, make_connector, tmp_path):
    with pytest.raises(kind, match=text):
        pull_config(uri, connector=make_connector(), cache_dir=tmp_path)


def test_nothing_there(model, make_connector, tmp_path):
    with pytest.raises(ObjectNotFoundError, match="nothing under"):
        pull_config(model.uri("none/"), connector=make_connector(), cache_dir=tmp_path)


def test_from_pretrained_without_transformers_names_the_extra(make_connector, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)  # its import fails
    with pytest.raises(ImportError, match=r"pip install 'ossmodelconnector\[transformers\]'"):
        from_pretrained(dict, "oss://models/any/", connector=make_connector())
