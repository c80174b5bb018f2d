"""Headers that are wrong, or hostile: a clear error each, in little time; and right ones."""

from __future__ import annotations

import json
import random
import resource
import struct

import pytest
import safetensors
from ossmodelconnector.safetensors import HeaderError
from ossmodelconnector.safetensors._format import header_length
from support.forked_child import in_child
from support.random_headers import compare, file_of, parsed, random_file

# Older ones take other headers.
IS_JUDGE = tuple(map(int, safetensors.__version__.split(".")[:2])) >= (0, 8)
MiB = 1 << 20
NAN = "its shape is .*must be a list of integers"


def tensor(dtype='"F32"', shape="[2]", offsets="[0,8]", name='"t"', more=""):
    return f'{name}:{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}{more}}}'


def header(*items):
    return ("{" + ",".join(items) + "}").encode()


SECOND = {"name": '"u"', "offsets": "[8,16]"}
# Bytes of data, the header, and what is said.
REFUSED = {
    "nothing": (0, b"", "does not begin with '{'"),
    "only blanks": (0, b"   ", "does not begin with '{'"),
    "a list": (0, b"[]", "does not begin with '{'"),
    "byte order mark": (0, b"\xef\xbb\xbf{}", "does not begin with '{'"),
    "zero bytes before": (0, b"\0\0{}", "does not begin with '{'"),
    "open": (0, b"{", "no valid JSON"),
    "no UTF-8": (0, b'{"\xff":1}', "no valid JSON.*utf-8"),
    "surrogates as UTF-8": (8, header(tensor()).replace(b"t", b"\xed\xa0\x80", 1), "no valid JSON"),
    "zero bytes behind": (8, header(tensor()) + b"\0", "no valid JSON"),
    "two values": (8, header(tensor()) + b"{}", "no valid JSON"),
    "a comma too many": (8, header(tensor(), "")[:-1] + b"}", "no valid JSON"),
    "control character": (8, header(tensor(name='"\n"')), "no valid JSON"),
    "lone surrogate": (8, header(tensor(name='"\\ud800"')), "lone surrogate"),
    "lone surrogate in metadata": (0, b'{"__metadata__":{"a":"\\udfff"}}', "lone surrogate"),
    "metadata of numbers": (0, b'{"__metadata__":{"a":1}}', "__metadata__ must be"),
    "metadata of objects": (0, b'{"__metadata__":{"a":{}}}', "__metadata__ must be"),
    "metadata of null": (0, b'{"__metadata__":{"a":null}}', "__metadata__ must be"),
    "metadata a text": (0, b'{"__metadata__":"a"}', "__metadata__ must be"),
    "tensor twice": (8, header(tensor(), tensor()), "names 't' twice"),
    "field twice": (8, header(tensor(more=',"dtype":"I32"')), "names 'dtype' twice"),
    "metadata twice": (0, b'{"__metadata__":{},"__metadata__":{}}', "'__metadata__' twice"),
    "tensor a number": (0, b'{"t":1}', "tensor 't': must be a JSON object"),
    "tensor of nothing": (0, b'{"t":{}}', "tensor 't': has no dtype"),
    "no shape": (0, b'{"t":{"dtype":"F32","data_offsets":[0,0]}}', "has no shape"),
    "no place": (0, b'{"t":{"dtype":"F32","shape":[0]}}', "has no data_offsets"),
    "unknown type": (8, header(tensor(dtype='"F33"')), "its dtype is 'F33'"),
    "type in small letters": (8, header(tensor(dtype='"f32"')), "its dtype is 'f32'"),
    "type a list": (8, header(tensor(dtype='["F32"]')), "its dtype is"),
    "type null": (8, header(tensor(dtype="null")), "its dtype is None"),
    "NaN": (8, header(tensor(shape="[NaN]")), "NaN is no JSON"),
    "Infinity": (8, header(tensor(shape="[-Infinity]")), "-Infinity is no JSON"),
    "float": (8, header(tensor(shape="[2.0]")), NAN),
    "power": (8, header(tensor(shape="[2e0]")), NAN),
    "float without end": (8, header(tensor(more=',"x":1e999')), "1e999 is no number"),
    "truth value": (8, header(tensor(shape="[true,2]")), NAN),
    "text for number": (8, header(tensor(shape='["2"]')), NAN),
    "negative": (8, header(tensor(shape="[-2]")), NAN),
    "negative zero": (0, header(tensor(shape="[-0]", offsets="[0,0]")), NAN),
    "shape an object": (8, header(tensor(shape='{"0":2}')), NAN),
    "shape in a list": (8, header(tensor(shape="[[2]]")), NAN),
    "2**63": (8, header(tensor(shape="[9223372036854775808]")), NAN),
    "2**64": (8, header(tensor(shape="[18446744073709551616]")), NAN),
    "long number": (8, header(tensor(shape=f"[{'9' * 300}]")), NAN),
    "overflow": (8, header(tensor(shape="[4611686018427387904,4]")), "more than 64 bits"),
    "overflow by the type": (8, header(tensor(shape="[4611686018427387904]")), "more than 64 bits"),
    "overflow to the right size": (
        8, header(tensor(shape="[4611686018427387906,8589934592]")), "more than 64 bits",
    ),
    "overflow before nothing": (
        0, header(tensor(shape="[4611686018427387904,4611686018427387904,0]", offsets="[0,0]")),
        "more than 64 bits",
    ),
    "half a byte": (1, header(tensor('"F4"', "[3]", "[0,1]")), "F4 of shape .* is 1.5 bytes"),
    "other size": (8, header(tensor(shape="[3]")), "is 12 bytes, and its data_offsets have 8"),
    "one offset": (8, header(tensor(offsets="[8]")), "its data_offsets are"),
    "three offsets": (8, header(tensor(offsets="[0,8,8]")), "its data_offsets are"),
    "offsets backwards": (8, header(tensor(offsets="[8,0]")), "its data_offsets are"),
    "offsets of text": (8, header(tensor(offsets='["0","8"]')), "its data_offsets are"),
    "hole at the front": (12, header(tensor(offsets="[4,12]")), "leaves a hole behind the header"),
    "hole": (
        20, header(tensor(), tensor(name='"u"', offsets="[12,20]")), "'u'.*a hole behind 't'",
    ),
    "overlap": (12, header(tensor(), tensor(name='"u"', offsets="[4,12]")), "'u'.*overlaps 't'"),
    "same place": (8, header(tensor(), tensor(name='"u"')), "overlaps"),
    "bytes behind": (9, header(tensor()), "bytes that belong to no tensor"),
    "bytes too few": (7, header(tensor()), "is cut short"),
    "second cut": (15, header(tensor(), tensor(**SECOND)), "is cut short"),
    "nested lists": (0, b'{"t":' + b"[" * 100_000, "nested too deeply|no valid JSON"),
    "nested objects": (0, b'{"t":' * 100_000, "nested too deeply|no valid JSON"),
    "nested where nobody looks": (
        8, header(tensor(more=',"x":' + "[" * 126 + "]" * 126)), "nested too deeply",
    ),
}  # fmt: skip
TAKEN = {
    "nothing": (0, b"{}"),
    "blanks before and behind": (8, b" \t\r\n" + header(tensor()) + b"   \n"),
    "no metadata": (0, b'{"__metadata__":null}'),
    "empty metadata": (0, b'{"__metadata__":{}}'),
    "an unknown field": (8, header(tensor(more=',"quantized":{"by":[1,2.5,null,true]}'))),
    "any order": (16, header(tensor(**SECOND), tensor())),
    "empty tensors between": (
        16,
        header(
            tensor(name='"e"', shape="[0]", offsets="[8,8]"),
            tensor(),
            tensor(**SECOND),
            tensor(name='"f"', shape="[3,0]", offsets="[16,16]"),
            tensor(name='"g"', shape="[0,1]", offsets="[0,0]"),
        ),
    ),
    "an empty name": (8, header(tensor(name='""'))),
    "a zero byte in a name": (8, header(tensor(name='"a\\u0000b"'))),
    "a character of two escapes": (8, header(tensor(name='"\\ud83d\\ude00"'))),
    "nested as deep as safetensors reads": (
        8,
        header(tensor(more=',"x":' + "[" * 125 + "]" * 125)),
    ),
}


