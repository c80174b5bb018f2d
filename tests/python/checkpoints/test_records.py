"""OssStorageReader against torch's own reader, and what it asks of the store."""

from __future__ import annotations

import contextlib
import io
import itertools
import pickle
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from ossmodelconnector import ObjectChangedError, ObjectNotFoundError
from ossmodelconnector.torch import OssStorageReader, _checkpoint, _transfer
from torch.distributed.checkpoint._extension import StreamTransformExtension, ZStandard
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Shard, distribute_tensor
from torch.testing._internal.distributed.fake_pg import FakeStore

KiB, MiB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def bucket(new_bucket):
    return new_bucket("checkpoints")


@pytest.fixture(scope="module")
def put(bucket, folder_numbers):
    """put(folder): the URI of its files as objects."""

    def put(folder, but=()):
        prefix = f"{next(folder_numbers)}/"
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in but:
                bucket.put(prefix + str(path.relative_to(folder)), path.read_bytes())
        return bucket.uri(prefix)

    return put


@pytest.fixture
def saved(put, tmp_path):
    """saved(state): the URI of a checkpoint that torch wrote."""
    numbers = itertools.count()

    def saved(state, but=(), **options):
        folder = tmp_path / f"saved-{next(numbers)}"
        dcp.save(state, storage_writer=FileSystemWriter(folder, **options), no_dist=True)
        return put(folder, but)

    return saved


def a_state():
    torch.manual_seed(1)
    weights = {f"layers.{i}.weight": torch.randn(200 + i, 128) for i in range(6)}
    return {
        "model": {
            **weights,
            "bf16": torch.randn(400, 256).to(torch.bfloat16),
            "transposed": torch.randn(150, 300).t(),
            "images": torch.randn(8, 32, 30, 30).to(memory_format=torch.channels_last),
            "scalar": torch.tensor(3.0),
            "empty": torch.zeros(0, 4),
            "u16": torch.arange(50_000).to(torch.uint16),
            "float8": torch.randn(400, 256).to(torch.float8_e4m3fn),
            "complex": torch.randn(100, 100, dtype=torch.complex64),
            "bits": torch.randn(300, 300) > 0,
        },
        "optimizer": {"state": [{"step": torch.tensor(7), "exp_avg": torch.randn(300, 70)}]},
        "progress": {"step": 12, "name": "run", "seen": {3, 4}},
    }


def blank(state):
    if isinstance(state, torch.Tensor):
        return torch.zeros_like(state)
    if isinstance(state, dict):
        return {name: blank(value) for name, value in state.items()}
    return [blank(value) for value in state] if isinstance(state, list) else None


def same(ours, theirs):
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(same(ours[name], theirs[name]) for name in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, torch.Tensor):
        assert ours.dtype == theirs.dtype
        ours, theirs = (one.contiguous().view(-1).view(torch.uint8) for one in (ours, theirs))
        return torch.equal(ours, theirs)
    return ours == theirs


def load(uri, state, connector, **options):
    reader = OssStorageReader(uri, connector=connector)
    dcp.load(state, storage_reader=reader, no_dist=True, **options)
    return state


def requests(server):
    return Counter(record.method for record in server.log() if record.key)


def test_all_kinds_of_values_come_as_they_were_saved(saved, connector):
    state = a_state()
    assert not same(blank(state), state)
    assert same(load(saved(state), blank(state), connector), state)


@pytest.mark.parametrize("options", [{"thread_count": 3}, {"single_file_per_rank": False}], ids=str)
def test_several_files(options, saved, connector):
    state = a_state()
    assert same(load(saved(state, **options), blank(state), connector), state)


