"""verify="early", "late" and "off", where a bit of a file is wrong."""

from __future__ import annotations

import random

import pytest
from ossmodelconnector import ChecksumError, _core
from ossmodelconnector.safetensors import HeaderError, load_file, open_model, safe_open
from support.faults import URI, flip
from support.tensor_files import random_tensor, tensor_file

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
