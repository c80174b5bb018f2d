"""What a source means: a file, an index, a prefix, a listing, a list."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from ossmodelconnector import ObjectNotFoundError
from ossmodelconnector.safetensors import HeaderError, SliceError, open_model, safe_open
from support.tensor_files import Raw, index_file, random_tensor, tensor_file

safetensors = pytest.importorskip("safetensors")


def file_with(*names):
    return tensor_file({name: random_tensor("F32", (4,), hash(name) % 1000) for name in names})


@pytest.fixture(scope="module")
def folders(bucket):
    """The prefixes of models; each tensor's name says where it is."""
    put = bucket.put
    put("plain/b.safetensors", file_with("b"))
    put("plain/a.safetensors", file_with("a1", "a0"))
    put("plain/config.json", b"{}")
    put("plain/deeper/c.safetensors", file_with("c"))
    put("indexed/2.safetensors", file_with("x", "not in the index"))
    put("indexed/sub/1.safetensors", file_with("y"))
    put("indexed/other.safetensors", file_with("z"))
    index = index_file({"y": "sub/1.safetensors", "x": "2.safetensors"})
    put("indexed/model.safetensors.index.json", index)
    for word in ("", ".fp16"):
        put(f"variants/model{word}-00001-of-00001.safetensors", file_with(f"w{word}"))
        index = index_file({f"w{word}": f"model{word}-00001-of-00001.safetensors"})
        put(f"variants/model.safetensors.index{word}.json", index)
        put(f"unindexed/model{word}.safetensors", file_with("w", f"only{word}"))
        put(f"sharded/model{word}-00001-of-00002.safetensors", file_with("w1", f"only{word}"))
        put(f"sharded/model{word}-00002-of-00002.safetensors", file_with("w2"))
    put("pickled/pytorch_model.bin", b"PK")
    put("none/config.json", b"{}")
    put("v1.5/model.safetensors", file_with("w"))
    return bucket


def names_of(connector, source, **arguments):
    with open_model(source, "np", connector=connector, **arguments) as model:
        assert {name: tensor.shape for name, tensor in model.iter_tensors()} == dict.fromkeys(
            model.offset_keys(), (4,)
        )
        return model.offset_keys()


def test_files_right_under_a_prefix_are_taken_in_the_order_of_their_names(folders, connector):
    assert names_of(connector, folders.uri("plain/")) == ["a1", "a0", "b"]


@pytest.mark.parametrize("source", ["indexed/", "indexed/model.safetensors.index.json"])
def test_index_says_which_files_and_which_of_their_tensors(folders, connector, source):
    assert names_of(connector, folders.uri(source)) == ["y", "x"]
    info = next(iter(connector.list(folders.bucket, "indexed/model.safetensors.index.json")))
    assert names_of(connector, info) == ["y", "x"]


def test_listing_is_taken_as_a_prefix_is(folders, connector):
    objects = connector.list(folders.bucket, "plain/")
    assert names_of(connector, objects) == ["a1", "a0", "b", "c"]
    assert names_of(connector, objects[:1]) == ["a1", "a0"]
    assert names_of(connector, connector.list(folders.bucket, "indexed/")) == ["y", "x"]


def test_files_of_a_list_keep_its_order(folders, connector):
    uris = [folders.uri(f"plain/{name}.safetensors") for name in "ba"]
    assert names_of(connector, uris) == ["b", "a1", "a0"]
    assert names_of(connector, iter(uris)) == ["b", "a1", "a0"]
    assert names_of(connector, [connector.stat(uris[0]), uris[1]]) == ["b", "a1", "a0"]


def test_one_file(folders, connector):
    uri = folders.uri("plain/b.safetensors")
    assert names_of(connector, uri) == ["b"]
    assert names_of(connector, connector.stat(uri)) == ["b"]
    with safe_open(connector.stat(uri), "np", connector=connector) as file:
        assert file.files == [uri]


def test_variant_chooses_among_indexes(folders, connector):
    prefix = folders.uri("variants/")
    with pytest.raises(ValueError, match=r"2 indexes.*variant=") as caught:
        open_model(prefix, "np", connector=connector)
    assert "'fp16', ''" in str(caught.value)
    assert names_of(connector, prefix, variant="fp16") == ["w.fp16"]
    assert names_of(connector, prefix, variant="") == ["w"]


def test_variant_chooses_among_files(folders, connector):
    for folder in ("unindexed/", "sharded/"):
        with pytest.raises(HeaderError, match=r"stands in .* and in .*variant="):
            open_model(folders.uri(folder), "np", connector=connector)
    assert names_of(connector, folders.uri("unindexed/"), variant="fp16") == ["w", "only.fp16"]
    assert names_of(connector, folders.uri("unindexed/"), variant="") == ["w", "only"]
    sharded = folders.uri("sharded/")
    assert names_of(connector, sharded, variant="fp16") == ["w1", "only.fp16", "w2"]
    assert names_of(connector, sharded, variant="") == ["w1", "only", "w2"]
    assert names_of(connector, folders.uri("v1.5/"), variant="") == ["w"]