def test_bytes_come_once_and_in_two_round_trips(saved, connector, server):
    state = {f"layers.{i}.weight": torch.randn(200 + i, 256) for i in range(40)}
    uri = saved(state)
    server.clear_log()
    assert same(load(uri, blank(state), connector), state)
    size = sum(tensor.nbytes for tensor in state.values())
    asked = [record for record in server.log() if record.key and not record.key.endswith("data")]
    # The file is opened, the heads of one or two kinds are read, and then all tensors.
    assert [record.method for record in asked[:2]] == ["HEAD", "GET"]
    assert connector.stats().bytes_received < size + 40 * 2 * KiB + 32 * KiB
    assert len(asked) < size / MiB + 8


def test_rows_of_a_saved_tensor_cost_their_bytes(saved, connector, server):
    state = {"rows": torch.randn(4000, 256), "more": torch.randn(1000, 512)}
    uri = saved(state)
    with rank_of(1, 4) as mesh:
        target = divided(blank(state), mesh)
        load(uri, target, connector)
        assert same(local(target), local(divided(state, mesh)))
    size = sum(tensor.nbytes for tensor in state.values())
    assert size / 4 < connector.stats().bytes_read < size / 4 + 64 * KiB


@pytest.mark.parametrize("step", [30, 3000])
def test_columns_of_a_saved_tensor(step, saved, connector):
    state = {"few": torch.randn(700, 4 * step), "bf16": torch.randn(64, 4 * step).bfloat16()}
    uri = saved(state)
    for rank in range(4):
        with rank_of(rank, 4) as mesh:
            target = divided(blank(state), mesh, 1)
            load(uri, target, connector)
            assert same(local(target), local(divided(state, mesh, 1)))


@contextlib.contextmanager
def rank_of(rank, count):
    """A mesh as that rank sees it; there are no others."""
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=count)
    try:
        yield DeviceMesh("cpu", list(range(count)))
    finally:
        dist.destroy_process_group()


def divided(state, mesh, dimension=0):
    return {
        name: distribute_tensor(tensor, mesh, [Shard(dimension)], src_data_rank=None)
        for name, tensor in state.items()
    }


def local(state):
    return {name: tensor.to_local() for name, tensor in state.items()}


def test_targets_of_another_type_or_order_of_elements(saved, connector):
    state = {"a": torch.randn(300, 200), "b": torch.randn(300, 200), "c": torch.randn(500, 100)}
    uri = saved(state)
    target = {
        "a": torch.zeros(300, 200, dtype=torch.bfloat16),
        "b": torch.zeros(200, 300).t(),
        "c": torch.nn.Parameter(torch.zeros(500, 100)),
    }
    load(uri, target, connector)
    assert torch.equal(target["a"], state["a"].bfloat16())
    assert torch.equal(target["b"], state["b"])
    assert torch.equal(target["c"], state["c"])
    assert target["c"].requires_grad


def test_autograd_sees_that_a_tensor_was_written(saved, connector):
    state = {"a": torch.randn(300, 200), "step": torch.tensor(3.0)}
    weight = torch.ones(300, 200, requires_grad=True)
    result = (weight * weight).sum()
    load(
        saved(state), {"a": weight}, connector, planner=DefaultLoadPlanner(allow_partial_load=True)
    )
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward()


def test_groups_and_blocks_of_little_memory(saved, connector, monkeypatch):
    state = a_state()["model"]
    uri = saved(state)
    monkeypatch.setattr(_checkpoint, "_GROUP_BYTES", 150_000)
    monkeypatch.setattr(_transfer, "_BLOCK_BYTES", 40_000)
    assert same(load(uri, blank(state), connector), state)
    target = {
        name: torch.zeros(tensor.shape, dtype=torch.float64) for name, tensor in state.items()
    }
    del target["complex"]
    load(uri, target, connector, planner=DefaultLoadPlanner(allow_partial_load=True))
    for name, tensor in target.items():
        assert torch.equal(tensor, state[name].to(torch.float64)), name


