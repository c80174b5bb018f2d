"""verify="early", "late" and "off", where a bit of a file is wrong."""

from __future__ import annotations

import random

import pytest
from ossmodelconnector import ChecksumError, _core
from ossmodelconnector.safetensors import HeaderError, load_file, open_model, safe_open
from support.faults import URI, flip
from support.tensor_files import random_tensor, tensor_file
from support.tries import wait_until

KiB = 1 << 10
FILES = [
    tensor_file(
        {f"{i}.{j}": random_tensor("F32", (300 * (j + 1),), 10 * i + j) for j in range(6)},
        {"format": "pt"},
    )
    for i in range(3)
]
SMALL_CHUNKS = {"prefetch.chunkBytes": 4 * KiB}


@pytest.fixture(scope="module")
def connector(make_shared_connector):
    return make_shared_connector(config=SMALL_CHUNKS)


def flipped_bit(data, chance, begin=0):
    place, bit = chance.randrange(begin, len(data)), chance.randrange(8)
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def put_wrong(bucket, key, data, wrong):
    """An object that is not what was uploaded: its CRC-64 is of `data`."""
    bucket.served.local.put_object(bucket.bucket, key, wrong, crc64=_core.crc64(data))
    return bucket.uri(key)


@pytest.fixture(scope="module")
def right(put):
    return [put(data, f"right/{i}.safetensors") for i, data in enumerate(FILES)]


def header_end(data):
    return 8 + int.from_bytes(data[:8], "little")


@pytest.mark.parametrize("seed", range(100))
def test_flipped_bit_raises_before_a_tensor_of_that_file_is_handed_out(
    bucket, connector, right, seed
):
    chance = random.Random(seed)
    place = chance.randrange(3)
    uris = list(right)
    wrong = flipped_bit(FILES[place], chance)
    uris[place] = put_wrong(bucket, f"wrong/{seed}", FILES[place], wrong)
    handed_out = []

    def load():
        with open_model(uris, "np", connector=connector) as model:
            if seed % 3 == 0:
                model.get_tensor(chance.choice(model.offset_keys()[6 * place : 6 * place + 6]))
            elif seed % 3 == 1:
                with model.prefetch() as loader:
                    handed_out.extend(name for name, _ in loader)
            else:
                handed_out.extend(name for name, _ in model.iter_tensors())

    with pytest.raises((ChecksumError, HeaderError), match=uris[place]):
        load()
    of_file = {f"{place}.{j}" for j in range(6)}
    assert not of_file & set(handed_out)


@pytest.mark.parametrize("seed", range(30))
def test_late_hands_out_and_raises_at_the_next_call_or_at_close(bucket, connector, right, seed):
    chance = random.Random(seed)
    place = chance.randrange(3)
    uris = list(right)
    wrong = flipped_bit(FILES[place], chance, header_end(FILES[place]))
    uris[place] = put_wrong(bucket, f"late/{seed}", FILES[place], wrong)
    handed_out = []
    with (
        pytest.raises(ChecksumError, match=uris[place]),
        open_model(uris, "np", connector=connector, verify="late") as model,
    ):
        handed_out += (name for name, _ in model.iter_tensors())
    assert [name for name in handed_out if int(name[0]) < place] == [
        f"{i}.{j}" for i in range(place) for j in range(6)
    ]


def one_by_one(model, names):
    for name in names:
        model.get_tensor(name)


def by_prefetch(model, names):
    with model.prefetch(dict.fromkeys(names)) as loader:
        for _ in loader:
            pass


def by_take(model, names):
    with model.prefetch(dict.fromkeys(names)) as loader:
        for name in names:
            loader.take(name)


def by_iteration(model, names):
    for _ in model.iter_tensors(names):
        pass


def left_early(model, names):
    """All of the model is iterated over, until these have come."""
    missing = set(names)
    for name, _ in model.iter_tensors():
        missing.discard(name)
        if not missing:
            break


def whole_slices(model, names):
    for name in names:
        model.get_slice(name)[...]


def lazily(model, names):
    lazy = model.lazy_state_dict()
    for name in names:
        lazy[name][...]


WAYS = [one_by_one, by_prefetch, by_take, by_iteration, left_early, whole_slices, lazily]


@pytest.mark.parametrize("seed", range(100))
def test_late_compares_the_crc_however_the_tensors_of_a_file_came(bucket, connector, seed):
    chance = random.Random(seed)
    names = [f"1.{j}" for j in range(6)]
    chance.shuffle(names)
    cut = chance.randrange(1, 6)
    ways = chance.sample(WAYS, 2)
    begin = 0 if seed % 10 == 0 else header_end(FILES[1])
    wrong = flipped_bit(FILES[1], chance, begin)
    uri = put_wrong(bucket, f"late/ways/{seed}", FILES[1], wrong)

    def load():
        with safe_open(uri, "np", connector=connector, verify="late") as model:
            for way, some in zip(ways, (names[:cut], names[cut:])):
                way(model, some)

    with pytest.raises((ChecksumError, HeaderError), match=uri):
        load()


@pytest.mark.parametrize("way", WAYS)
def test_late_says_what_was_checked_however_the_tensors_came(bucket, connector, right, way):
    names = [f"1.{j}" for j in (3, 5, 1, 0, 4, 2)]
    with safe_open(right[1], "np", connector=connector, verify="late") as model:
        way(model, names[:5])
        if way is not left_early:  # by then the last one has come too
            assert model.verified == {right[1]: "length+etag"}
        one_by_one(model, names[5:])
        assert model.verified == {right[1]: "crc64"}