def test_folder_without_a_file_to_load_says_what_it_has(folders, connector):
    with pytest.raises(ValueError, match=r"ossmodelconnector\.torch\.load"):
        open_model(folders.uri("pickled/"), "np", connector=connector)
    for folder in ("none/", "nothing/"):
        with pytest.raises(ObjectNotFoundError, match=r"has no \*\.safetensors") as caught:
            open_model(folders.uri(folder), "np", connector=connector)
        assert folders.uri(folder) in str(caught.value)
    with pytest.raises(ObjectNotFoundError, match=r"of variant 'int8'"):
        open_model(folders.uri("unindexed/"), "np", connector=connector, variant="int8")


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ([], ValueError, "source is empty"),
        (b"oss://bucket/key", TypeError, "not bytes"),
        (7, TypeError, "not int"),
        ({"oss://bucket/key": 1}, TypeError, "not dict"),
        ([7], TypeError, "int"),
        ("bucket/prefix/", ValueError, "oss://bucket/prefix/"),
        ("models/file.safetensors", ValueError, "oss://"),
    ],
    ids=repr,
)
def test_what_is_no_source_is_told_before_any_request(connector, server, source, kind, text):
    server.clear_log()
    with pytest.raises(kind, match=text):
        open_model(source, "np", connector=connector)
    assert server.log() == []


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"framework": "jax"}, ValueError, '"pt", "torch", "np" or "numpy", not \'jax\''),
        ({"framework": "np", "device": "cuda"}, ValueError, "on the device 'cpu'"),
        ({"framework": "np", "verify": "never"}, ValueError, '"early", "late" or "off"'),
        ({"framework": "np", "connector": "oss://"}, TypeError, "must be an OssModelConnector"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_told_before_any_request(
    folders, connector, server, arguments, kind, text
):
    server.clear_log()
    with pytest.raises(kind, match=text):
        open_model(folders.uri("plain/"), **{"connector": connector, **arguments})
    assert server.log() == []


def test_unknown_device_is_told_before_any_request(folders, connector, server):
    pytest.importorskip("torch")
    server.clear_log()
    with pytest.raises(RuntimeError, match="toaster"):
        open_model(folders.uri("plain/"), device="toaster", connector=connector)
    assert server.log() == []


def test_safe_open_takes_one_file(connector):
    for source in ("oss://bucket/prefix/", "oss://bucket/m.safetensors.index.json", ["a"]):
        with pytest.raises(ValueError, match="use open_model"):
            safe_open(source, "np", connector=connector)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"{", "no valid JSON"),
        (b"[" * 100_000, "no valid JSON"),
        (b"\xff", "no valid JSON"),
        (b"[]", "no weight_map"),
        (b"{}", "no weight_map"),
        (json.dumps({"weight_map": {}}).encode(), "no weight_map"),
        (json.dumps({"weight_map": ["a"]}).encode(), "no weight_map"),
        (index_file({"w": "../w.safetensors"}), "must be the name of a file beside the index"),
        (index_file({"w": "/w.safetensors"}), "must be the name of a file beside the index"),
        (index_file({"w": ""}), "must be the name of a file beside the index"),
        (json.dumps({"weight_map": {"w": 1}}).encode(), "must be the name of a file"),
        (index_file({"gone": "model.safetensors"}), "'gone' should be in .*/model.safetensors"),
    ],
    ids=range(12),
)
def test_wrong_index_is_an_error_that_names_it(put, connector, text, fault):
    put(file_with("w"), "wrong/model.safetensors")
    uri = put(text, "wrong/model.safetensors.index.json")
    with pytest.raises(HeaderError, match=f"{uri}.*{fault}"):
        open_model(uri, "np", connector=connector)


def test_missing_file_of_an_index_is_named(put, connector):
    uri = put(index_file({"w": "gone.safetensors"}), "gone/model.safetensors.index.json")
    with pytest.raises(ObjectNotFoundError, match=r"gone/gone\.safetensors"):
        open_model(uri, "np", connector=connector)


def test_wrong_file_among_many_is_named(put, connector):
    good = put(file_with("good"))
    info = {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}
    text = json.dumps({"bad": info}).encode()
    wrong = put(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(HeaderError, match=f"{wrong}: tensor 'bad': F32 of shape .* is 8 bytes"):
        open_model([good, wrong], "np", connector=connector)
    for empty in (b"", b"1234567"):
        wrong = put(empty)
        with pytest.raises(HeaderError, match=f"{wrong}: a file of {len(empty)} bytes has no"):
            open_model([good, wrong], "np", connector=connector)


def test_missing_tensor_is_named(folders, connector):
    with open_model(folders.uri("plain/"), "np", connector=connector) as model:
        for ask in (model.get_tensor, model.get_slice, model.get_tensor_meta):
            with pytest.raises(HeaderError, match=r"does not contain tensor nope \(2 files\)"):
                ask("nope")
        with pytest.raises(HeaderError, match="nope"):
            model.get_tensors(["a0", "nope"])
        with pytest.raises(HeaderError, match="nope"):
            model.prefetch({"nope": None})
        with pytest.raises(TypeError, match="iterable of names"):
            model.iter_tensors("a0")
        with pytest.raises(KeyError):
            model.lazy_state_dict()["nope"]


@pytest.mark.parametrize("error", [HeaderError("text"), SliceError("text")], ids=repr)
def test_errors_are_of_safetensors_and_pickle(error):
    assert isinstance(error, safetensors.SafetensorError)
    assert isinstance(error, ValueError if type(error) is HeaderError else IndexError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), "text")


def test_metadata_of_files_is_merged_the_first_one_first(put, connector):
    texts = [{"a": "1", "b": "1"}, None, {"b": "2", "c": "2"}]
    raw = Raw("U8", (1,), b"x")
    uris = [put(tensor_file({f"t{i}": raw}, text)) for i, text in enumerate(texts)]
    with open_model(uris, "np", connector=connector) as model:
        assert model.metadata() == {"a": "1", "b": "1", "c": "2"}
        assert np.array_equal(model.get_tensor("t2"), [ord("x")])