@pytest.mark.parametrize(("size", "text", "said"), REFUSED.values(), ids=REFUSED)
def test_wrong_header_is_refused_with_a_clear_error(size, text, said):
    data = file_of(text, size)
    with pytest.raises(HeaderError, match=rf"(?s)^file: .*{said}") as caught:
        parsed(data)
    assert len(str(caught.value)) < 600
    if IS_JUDGE:
        assert compare(data) in ("refused", "stricter")


@pytest.mark.parametrize(("size", "text"), TAKEN.values(), ids=TAKEN)
def test_unusual_header_is_taken(size, text):
    assert parsed(file_of(text, size)).data_begin == 8 + len(text)
    if IS_JUDGE:
        assert compare(file_of(text, size)) == "taken"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a file of 0 bytes has no safetensors header"),
        (b"1234567", "a file of 7 bytes"),
        (struct.pack("<Q", 1), "a header of 1 bytes does not fit in its 8 bytes"),
        (struct.pack("<Q", 100_000_001), "100000001 bytes, more than the 100000000"),
        (struct.pack("<Q", (1 << 64) - 1), "more than the 100000000"),
        (struct.pack("<Q", (1 << 64) - 8) + b"{}", "more than the 100000000"),
        (b"<html><body>not found</body></html>", "more than the 100000000"),
        (b"version https://git-lfs.github.com/spec/v1\n", "more than the 100000000"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "more than the 100000000"),
    ],
    ids=range(9),
)
def test_what_is_no_safetensors_file_is_told_by_its_first_bytes(data, said):
    with pytest.raises(HeaderError, match=said):
        header_length("file", data[:8], len(data))
    if IS_JUDGE:
        assert compare(data) == "refused"


