"""Ray Data on a cluster of two nodes: objects, Parquet, tasks that are killed, what is gone."""

from __future__ import annotations

import inspect
import os
import pickle
import signal
import time
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import ossmodelconnector.ray
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ossmodelconnector import ObjectChangedError, ObjectNotFoundError
from ossmodelconnector.local import DEFAULT_CREDENTIAL
from ossmodelconnector.ray import ObjectsDatasource
from support import ray_nodes

# Nodes of Ray may need more than one attempt to start.
pytestmark = pytest.mark.timeout(600)

COUNT = 10_000
KiB = 1 << 10


@pytest.fixture(scope="module")
def environ(bucket):
    return {
        "OSS_ENDPOINT": bucket.server.endpoint,
        "OSS_REGION": "cn-hangzhou",
        "OSS_ACCESS_KEY_ID": DEFAULT_CREDENTIAL.access_key_id,
        "OSS_ACCESS_KEY_SECRET": DEFAULT_CREDENTIAL.access_key_secret,
    }


@pytest.fixture(scope="module", autouse=True)
def _cluster(environ, connector):  # whose environment is that of the tests
    with ray_nodes.cluster(environ):
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield


@pytest.fixture(scope="module")
def data_of(bucket):
    """What 10,000 objects have, by their URIs."""
    objects = {f"many/{i:05d}": f"object {i} ".encode() * (i % 50 + 1) for i in range(COUNT)}
    for key, data in objects.items():
        bucket.server.put_object(bucket.name, key, data)
    bucket.server.put_object(bucket.name, "many/marker/", b"")
    return {f"oss://{bucket.name}/{key}": data for key, data in objects.items()}


@pytest.fixture
def few(bucket):
    """Objects of 64 KiB, anew for each test: their URIs and bytes."""
    objects = {f"few/{i:03d}": bytes([i]) * 64 * KiB for i in range(100)}
    for key, data in objects.items():
        bucket.server.put_object(bucket.name, key, data)
    return {f"oss://{bucket.name}/{key}": data for key, data in objects.items()}


@pytest.fixture
def small_blocks():
    context = ray.data.DataContext.get_current()
    before = context.target_min_block_size, context.target_max_block_size
    context.target_min_block_size, context.target_max_block_size = KiB, 512 * KiB
    yield
    context.target_min_block_size, context.target_max_block_size = before


@pytest.fixture
def both_nodes(tmp_path):
    """both_nodes(): in a task: its node's id, once a task of the other node has come here too."""
    folder = tmp_path / "nodes"
    folder.mkdir()

    def meet():
        node = ray.get_runtime_context().get_node_id()
        (folder / node).touch()
        end = time.monotonic() + 60
        while len(list(folder.iterdir())) < 2:
            if time.monotonic() > end:
                raise TimeoutError("no task ran on the other node")
            time.sleep(0.05)
        return node

    return meet


def read(*arguments, blocks=None, connector_args=None, **named):
    source = ObjectsDatasource(*arguments, connector_args=connector_args or {}, **named)
    return ray.data.read_datasource(source, override_num_blocks=blocks)


def test_ten_thousand_objects_on_two_nodes_each_exactly_once(bucket, data_of, both_nodes):
    def where(sample):
        info, data = sample
        return {"data": data, "node": both_nodes(), "size": info.size}

    bucket.server.reset_requests()
    rows = read("oss://models/many/", transform=where, blocks=20).take_all()
    assert Counter(row["uri"] for row in rows) == Counter(list(data_of))
    assert all(row["data"] == data_of[row["uri"]] for row in rows)
    assert len({row["node"] for row in rows}) == 2
    asked = Counter(
        record.key for record in bucket.server.requests if record.key.startswith("many/")
    )
    assert len(asked) == COUNT
    # A slow one may have been asked for twice, by a hedge.
    assert sum(asked.values()) < 1.02 * COUNT


def test_a_dataset_of_bytes_knows_its_schema_and_its_length(data_of):
    dataset = read("oss://models/many/")
    assert dataset.schema().names == ["uri", "bytes"]
    assert dataset.count() == COUNT
    [row] = dataset.take(1)
    assert row["bytes"] == data_of[row["uri"]]


