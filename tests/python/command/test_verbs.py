"""What each verb prints: for people, as JSON, and next to nothing."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys

import pytest
from ossmodelconnector import _core

from .conftest import COMMAND

DATA = random.Random(3).randbytes(3_000_000)


def safetensors(tensors):
    header = json.dumps(tensors).encode()
    size = max(info["data_offsets"][1] for info in tensors.values())
    return struct.pack("<Q", len(header)) + header + bytes(size)


@pytest.fixture(scope="module")
def store(bucket):
    bucket.put("top.txt", b"hello\n")
    bucket.put("qwen/config.json", b"{}")
    bucket.put("qwen/data.bin", DATA)
    bucket.put("qwen/sub/deep.txt", "tief ä".encode())
    bucket.put("empty", b"")
    weight = {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}
    bias = {"dtype": "F32", "shape": [], "data_offsets": [64, 68]}
    bucket.put("m/model-00001-of-00002.safetensors", safetensors({"a.weight": weight, "b": bias}))
    bucket.put("m/model-00002-of-00002.safetensors", safetensors({"c.weight": weight}))
    return bucket


# --- ls ---


def test_ls_shows_a_folder(ossmc, store):
    assert ossmc("ls", store.uri("")).out.split() == ["m/", "qwen/", "empty", "top.txt"]
    assert ossmc("ls", store.uri("qwen/")).out.split() == ["sub/", "config.json", "data.bin"]
    # Without its slash too, as in a shell.
    assert ossmc("ls", store.uri("qwen")).out.split() == ["sub/", "config.json", "data.bin"]
    assert ossmc("ls", store.uri("qwen/c")).out.split() == ["config.json"]


@pytest.mark.parametrize("how", ["-r", "--fast"])
def test_ls_shows_all_below(ossmc, store, how):
    expected = ["config.json", "data.bin", "sub/deep.txt"]
    assert ossmc("ls", store.uri("qwen/"), how).out.split() == expected


def test_ls_long_and_summary(ossmc, store):
    lines = ossmc("ls", store.uri("qwen/"), "-l", "--summary").out.splitlines()
    assert lines[0].split() == ["folder", "sub/"]
    assert lines[2].split()[:2] == ["2.9", "MiB"]
    assert lines[2].split()[-2:] == ["Standard", "data.bin"]
    assert lines[-1] == "1 folder, 2 objects, 2.9 MiB (3,000,002 bytes)"


def test_ls_json_and_quiet(ossmc, store):
    document = ossmc("ls", store.uri("qwen/"), "--format", "json").document
    assert document["folders"] == ["qwen/sub/"]
    assert (document["count"], document["bytes"]) == (2, 3_000_002)
    assert document["objects"][1].keys() == {
        *("uri", "size", "etag", "last_modified", "storage_class", "version_id")
    }
    assert document["objects"][1]["uri"] == store.uri("qwen/data.bin")
    listed = ossmc("ls", store.uri("qwen/"), "-r", "--format", "quiet").out.splitlines()
    assert listed == [store.uri(key) for key in store.keys("qwen/")]


def test_a_key_with_escape_codes_changed_the_terminal(ossmc, new_bucket):
    odd = new_bucket("odd-keys")
    odd.put("a\x1b[2Jb\nc", b"")
    assert ossmc("ls", odd.uri("")).out == "a\\x1b[2Jb\\nc\n"
    (info,) = ossmc("ls", odd.uri(""), "--format", "json").document["objects"]
    assert info["uri"] == odd.uri("a\x1b[2Jb\nc")


# --- stat ---


def test_stat(ossmc, store):
    text = ossmc("stat", store.uri("qwen/data.bin"), store.uri("top.txt")).out
    assert "size      2.9 MiB (3,000,000 bytes)" in text
    assert f"uri       {store.uri('top.txt')}" in text
    (info,) = ossmc("stat", store.uri("top.txt"), "--format", "json").document["objects"]
    assert info["size"] == 6
    quiet = ossmc("stat", store.uri("top.txt"), "--format", "quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


# --- cat ---


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("0-0", 0, 1),
        ("5-1000003", 5, 1_000_004),
        ("2999990-9999999", 2_999_990, None),
        ("7-", 7, None),
        ("-9", 2_999_991, None),
    ],
)
def test_cat_range(environment, store, text, begin, end):
    words = [*COMMAND, "cat", store.uri("qwen/data.bin"), "--range", text]
    done = subprocess.run(words, env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == DATA[begin:end]


def test_cat_is_safe_for_bytes_and_takes_several(environment, store):
    uris = [store.uri(key) for key in ("qwen/data.bin", "empty", "qwen/data.bin")]
    done = subprocess.run(
        [*COMMAND, "cat", *uris], env=environment, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == DATA + DATA


@pytest.mark.parametrize("text", ["", "-", "x-1", "5-4", "-0", "1-2-3", "\u0661-2"])
def test_cat_refuses_what_is_no_range(ossmc, store, text):
    ran = ossmc("cat", store.uri("top.txt"), f"--range={text}")
    assert ran.code == 2
    assert "A-B" in ran.err


def test_cat_of_a_range_behind_the_end(ossmc, store):
    ran = ossmc("cat", store.uri("top.txt"), "--range", "6-9")
    assert ran.code == 2
    assert "has 6 bytes" in ran.err
    assert "next: ossmc cat --range 0-5" in ran.err


def test_cat_whose_reader_goes_away_is_quiet(environment, store):
    uris = [store.uri("qwen/data.bin")] * 20
    with subprocess.Popen(
        [*COMMAND, "cat", *uris], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.read(10) == DATA[:10]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


# --- tensors ---


def test_tensors(ossmc, store, server):
    server.clear_log()
    lines = ossmc("tensors", store.uri("m/")).out.splitlines()
    assert lines[0].split() == ["tensor", "type", "shape", "size"]
    assert lines[1].split() == ["a.weight", "BF16", "4", "x", "8", "64", "B"]
    assert lines[2].split() == ["b", "F32", "scalar", "4", "B"]
    assert lines[-1] == "3 tensors with 65 values, 132 B, in 2 files"
    quiet = ossmc("tensors", store.uri("m/"), "--format", "quiet")
    assert quiet.out.split() == ["a.weight", "b", "c.weight"]
    found = ossmc("tensors", store.uri("m/"), "--format", "json").document
    assert (found["count"], found["bytes"]) == (3, 132)
    assert found["tensors"][0] == {
        "name": "a.weight",
        "dtype": "BF16",
        "shape": [4, 8],
        "bytes": 64,
        "file": store.uri("m/model-00001-of-00002.safetensors"),
    }


def test_tensors_need_neither_numpy_nor_torch(run_ossmc, store, tmp_path):
    for name in ("numpy", "torch", "safetensors"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no', name={name!r})")
    path = f"{tmp_path}:{':'.join(sys.path)}"
    ran = run_ossmc("tensors", store.uri("m/"), "--format", "quiet", env={"PYTHONPATH": path})
    assert (ran.code, ran.err) == (0, "")


def test_tensors_of_what_is_no_model(ossmc, store):
    ran = ossmc("tensors", store.uri("qwen/data.bin"))
    assert ran.code == 5
    assert "no safetensors file" in ran.err
    assert ossmc("tensors", store.uri("qwen/sub/")).code == 3
    assert ossmc("tensors", store.uri("qwen/")).code == 2


# --- verify ---


def test_verify(ossmc, store):
    ran = ossmc("verify", store.uri("qwen/"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "3 of 3 objects are right by crc64, 2.9 MiB in all\n"
    document = ossmc("verify", store.uri("top.txt"), "--format", "json").document
    assert document["objects"] == [
        {"uri": store.uri("top.txt"), "size": 6, "verified": "crc64", "fault": None}
    ]


def test_verify_finds_wrong_bytes_and_checks_the_others(ossmc, new_bucket, server):
    wrong = new_bucket("wrong-bytes")
    wrong.put("a", b"a" * 10)
    server.local.put_object(wrong.bucket, "b", b"b" * 10, crc64=7)
    wrong.put("c", b"c" * 10)
    ran = ossmc("verify", wrong.uri(""))
    assert ran.code == 5
    assert "2 of 3 objects are right" in ran.out
    assert wrong.uri("b") in ran.err
    document = ossmc("verify", wrong.uri(""), "--format", "json").document
    assert [one["verified"] for one in document["objects"]] == ["crc64", None, "crc64"]
    assert document["wrong"] == 1


def test_verify_says_what_was_not_checked(ossmc, new_bucket, server):
    plain = new_bucket("no-checksums")
    server.local.put_object(plain.bucket, "a", b"a" * 10, crc64=False)
    ran = ossmc("verify", plain.uri("a"))
    assert ran.code == 0
    assert "the store tells no CRC-64" in ran.out


def test_verify_against_a_folder(ossmc, store, tmp_path):
    assert ossmc("pull", store.uri("qwen/"), tmp_path / "q").code == 0
    same = ossmc("verify", store.uri("qwen/"), "--against", tmp_path / "q")
    assert (same.code, same.err) == (0, "")
    (tmp_path / "q" / "data.bin").write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    (tmp_path / "q" / "config.json").unlink()
    (tmp_path / "q" / "sub" / "deep.txt").write_bytes(b"short")
    ran = ossmc("verify", store.uri("qwen/"), "--against", tmp_path / "q")
    assert ran.code == 5
    assert "config.json is not there" in ran.out
    assert f"and the object {_core.crc64(DATA)}" in ran.out
    assert "has 5 bytes, and the object 7" in ran.out
    assert f"next: ossmc pull {store.uri('qwen/')} {tmp_path / 'q'}" in ran.err


def test_verify_against_a_folder_fetches_no_object(ossmc, store, server, tmp_path):
    assert ossmc("pull", store.uri("qwen/"), tmp_path / "q").code == 0
    server.clear_log()
    assert ossmc("verify", store.uri("qwen/"), "--against", tmp_path / "q").code == 0
    assert {one.method for one in server.log() if one.key} == {"HEAD"}


# --- bench ---


def test_bench(ossmc, store):
    ran = ossmc("bench", store.uri("qwen/"), "--seconds", "1")
    assert (ran.code, ran.err) == (0, "")
    assert "a request of one byte takes" in ran.out
    assert "#" in ran.out
    assert "limited by" in ran.out
    found = ossmc("bench", store.uri("qwen/"), "--seconds", "1", "--format", "json").document
    assert found["bytes"] >= 3_000_000
    assert sum(step["count"] for step in found["histogram"]) == 99
    assert found["latency"]["p50_ms"] <= found["latency"]["max_ms"]