@pytest.mark.skipif(not IS_JUDGE, reason="safetensors is older than 0.8")
@pytest.mark.parametrize("seed", range(20))
def test_random_files_are_taken_or_refused_as_safetensors_does(seed):
    chance = random.Random(seed)
    verdicts = [compare(random_file(chance)) for _ in range(250)]
    assert {"taken", "refused"} <= set(verdicts)


def cost_of(text):
    """Seconds and bytes of memory that it takes to refuse a header; measured in a child."""
    data = file_of(text, 0)

    def refuse():
        before = resource.getrusage(resource.RUSAGE_SELF)
        try:
            parsed(data)
        except HeaderError:
            after = resource.getrusage(resource.RUSAGE_SELF)
            return [after.ru_utime - before.ru_utime, (after.ru_maxrss - before.ru_maxrss) << 10]
        return None

    return in_child(refuse)


SIZE = 10 * MiB  # a tenth of what a header may have
HOSTILE = {
    "lists": b'{"t":' + b"[" * SIZE,
    "objects": b'{"t":' * (SIZE // 5),
    "digits": header(tensor(shape="[" + "9" * SIZE + "]")),
    "dimensions": header(tensor(shape="[" + "1," * (SIZE // 2) + "1]")),
    "large dimensions": header(tensor(shape="[" + "4611686018427387904," * (SIZE // 20) + "1]")),
    "name": header(tensor(name='"' + "a" * SIZE + '"')),
    "escapes": header(tensor(name='"' + "\\ud800" * (SIZE // 6) + '"')),
    "tensors": b"{" + b",".join(b'"%d":{}' % i for i in range(SIZE // 14)) + b"}",
    "objects of one field": header(tensor(more=',"x":[' + '{"":1},' * (SIZE // 7) + "0]")),
    "fields": header(tensor(more=',"x":[' + "{}," * (SIZE // 3) + "0]")),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_header_costs_seconds_and_a_multiple_of_its_size(text):
    seconds, memory = cost_of(text)
    assert seconds < 10
    assert memory < 50 * SIZE


def test_deep_nesting_is_told_however_deep_the_caller_stands():
    data = file_of(header(tensor(more=',"x":' + "[" * 125 + "]" * 125)), 8)

    def parse_at(depth):
        return parsed(data) if depth == 0 else parse_at(depth - 1)

    assert list(parse_at(500).tensors) == ["t"]


def test_header_of_json_that_only_python_reads_is_refused():
    for text in (b'{"t":NaN}', b'{"t":Infinity}', b'{"t":-Infinity}'):
        json.loads(text)
        with pytest.raises(HeaderError, match="no valid JSON"):
            parsed(file_of(text, 0))