def test_a_killed_task_is_run_again_and_nothing_is_doubled(few, small_blocks, tmp_path):
    marker = str(tmp_path / "killed")
    victim = list(few)[55]

    def kill_once(sample):
        info, data = sample
        if info.uri == victim:
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
            except FileExistsError:
                pass
        return {"data": data}

    rows = read("oss://models/few/", transform=kill_once, blocks=2).take_all()
    assert Path(marker).exists()
    assert Counter(row["uri"] for row in rows) == Counter(list(few))
    assert all(row["data"] == few[row["uri"]] for row in rows)


def test_blocks_have_the_target_size(few, small_blocks):
    blocks = [ray.get(ref) for ref in read("oss://models/few/", blocks=1).to_arrow_refs()]
    sizes = [sum(map(len, block["bytes"].to_pylist())) for block in blocks]
    assert sum(sizes) == 100 * 64 * KiB
    assert all(512 * KiB <= size <= 1024 * KiB for size in sizes[:-1])


def test_tasks_have_about_as_many_bytes_each(bucket, few):
    bucket.server.put_object(bucket.name, "few/large", b"x" * 6400 * KiB)
    source = ObjectsDatasource("oss://models/few/", connector_args={})
    tasks = source.get_read_tasks(4)
    assert sum(task.metadata.num_rows for task in tasks) == 101
    sizes = [task.metadata.size_bytes for task in tasks]
    assert len(tasks) <= 4
    assert sum(sizes) == source.estimate_inmemory_data_size()
    assert max(sizes[:-1]) < 2 * min(sizes[:-1])
    bucket.server.delete_object(bucket.name, "few/large")


def test_a_limit_of_rows_reads_no_more_objects(bucket, few):
    [task] = ObjectsDatasource("oss://models/few/", connector_args={}).get_read_tasks(1, 3)
    bucket.server.reset_requests()
    assert [block.num_rows for block in task()] == [3]
    assert len(bucket.server.requests) == 3


def test_columns_without_bytes_read_nothing(bucket, few):
    dataset = read("oss://models/few/", columns=("uri", "size", "etag", "last_modified"))
    bucket.server.reset_requests()
    rows = dataset.take_all()
    assert bucket.server.requests == []
    assert sorted(row["uri"] for row in rows) == list(few)
    assert {row["size"] for row in rows} == {64 * KiB}
    assert {len(row["etag"]) for row in rows} == {32}
    assert {row["last_modified"].tzinfo is not None for row in rows} == {True}


def test_uris_and_listings_as_sources(connector, few):
    some = list(few)[10:20]
    by_uri = read(some, blocks=1).take_all()
    by_list = read(connector.list("models", "few/")[10:20], blocks=1).take_all()
    assert by_uri == by_list == [{"uri": uri, "bytes": few[uri]} for uri in some]
    assert read(some[0]).take_all() == by_uri[:1]
    sizes = read(some, columns=["uri", "size"]).take_all()
    assert [row["size"] for row in sizes] == [64 * KiB] * 10


def test_arrays_that_a_transform_makes(few):
    rows = read("oss://models/few/", transform=lambda s: {"a": np.frombuffer(s[1], np.uint8)[:6]})
    assert sorted(row["a"].tolist() for row in rows.take_all()) == [[i] * 6 for i in range(100)]


def cause_of(error):
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def test_an_object_that_changed_since_the_listing_is_an_error_that_names_it(bucket, few):
    dataset = read("oss://models/few/")
    bucket.server.put_object(bucket.name, "few/050", b"other")
    with pytest.raises(Exception, match="oss://models/few/050") as caught:
        dataset.take_all()
    assert isinstance(cause_of(caught.value), ObjectChangedError)


def test_an_object_that_is_gone_is_an_error_that_names_it(bucket, few):
    dataset = read("oss://models/few/")
    bucket.server.delete_object(bucket.name, "few/050")
    with pytest.raises(Exception, match="oss://models/few/050") as caught:
        dataset.take_all()
    assert isinstance(cause_of(caught.value), ObjectNotFoundError)


def test_what_cannot_be_read_is_left_out_where_it_may_be(bucket, few):
    dataset = read("oss://models/few/", on_error="skip")
    bucket.server.delete_object(bucket.name, "few/050")
    bucket.server.put_object(bucket.name, "few/051", b"other")
    assert dataset.count() == 98