def test_late_error_comes_at_the_next_call_or_at_close(bucket, connector):
    wrong = flipped_bit(FILES[0], random.Random(3), header_end(FILES[0]))
    uri = put_wrong(bucket, "late/next", FILES[0], wrong)
    calls = [
        lambda model: model.get_tensor("0.0"),
        lambda model: model.get_tensors(["0.1"]),
        lambda model: model.get_slice("0.1"),
        lambda model: model.get_tensor_meta("0.1"),
        lambda model: model.prefetch(),
        lambda model: model.lazy_state_dict()["0.1"][:1],
        lambda model: model.close(),
    ]
    for call in calls:
        model = safe_open(uri, "np", connector=connector, verify="late")
        one_by_one(model, [f"0.{j}" for j in range(6)])
        with pytest.raises(ChecksumError, match="do not match the object's CRC-64"):
            call(model)
        model.close()


def test_late_error_of_tensors_that_nobody_took_is_told_at_close(bucket, connector):
    wrong = flipped_bit(FILES[0], random.Random(4), header_end(FILES[0]))
    uri = put_wrong(bucket, "late/dropped", FILES[0], wrong)
    model = safe_open(uri, "np", connector=connector, verify="late")
    with model.prefetch() as loader:
        wait_until(lambda: loader.stats.ready == 6)
    with pytest.raises(ChecksumError):
        model.close()


def test_late_compares_a_tensor_that_comes_again(faults, connect):
    faults.put(FILES[1])
    with safe_open(URI, "np", connector=connect(SMALL_CHUNKS), verify="late") as model:
        first = {name: tensor.tobytes() for name, tensor in model.iter_tensors()}
        assert model.verified == {URI: "crc64"}
        name = model.offset_keys()[-1]
        faults.script = lambda request, reply: flip(reply)
        assert model.get_tensor(name).tobytes() != first[name]
        with pytest.raises(ChecksumError, match=f"tensor '{name}' came twice, and not the same"):
            model.close()


def test_late_has_nothing_to_compare_with_where_the_store_tells_no_crc(faults, connect):
    faults.put(FILES[1])

    def script(request, reply):
        reply.headers.pop("x-oss-hash-crc64ecma", None)

    faults.script = script
    with safe_open(URI, "np", connector=connect(SMALL_CHUNKS), verify="late") as model:
        one_by_one(model, model.offset_keys())
        assert model.verified == {URI: "length+etag"}


def test_late_counts_tensors_without_bytes_as_there(put, connector):
    tensors = {"empty": random_tensor("F32", (0, 3), 1), "full": random_tensor("F32", (3,), 2)}
    uri = put(tensor_file(tensors))
    with safe_open(uri, "np", connector=connector, verify="late") as model:
        assert model.get_tensor("empty").shape == (0, 3)
        assert model.verified == {uri: "length+etag"}
        model.get_tensor("full")
        assert model.verified == {uri: "crc64"}


def test_model_that_has_told_of_wrong_bytes_can_be_closed(bucket, connector):
    wrong = flipped_bit(FILES[0], random.Random(1), header_end(FILES[0]))
    uri = put_wrong(bucket, "late/closed", FILES[0], wrong)
    model = open_model(uri, "np", connector=connector, verify="late")
    with pytest.raises(ChecksumError):
        model.get_tensors()
    model.close()
    model.close()


@pytest.mark.parametrize("seed", range(10))
def test_off_hands_out_all_tensors_of_a_wrong_file(bucket, connector, seed):
    wrong = flipped_bit(FILES[0], random.Random(seed), header_end(FILES[0]))
    uri = put_wrong(bucket, f"off/{seed}", FILES[0], wrong)
    with open_model(uri, "np", connector=connector, verify="off") as model:
        found = b"".join(tensor.tobytes() for _, tensor in model.iter_tensors())
        assert found == wrong[header_end(wrong) :]
        with model.prefetch() as loader:
            assert b"".join(loader.take(f"0.{j}").tobytes() for j in range(6)) == found
        assert model.verified != {uri: "crc64"}


def test_what_was_checked_is_told(right, connector):
    with open_model(right, "np", connector=connector) as model:
        assert set(model.verified.values()) == {"length+etag"}
        model.get_slice("0.0")[:3]
        assert model.verified[right[0]] == "length+etag"
        model.get_tensor("0.0")
        assert [model.verified[uri] for uri in right] == ["crc64", "length+etag", "length+etag"]
    with open_model(right, "np", connector=connector, verify="late") as model:
        model.get_tensor("0.0")
        assert model.verified[right[0]] == "length+etag"
        model.get_tensors()
        assert set(model.verified.values()) == {"crc64"}


def test_bit_that_is_wrong_once_on_its_way_is_mended(faults, connect):
    faults.put(FILES[1])
    expected = {name: tensor.tobytes() for name, tensor in right_tensors(1).items()}
    for verify in ("early", "late"):
        seen = []

        def script(request, reply, seen=seen):
            if request.begin == 8 * KiB and not seen:
                seen.append(request)
                flip(reply)

        faults.script = script
        connector = connect({**SMALL_CHUNKS, "prefetch.memoryBytes": "1 MiB"})
        with safe_open(URI, "np", connector=connector, verify=verify) as file:
            try:
                found = {name: tensor.tobytes() for name, tensor in file.iter_tensors()}
            except ChecksumError:
                assert verify == "late"  # some were handed out before the end was there
            else:
                assert found == expected
        assert seen


def test_bit_that_is_always_wrong_on_its_way_is_told(faults, connect):
    faults.put(FILES[1])

    def script(request, reply):
        if request.begin == 8 * KiB:
            flip(reply)

    faults.script = script
    with pytest.raises(ChecksumError):
        load_file(URI, framework="np", connector=connect(SMALL_CHUNKS))


def right_tensors(place):
    import safetensors.numpy

    return safetensors.numpy.load(FILES[place])
