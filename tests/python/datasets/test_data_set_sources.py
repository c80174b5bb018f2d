"""What the source of a data set may be."""

from __future__ import annotations

import csv
import io
import json
import pickle

import pyarrow
import pyarrow.parquet
import pytest
from ossmodelconnector import ObjectNotFoundError
from ossmodelconnector.torch import IterableObjectDataset, ObjectDataset

KEYS = [f"small/{number:03d}" for number in range(103)]


def keys(dataset):
    return [sample[0].key for sample in dataset]


def test_prefix_is_all_that_is_under_it_but_folder_markers(connector, bucket, small):
    bucket.put("nested/b/", b"")
    bucket.put("nested/b/x", b"x")
    bucket.put("nested/a", b"a")
    bucket.put("nested/empty", b"")
    assert keys(ObjectDataset(small, connector=connector)) == KEYS
    dataset = ObjectDataset(bucket.uri("nested/"), connector=connector)
    assert [(info.key, data) for info, data in dataset] == [
        ("nested/a", b"a"),
        ("nested/b/x", b"x"),
        ("nested/empty", b""),
    ]
    assert len(dataset) == 3
    assert keys(pickle.loads(pickle.dumps(dataset))) == keys(dataset)


def test_lists(connector, bucket, small):
    listed = connector.list(bucket.bucket, "small/")
    assert keys(ObjectDataset(listed, connector=connector)) == KEYS
    assert keys(ObjectDataset(listed[10:2:-3], connector=connector)) == KEYS[10:2:-3]
    assert keys(ObjectDataset(list(listed)[:3], connector=connector)) == KEYS[:3]
    uris = (bucket.uri(key) for key in KEYS[5:7])
    assert keys(ObjectDataset(uris, connector=connector)) == KEYS[5:7]
    for one in (bucket.uri(KEYS[4]), listed[4]):
        assert keys(ObjectDataset(one, connector=connector)) == [KEYS[4]]


def test_states_tell_objects_apart(connector, bucket, small):
    listed = connector.list(bucket.bucket, "small/")
    uris = [bucket.uri(key) for key in KEYS]
    sources = [listed, listed[::-1], listed[1:], uris, uris[1:], [*uris[1:], uris[0]]]
    states = [IterableObjectDataset(source, connector=connector).state_dict() for source in sources]
    assert len({state["objects"] for state in states}) == len(sources)
    again = IterableObjectDataset(small, connector=connector).state_dict()
    assert again == states[0]


ROWS = [{"uri": KEYS[3], "label": 7, "text": 'ä, "b"\nc'}, {"uri": KEYS[9], "label": 8, "text": ""}]


def as_jsonl(rows):
    return "\n".join(map(json.dumps, rows)).encode() + b"\n\n"


def as_csv(rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def as_parquet(rows):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=1)
    return file.getvalue()


FORMS = {"jsonl": as_jsonl, "csv": as_csv, "parquet": as_parquet}


@pytest.mark.parametrize("form", FORMS)
def test_manifests_hand_their_columns_on(form, connector, bucket, tmp_path):
    rows = [{**row, "uri": bucket.uri(row["uri"])} for row in ROWS]
    data = FORMS[form](rows)
    bucket.put(f"all.{form}", data)
    path = tmp_path / f"all.{form}"
    path.write_bytes(data)
    label = str if form == "csv" else int
    expected = [
        (bucket.uri(row["uri"]), bucket[row["uri"]], {**row, "label": label(row["label"])})
        for row in ROWS
    ]
    for *_, row in expected:
        del row["uri"]
    for source in (bucket.uri(f"all.{form}"), str(path), path):
        dataset = ObjectDataset(source, connector=connector)
        for made in (dataset, pickle.loads(pickle.dumps(dataset))):
            assert [(info.uri, data, row) for info, data, row in made] == expected
        iterable = IterableObjectDataset(source, connector=connector)
        assert [(info.uri, data, row) for info, data, row in iterable] == expected


@pytest.mark.parametrize("form", FORMS)
def test_manifest_of_uris_alone_gives_pairs(form, connector, bucket, tmp_path):
    path = tmp_path / f"uris.{form}"
    path.write_bytes(FORMS[form]([{"uri": bucket.uri(key)} for key in KEYS]))
    dataset = ObjectDataset(path, connector=connector)
    assert len(dataset) == len(KEYS)
    info, data = dataset[-1]
    assert info.key == KEYS[-1]
    assert data == bucket[KEYS[-1]]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.jsonl", '{"uri": "oss://b/k"}\n{"uri": ', r"a\.jsonl, line 2: no valid JSON"),
        ("a.jsonl", "[1]", r"a\.jsonl, line 1: a row must be an object with a uri, not \[1\]"),
        ("a.jsonl", '{"url": "oss://b/k"}', r"a\.jsonl, line 1: uri must be oss://.*, not None"),
        ("a.jsonl", '{"uri": "s3://b/k"}', r"line 1: uri must be oss://.*, not 's3://b/k'"),
        ("a.jsonl", "\n", r"a\.jsonl' has no object|a\.jsonl.* has no object"),
        ("a.csv", "url,x\noss://b/k,1\n", r"a\.csv must have one column uri.*\['url', 'x'\]"),
        ("a.csv", "uri,x\noss://b/k\n", r"a\.csv, line 2: it has not as many fields"),
        ("a.csv", "uri,x\noss://b/k,1,2\n", r"a\.csv, line 2: it has not as many fields"),
        ("a.csv", 'uri\n"oss://b/k\n', r"a\.csv, line \d: unexpected end of data"),
        ("a.csv", "", r"a\.csv must have one column uri"),
        ("a.parquet", "no parquet at all", r"a\.parquet: "),
    ],
)
def test_manifest_that_does_not_hold(name, text, says, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=says):
        ObjectDataset(tmp_path / name)


def test_parquet_without_uris(tmp_path):
    for rows, says in (
        ([{"url": "oss://b/k"}], r"a\.parquet must have one column uri"),
        ([{"uri": "oss://b/k"}, {"uri": None}], r"a\.parquet, row 2: uri must be"),
    ):
        (tmp_path / "a.parquet").write_bytes(as_parquet(rows))
        with pytest.raises(ValueError, match=says):
            ObjectDataset(tmp_path / "a.parquet")


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        ObjectDataset(tmp_path / "a.parquet")


def test_what_is_no_source(connector, bucket):
    for wrong, error, says in (
        ("small/000", ValueError, r"'small/000' is no source: it must be oss://bucket/key"),
        ([], ValueError, r"\[\] has no object"),
        (5, TypeError, r"source must be a URI .*, not int"),
        ({"uri": 1}, TypeError, r"not dict"),
        ([b"oss://b/k"], TypeError, "an object is a URI or an ObjectInfo, not bytes"),
        (["oss://b/k", connector.list(bucket.bucket)[0]], TypeError, "give either"),
        (bucket.uri("nothing/"), ObjectNotFoundError, "there is nothing under oss://.*/nothing/"),
        ("/nowhere/a.jsonl", FileNotFoundError, "nowhere"),
        (bucket.uri("no.csv"), ObjectNotFoundError, r"no\.csv"),
    ):
        with pytest.raises(error, match=says):
            ObjectDataset(wrong, connector=connector)
