"""TarDataset: the layout of webdataset, in shards, resumable in the middle of a tar."""

from __future__ import annotations

import io
import itertools
import logging
import random
import tarfile

import pytest
from ossmodelconnector import ChecksumError, ObjectNotFoundError, _core
from ossmodelconnector.torch import DataLoader, TarDataset, collate
from torchdata.stateful_dataloader import StatefulDataLoader

TARS, SAMPLES = 7, 9


def tar_of(files, form=tarfile.GNU_FORMAT, pax_headers=None):
    """Files are (name, bytes), or a TarInfo as it is."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form, pax_headers=pax_headers) as tar:
        for file in files:
            if isinstance(file, tarfile.TarInfo):
                tar.addfile(file)
                continue
            info = tarfile.TarInfo(file[0])
            info.size = len(file[1])
            tar.addfile(info, io.BytesIO(file[1]))
    return data.getvalue()


def files_of(tar):
    chance = random.Random(tar)
    for sample in range(SAMPLES):
        name = f"{tar}/{sample}"
        yield f"{name}.jpg", chance.randbytes(chance.choice([0, 1, 512, 30_000]))
        yield f"{name}.cls", name.encode()


@pytest.fixture(scope="module")
def tars(bucket):
    """The URI of the prefix."""
    for tar in range(TARS):
        bucket.put(f"tars/{tar}.tar", tar_of(files_of(tar)))
    bucket.put("tars/index.json", b"{}")
    bucket.put("tars/nothing.tar", tar_of([]))
    return bucket.uri("tars/")


@pytest.fixture
def read(connector, bucket):
    """read(data, **arguments): the samples of a tar."""

    def read(data, **arguments):
        bucket.put("one.tar", data)
        return list(TarDataset(bucket.uri("one.tar"), connector=connector, **arguments))

    return read


def test_samples_are_the_files_of_one_name(connector, bucket, tars):
    samples = list(TarDataset(tars, connector=connector))
    assert len(samples) == TARS * SAMPLES
    expected = [dict(files_of(tar)) for tar in range(TARS)]
    for number, sample in enumerate(samples):
        tar, name = divmod(number, SAMPLES)
        assert sample == {
            "__key__": f"{tar}/{name}",
            "__url__": bucket.uri(f"tars/{tar}.tar"),
            "jpg": expected[tar][f"{tar}/{name}.jpg"],
            "cls": f"{tar}/{name}".encode(),
        }


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_forms_of_tars(form, read):
    folder = "long" * 20 + "/" + ("x" * 90)  # a prefix in ustar
    if form != tarfile.USTAR_FORMAT:
        folder = "lång " * 60 + "/" + "ü" * 120
    names = [f"{folder}.PNG", f"{folder}.seg.png", "a.b/c.txt", "d.txt"]
    if form == tarfile.USTAR_FORMAT:
        names[1] = f"{folder}.s.p"
    data = tar_of([(name, name.encode()) for name in names], form)
    assert [{k: v for k, v in one.items() if k != "__url__"} for one in read(data)] == [
        {
            "__key__": folder,
            "png": names[0].encode(),
            names[1].partition(".")[2]: names[1].encode(),
        },
        {"__key__": "a.b/c", "txt": b"a.b/c.txt"},
        {"__key__": "d", "txt": b"d.txt"},
    ]


def test_what_is_no_sample_is_passed_by(read):
    folder, link = tarfile.TarInfo("folder"), tarfile.TarInfo("link.txt")
    folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "a.txt"
    files = [folder, ("README", b"x" * 600), (".hidden", b"x"), ("a.txt", b"a"), link]
    files += [("__index__", b"x"), ("a.cls", b"1"), ("b/.c", b"x")]
    (sample,) = read(tar_of(files, tarfile.PAX_FORMAT, {"comment": "of all"}))
    assert {k: v for k, v in sample.items() if k[:2] != "__"} == {"txt": b"a", "cls": b"1"}
    assert read(tar_of([])) == []


def test_tar_without_zeros_at_its_end(read):
    data = tar_of([("a.txt", b"a" * 512)])
    assert [one["txt"] for one in read(data[:1024])] == [b"a" * 512]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"no tar, that is certain" * 100, r"one\.tar: no header of a tar at 0"),
        (tar_of([("a.txt", b"a" * 9000)])[:5000], r"one\.tar: it ends in the middle of a file"),
        (tar_of([("a.txt", b"a" * 512)])[:700], r"one\.tar: it ends in the middle of a file"),
        (tar_of([("a.txt", b"")])[:500], r"one\.tar: no header of a tar at 0: truncated header"),
        (tar_of([("a.txt", b"1"), ("a.txt", b"2")]), r"one\.tar: it has 'a\.txt' twice"),
        (
            tar_of([("a.txt", b"")])[:512] + b"x" * 1024,
            r"one\.tar: no header of a tar at 512: (bad checksum|invalid header)",
        ),
    ],
)
def test_broken_tars_are_errors(data, says, read, caplog):
    with pytest.raises(tarfile.ReadError, match=says):
        read(data)
    with caplog.at_level(logging.WARNING, "ossmodelconnector"):
        assert len(read(data, on_error="skip")) <= 1
    (record,) = caplog.records
    assert record.getMessage().startswith("skipped oss://")


def test_missing_and_corrupt_tars(connector, bucket, tars, caplog):
    data = tar_of(files_of(1))
    flipped = data[: data.rindex(b"1/8")] + b"1/9" + data[data.rindex(b"1/8") + 3 :]
    bucket.served.local.put_object(bucket.bucket, "flipped.tar", flipped, crc64=_core.crc64(data))
    uris = [bucket.uri(f"{key}.tar") for key in ("tars/0", "gone", "flipped", "tars/2")]
    with pytest.raises(ObjectNotFoundError, match=r"gone\.tar"):
        list(TarDataset(uris, connector=connector))
    seen = []
    with pytest.raises(ChecksumError, match=r"flipped\.tar"):
        seen.extend(sample["cls"] for sample in TarDataset(uris[2:], connector=connector))
    assert b"1/9" not in seen
    dataset = TarDataset(uris, connector=connector, on_error="skip")
    with caplog.at_level(logging.WARNING, "ossmodelconnector"):
        found = {sample["__url__"] for sample in dataset}
    assert found >= {uris[0], uris[3]}
    assert dataset.skipped == len(caplog.records) == 2


def number_of(sample):
    return sample["cls"].decode()


EVERY = sorted(f"{tar}/{sample}" for tar in range(TARS) for sample in range(SAMPLES))


@pytest.mark.parametrize("workers", [0, 2])
def test_each_sample_comes_to_one_worker_of_one_rank(connector, tars, workers):
    seen = []
    for rank in range(3):
        dataset = TarDataset(
            tars, transform=number_of, shuffle=True, rank=rank, world_size=3, connector=connector
        )
        dataset.set_epoch(5)
        seen += itertools.chain(*DataLoader(dataset, 4, num_workers=workers))
    assert sorted(seen) == EVERY


def test_epochs_shuffle_tars(connector, tars):
    dataset = TarDataset(tars, transform=number_of, shuffle=True, connector=connector)
    first = list(dataset)
    dataset.set_epoch(1)
    assert first != list(dataset)
    assert [name for name in first if name.startswith("3/")] == [f"3/{i}" for i in range(SAMPLES)]
    with pytest.raises(TypeError, match="not known"):
        len(DataLoader(dataset, 4))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_in_the_middle_of_a_tar_with_another_number_of_workers(connector, bucket, tars, workers):
    def make():
        return TarDataset(tars, transform=number_of, shuffle=True, connector=connector)

    others = itertools.cycle([2, 0, 1])
    for taken in (1, 4, 9):
        dataset = make()
        batches = iter(DataLoader(dataset, 4, num_workers=workers))
        seen = list(itertools.chain(*itertools.islice(batches, taken)))
        state = dataset.state_dict()
        del batches
        again = make()
        again.load_state_dict(state)
        bucket.served.clear_log()
        seen += itertools.chain(*DataLoader(again, 4, num_workers=next(others)))
        assert sorted(seen) == EVERY
        # Nor is received what was handed out.
        assert again.state_dict()["done"] == TARS + 1


def test_again_and_again(connector, tars):
    seen, state = [], None
    for workers in itertools.cycle([2, 1, 0]):
        dataset = TarDataset(tars, transform=number_of, shuffle=True, connector=connector)
        if state is not None:
            dataset.load_state_dict(state)
        batches = list(itertools.islice(DataLoader(dataset, 5, num_workers=workers), 3))
        seen += itertools.chain(*batches)
        state = dataset.state_dict()
        if len(batches) < 3:
            break
    assert sorted(seen) == EVERY


# torchdata's, of a name that newer versions of torch do not have.
@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_by_torchdatas_loader(connector, tars, workers):
    def make():
        dataset = TarDataset(tars, transform=number_of, shuffle=True, connector=connector)
        return StatefulDataLoader(dataset, 4, num_workers=workers)

    for taken in (1, 6):
        loader = make()
        seen = list(itertools.chain(*itertools.islice(loader, taken)))
        state = loader.state_dict()
        again = make()
        again.load_state_dict(state)
        assert sorted(seen + list(itertools.chain(*again))) == EVERY


def test_manifest_of_tars_and_collate(connector, bucket, tars, tmp_path):
    (tmp_path / "tars.csv").write_text(f"uri,source\n{tars}3.tar,web\n{tars}5.tar,book\n")
    dataset = TarDataset(tmp_path / "tars.csv", connector=connector)
    samples = list(dataset)
    assert [sample["source"] for sample in samples] == ["web"] * SAMPLES + ["book"] * SAMPLES
    batch = collate(samples[:2])
    assert batch["__key__"] == ["3/0", "3/1"]
    assert batch["cls"] == [b"3/0", b"3/1"]


def test_prefix_without_tars(connector, bucket, tars):
    with pytest.raises(ObjectNotFoundError, match=r"no \*\.tar is under oss://.*/small/"):
        TarDataset(bucket.uri("small/"), connector=connector)