def test_an_error_of_a_transform_names_the_object(few):
    def fail(sample):
        if sample[0].uri.endswith("050"):
            raise ValueError("cannot be decoded")
        return {}

    with pytest.raises(Exception, match=r"(?s)cannot be decoded.*oss://models/few/050"):
        read("oss://models/few/", transform=fail).take_all()
    with pytest.raises(Exception, match=r"transform must return a dict.*oss://models/few/000"):
        read("oss://models/few/", transform=lambda sample: sample[1]).take_all()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"source": "/tmp/x"}, ValueError, "oss://bucket/key"),
        ({"source": "oss://models"}, ValueError, "oss://bucket/key"),
        ({"source": []}, ValueError, "source is empty"),
        ({"source": 7}, TypeError, "not int"),
        ({"source": "oss://models/no-such/"}, ObjectNotFoundError, "oss://models/no-such/"),
        ({"connector_args": None}, TypeError, "connector_args"),
        ({"connector_args": {"endpont": "x"}}, TypeError, "'endpont'.*endpoint"),
        ({"columns": "uri"}, ValueError, "columns"),
        ({"columns": ()}, ValueError, "columns"),
        ({"columns": ("name",)}, ValueError, "'name'.*last_modified"),
        ({"on_error": "ignore"}, ValueError, "skip"),
        ({"transform": 7}, TypeError, "transform"),
    ],
)
def test_arguments_that_do_not_hold(few, arguments, error, text):
    given = {"source": "oss://models/few/", "connector_args": {}, **arguments}
    with pytest.raises(error, match=text):
        ObjectsDatasource(given.pop("source"), **given)


class Keys:
    """A provider of the right keys, and one of another's."""

    access_key_id = DEFAULT_CREDENTIAL.access_key_id
    access_key_secret = DEFAULT_CREDENTIAL.access_key_secret
    security_token = None

    def get_credentials(self):
        return self


def test_keys_in_connector_args_are_in_no_text(bucket, few):
    class Mine(Keys):
        pass

    args = {"endpoint": bucket.server.endpoint, "region": "cn-hangzhou", "cred_provider": Mine()}
    source = ObjectsDatasource("oss://models/few/", connector_args=args)
    dataset = ray.data.read_datasource(source)
    [task, *_] = source.get_read_tasks(1)
    texts = [repr(source), str(vars(source)), repr(dataset), dataset.explain() or "", repr(task)]
    texts += [repr(vars(task)), str(source._rows)]
    assert dataset.count() == 100
    secret = DEFAULT_CREDENTIAL.access_key_secret
    logs = Path(ray._private.worker._global_node.get_session_dir_path(), "logs")
    texts += [path.read_text(errors="replace") for path in logs.rglob("*") if path.is_file()]
    assert [text for text in texts if secret in text] == []


def test_the_public_surface():
    assert ossmodelconnector.ray.__all__ == ["ObjectsDatasource"]
    assert ObjectsDatasource.__module__ == "ossmodelconnector.ray"
    parameters = inspect.signature(ObjectsDatasource).parameters.values()
    assert [(parameter.name, parameter.default) for parameter in parameters] == [
        ("source", inspect.Parameter.empty),
        ("connector_args", inspect.Parameter.empty),
        ("columns", ("uri", "bytes")),
        ("transform", None),
        ("on_error", "raise"),
    ]
    for name in ("estimate_inmemory_data_size", "get_read_tasks"):
        ours = inspect.signature(getattr(ObjectsDatasource, name)).parameters
        assert list(ours) == list(inspect.signature(getattr(ray.data.Datasource, name)).parameters)


def test_tasks_of_one_process_share_a_connector(few):
    source = ObjectsDatasource("oss://models/few/", connector_args={})
    again = pickle.loads(ray.cloudpickle.dumps(source))
    assert again._rows.connector_args.connector() is source._rows.connector_args.connector()


@pytest.mark.usefixtures("small_blocks")
def test_partitioned_parquet_on_two_nodes_each_row_exactly_once(
    bucket, options, both_nodes, tmp_path
):
    rows = 100_000
    table = pa.table({"n": range(rows), "part": [i % 16 for i in range(rows)]})
    pq.write_to_dataset(table, tmp_path / "parts", partition_cols=["part"], max_rows_per_group=1000)
    url = bucket.put_folder(tmp_path / "parts")
    fs = fsspec.filesystem("ossmc", **options)

    def where(batch):
        return {**batch, "node": np.array([both_nodes()] * len(batch["n"]))}

    dataset = ray.data.read_parquet(url, filesystem=fs, override_num_blocks=16)
    found = dataset.map_batches(where, batch_size=1000).to_pandas(limit=rows)
    assert sorted(found.n) == list(range(rows))
    assert [int(n) % 16 for n in found.n] == [int(part) for part in found.part]
    assert found.node.nunique() == 2