class MaterializingPlanner(DefaultLoadPlanner):
    """The one in torch's documentation: its tensors are made when they are asked for."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def resolve_tensor(self, read_item):
        self.calls.append(("resolve", read_item.dest_index.fqn))
        return torch.empty(self.lookup_tensor(read_item.dest_index).shape)

    def commit_tensor(self, read_item, tensor):
        self.calls.append(("commit", read_item.dest_index.fqn))
        self.original_state_dict[read_item.dest_index.fqn] = tensor


def test_planner_that_makes_tensors_gets_each_once(saved, connector):
    state = {
        "large": torch.randn(300, 200),
        "small": torch.randn(3),
        "odd": torch.randn(200, 300).t(),
    }
    planner = MaterializingPlanner()
    loaded = load(saved(state), blank(state), connector, planner=planner)
    assert same(loaded, state)
    expected = Counter((what, name) for what in ("resolve", "commit") for name in state)
    assert Counter(planner.calls) == expected


def test_all_of_a_checkpoint_without_a_state_to_load_into(saved, connector):
    state = a_state()
    reader = OssStorageReader(saved(state), connector=connector)
    loaded = dcp.state_dict_loader._load_state_dict_from_keys(storage_reader=reader)
    assert {name: sorted(part) for name, part in loaded.items()} == {
        name: sorted(part) for name, part in state.items()
    }
    assert all(same(loaded["model"][name], tensor) for name, tensor in state["model"].items())
    assert loaded["progress"] == state["progress"]


# --- records that are not where they were guessed ---


def edited(uri, bucket, name, edit):
    """Has `edit` change the record of a tensor: it takes its bytes and returns as many."""
    prefix = uri.removeprefix(f"oss://{bucket.bucket}/")
    metadata = pickle.loads(bucket[f"{prefix}.metadata"])
    (info,) = (info for index, info in metadata.storage_data.items() if index.fqn == name)
    data = bytearray(bucket[prefix + info.relative_path])
    record = bytes(data[info.offset : info.offset + info.length])
    changed = edit(record)
    assert len(changed) == len(record)
    data[info.offset : info.offset + info.length] = changed
    bucket.put(prefix + info.relative_path, bytes(data))


def written_by_another(record):
    """The same records at other places, in an archive of the same length."""
    old = zipfile.ZipFile(io.BytesIO(record))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name in ("archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/version"):
            info = zipfile.ZipInfo(name)
            info.extra = b"FB" + (4).to_bytes(2, "little") + b"ZZZZ"
            new.writestr(info, old.read(name))
        new.comment = b" " * (len(record) - buffer.tell() - 300)
        rest = len(record) - buffer.tell()
    rest = len(record) - len(buffer.getvalue())
    with zipfile.ZipFile(buffer, "a") as new:
        new.comment = b" " * (len(new.comment) + rest)
    return buffer.getvalue()


def test_record_that_another_program_wrote_is_read_from_where_it_is(saved, bucket, connector):
    state = {f"w{i}": torch.randn(200, 128) for i in range(3)}
    uri = saved(state)
    edited(uri, bucket, "w1", written_by_another)
    assert same(load(uri, blank(state), connector), state)
    # The first record is the one that others are guessed by.
    edited(uri, bucket, "w0", written_by_another)
    assert same(load(uri, blank(state), connector), state)


def test_record_of_other_strides_is_not_taken_for_its_kind(saved, bucket, connector):
    square = torch.randn(200, 200)
    state = {"a": torch.randn(200, 200), "b": square.t(), "c": torch.randn(200, 200)}
    assert same(load(saved(state), blank(state), connector), state)


def test_record_whose_head_is_strange_is_left_to_torch(saved, bucket, connector):
    state = {f"w{i}": torch.randn(200, 128) for i in range(3)}
    uri = saved(state)

    def broken(record):
        return record.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9")

    edited(uri, bucket, "w1", broken)
    with pytest.raises(dcp.api.CheckpointException) as caught:
        load(uri, blank(state), connector)
    (failure, _), *_ = caught.value.failures.values()
    assert isinstance(failure, ValueError)
    assert "__0_0.distcp: the record of 'w1' from " in str(failure)


def test_head_that_names_other_things_runs_nothing(saved, bucket, connector, tmp_path):
    state = {"w0": torch.randn(200, 128)}
    uri = saved(state)

    class Hostile:
        def __reduce__(self):
            return open, (str(tmp_path / "was-run"), "w")

    def hostile(record):
        at = record.index(b"\x80\x02ctorch._utils")
        payload = pickle.dumps(Hostile(), protocol=2)
        return record[:at] + payload + record[at + len(payload) :]

    edited(uri, bucket, "w0", hostile)
    with pytest.raises(dcp.api.CheckpointException, match="the record of 'w0'"):
        load(uri, blank(state), connector)
    assert not (tmp_path / "was-run").exists()


class OfSomebody(StreamTransformExtension):
    """One that torch does not know."""

    @staticmethod
    def registry_name():
        return "test.of-somebody"

    @staticmethod
    def from_descriptor(version):
        return OfSomebody()

    def get_descriptor(self):
        return "test.of-somebody/1"

    def transform_to(self, output):
        return output

    def transform_from(self, input):
        return input


def test_records_that_were_compressed(saved, connector):
    pytest.importorskip("zstandard")
    state = {"large": torch.ones(300, 200), "small": torch.tensor(4.0), "name": "run"}
    uri = saved(state, _extensions=[ZStandard()])
    assert same(load(uri, blank(state), connector), state)
    assert connector.stats().bytes_received < 10 * KiB


def test_records_of_an_extension_that_is_not_known(saved, connector):
    state = {"a": torch.ones(300, 200)}
    error = failure_of(saved(state, _extensions=[OfSomebody()]), blank(state), connector)
    assert isinstance(error, ValueError)
    assert "the record of 'a' went through test.of-somebody/1, which cannot be undone" in str(error)


# --- errors ---


def failure_of(uri, state, connector):
    with pytest.raises(dcp.api.CheckpointException) as caught:
        load(uri, state, connector)
    ((failure, _),) = caught.value.failures.values()
    return failure


def test_folder_without_a_checkpoint_says_what_is_there(saved, bucket, connector):
    state = {"a": torch.randn(3)}
    error = failure_of(saved(state, but=[".metadata"]), state, connector)
    assert "there is no .metadata" in str(error)
    assert "There are: __0_0.distcp" in str(error)
    error = failure_of(bucket.uri("nothing/here"), state, connector)
    assert "oss://checkpoints/nothing/here/ holds no checkpoint" in str(error)
    assert "Nothing is there" in str(error)
    error = failure_of("oss://no-such-bucket-here/a", state, connector)
    assert "no-such-bucket-here" in str(error)


def test_missing_file_names_it_and_a_tensor(saved, connector):
    state = {"a": torch.randn(3), "b": torch.randn(3)}
    error = failure_of(saved(state, but=["__0_0.distcp"]), blank(state), connector)
    assert isinstance(error, ObjectNotFoundError)
    assert "__0_0.distcp" in str(error)
    assert "it is read for 'a' and 1 others" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_file_that_is_cut_short(saved, bucket, connector, server):
    state = {"a": torch.randn(300, 200), "b": torch.randn(300, 200)}
    uri = saved(state)
    key = uri.removeprefix("oss://checkpoints/") + "__0_0.distcp"
    bucket.put(key, bucket[key][:-1000])
    server.clear_log()
    error = failure_of(uri, blank(state), connector)
    assert isinstance(error, ValueError)
    assert "__0_0.distcp has" in str(error)
    assert "and 'b' should lie there from" in str(error)
    assert requests(server) == {"GET": 1, "HEAD": 1}  # of the metadata, and the file's size


def test_file_that_is_overwritten_meanwhile(saved, bucket, connector, server):
    state = {f"w{i}": torch.randn(300, 200) for i in range(5)}
    uri = saved(state)
    key = uri.removeprefix("oss://checkpoints/") + "__0_0.distcp"
    data = bucket[key]
    count = itertools.count()

    def overwrite(record):
        if record.method == "GET" and record.key == key and next(count) == 1:
            server.local.put_object("checkpoints", key, bytes(reversed(data)))

    server.local.on_request = overwrite
    try:
        error = failure_of(uri, blank(state), connector)
    finally:
        server.local.on_request = None
    assert isinstance(error, ObjectChangedError)
    assert "it is read for 'w0' and 4 others" in str(error)


def test_tensor_of_another_size_is_refused_by_torch(saved, connector):
    error = failure_of(saved({"a": torch.randn(3, 4)}), {"a": torch.zeros(4, 3)}, connector)
    assert "Size mismatch" in str(error)


def test_planner_whose_tensor_does_not_fit(saved, connector):
    class Wrong(DefaultLoadPlanner):
        def resolve_tensor(self, read_item):
            return torch.zeros(5)

    with pytest.raises(
        dcp.api.CheckpointException, match=r"'a': the planner has a tensor of \(5,\)"
    ):
        load(saved({"a": torch.randn(3)}), {"a": torch.zeros(3)}, connector, planner=Wrong())


# --- the reader ---


def test_reader_is_made_of_a_folder_uri(connector):
    reader = OssStorageReader("oss://bucket/a/b", connector=connector)
    assert reader.checkpoint_id == "oss://bucket/a/b/"
    assert isinstance(reader, dcp.StorageReader)
    assert OssStorageReader.__module__ == "ossmodelconnector.torch"
    for wrong in ("bucket/a", "oss://bucket", "oss://bucket/", "s3://bucket/a", ""):
        with pytest.raises(ValueError, match="a checkpoint is at oss://bucket/prefix/, not"):
            OssStorageReader(wrong)
        assert not OssStorageReader.validate_checkpoint_id(wrong)
    assert OssStorageReader.validate_checkpoint_id("oss://bucket/a")
    assert not OssStorageReader.validate_checkpoint_id(3)
    with pytest.raises(ValueError, match="a Path makes one slash of two: pass a str"):
        OssStorageReader(Path("oss://bucket/a"))
    with pytest.raises(TypeError, match="connector must be an OssModelConnector or None, not str"):
        OssStorageReader("oss://bucket/a", connector="oss://bucket/a")


def test_one_reader_reads_one_checkpoint_after_the_other(saved, connector):
    first, second = {"a": torch.randn(300, 200)}, {"a": torch.randn(300, 200)}
    uris = [saved(first), saved(second)]
    reader = OssStorageReader(uris[0], connector=connector)
    state = blank(first)
    for _ in range(2):
        dcp.load(state, storage_reader=reader, no_dist=True)
        assert same(state, first)
    dcp.load(state, checkpoint_id=uris[1], storage_reader=reader, no_dist=True)
    assert same(state, second)
    assert reader.checkpoint_id == uris[1]


def test_reader_pickles(saved, connector):
    state = {"a": torch.randn(300, 200)}
    reader = pickle.loads(pickle.dumps(OssStorageReader(saved(state), connector=connector)))
    assert type(reader) is OssStorageReader
    loaded = blank(state)
    dcp.load(loaded, storage_reader=reader, no_dist=True)
    assert same(loaded, state)


def test_metadata_of_ranks_that_saved_without_each_other(put, tmp_path, connector):
    state = {"a": torch.randn(300, 200)}
    writer = FileSystemWriter(tmp_path / "alone")
    dcp.save(state, storage_writer=writer, no_dist=True, use_collectives=False)
    assert sorted(path.name for path in (tmp_path / "alone").iterdir()) == [
        "__0.metadata",
        "__0_0.distcp",
    ]
    assert same(load(put(tmp_path / "alone"), blank(state), connector), state)
