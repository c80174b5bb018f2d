"""Random safetensors files, most of them wrong: what ours and safetensors' own parser say of each.

`python tests/support/random_headers.py --seconds 600` does so for ten minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import struct
import time

import safetensors
from ossmodelconnector.safetensors import HeaderError
from ossmodelconnector.safetensors._format import DTYPES, Header, header_length, parse_header

# Where ours is stricter, as _format.py says.
STRICTER = re.compile(r" twice$|more than 64 bits can count|its shape is ")
NUMBERS = [0, 1, 2, 3, 7, 8, 16, 255, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
TEXTS = [
    "-0", "-1", "1.0", "1e2", "1e999", "NaN", "Infinity", "true", "false", "null", '""', "[]",
    "{}", "[[]]", '{"a":1}', '"F32"', "01", "+1", "18446744073709551616", "9" * 5000, "0x10",
    '"\\ud800"', '"\\u0041"', '"\\ud83d\\ude00"', "[0,4]", "[4,0]", "[0,4,8]", "{" * 200,
    '{"a":' * 130 + "0" + "}" * 130, '{"a":' * 120 + "0" + "}" * 120, "[" * 125 + "]" * 125,
]  # fmt: skip
BYTES = b'{}[]",:\\ \t\n0123456789eE+-.\x00\xff\xef\xbb\xbf\xc3\xa9abutf'


def parsed(data: bytes) -> Header:
    """What ours makes of a whole file. HeaderError where it is refused."""
    end = header_length("file", data[:8], len(data))
    return parse_header("file", data[8:end], len(data))


def file_of(text: bytes, data_bytes: int) -> bytes:
    return struct.pack("<Q", len(text)) + text + bytes(data_bytes)


def compare(data: bytes) -> str:
    """Fails where ours takes what safetensors refuses, or refuses what no rule of ours forbids."""
    theirs, ours, refusal, text = None, None, "", ""
    try:
        theirs = dict(safetensors.deserialize(data))
    except safetensors.SafetensorError as error:
        refusal = str(error)
    try:
        ours = parsed(data)
    except HeaderError as error:
        text = str(error)
    if ours is None:
        assert text.startswith("file: ")
        assert len(text) < 1000
        assert theirs is None or STRICTER.search(text), (text, data)
        return "refused" if theirs is None else "stricter"
    assert theirs is not None, (refusal, data)
    assert ours.tensors.keys() == theirs.keys()
    for name, meta in ours.tensors.items():
        assert (meta.dtype, list(meta.shape)) == (theirs[name]["dtype"], theirs[name]["shape"])
        assert meta.nbytes == len(theirs[name]["data"])
        assert ours.data_begin + meta.data_offsets[1] <= len(data)
    return "taken"


def random_file(chance: random.Random) -> bytes:
    """A right file, of which nothing, a field, or some bytes are changed."""
    fields, end = _right_fields(chance)
    changes = chance.randrange(3)
    if changes:
        end += _change_fields(fields, chance)
    text = json.dumps(fields).encode()
    if changes == 2:
        text = _with_text(text, chance) if chance.random() < 0.7 else _with_bytes(text, chance)
    blank = chance.choice([b"", b"", b" ", b"\n\t ", b"\x00"])
    text = chance.choice([text + blank, blank + text])
    data = file_of(text, min(end, 1 << 16))
    if chance.random() < 0.05:
        data = data[: chance.randrange(len(data))] + bytes(chance.randrange(3))
    if chance.random() < 0.03:
        data = struct.pack("<Q", chance.choice(NUMBERS)) + data[8:]
    return data


def _right_fields(chance: random.Random) -> tuple[dict, int]:
    fields, end = {}, 0
    if chance.random() < 0.3:
        fields["__metadata__"] = {chance.choice("abé"): chance.choice("xyz")}
    for name in range(chance.randrange(5)):
        dtype = chance.choice(list(DTYPES))
        shape = [chance.randrange(4) for _ in range(chance.randrange(4))]
        bits = DTYPES[dtype].bits
        for size in shape:
            bits *= size
        begin, end = end, end + bits // 8
        fields[f"t{name}"] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    items = list(fields.items())
    chance.shuffle(items)
    return dict(items), end


def _change_fields(fields: dict, chance: random.Random) -> int:
    """Changes one, and returns by how much the data is longer."""
    if not fields:
        return chance.randrange(2)
    name = chance.choice(list(fields))
    info = fields[name]
    field = chance.choice(["dtype", "shape", "data_offsets", "more", "gone", "length"])
    if field == "length":
        return chance.choice([1, 4])
    if field == "gone":
        info.pop(chance.choice(list(info)), None)
    elif field == "more":
        info["more"] = chance.choice([1, "a", None, {"a": [1]}])
    elif field == "dtype":
        info["dtype"] = chance.choice([*DTYPES, "f32", "F128", "", None, 1])
    else:
        numbers = [chance.choice(NUMBERS) for _ in range(chance.randrange(4))]
        info[field] = numbers
    return 0


def _with_text(text: bytes, chance: random.Random) -> bytes:
    """With another text in the place of a value, or a name a second time."""
    values = list(re.finditer(rb'[:,\[] ?("[^"]*"|\d+|\[[^]]*\])', text))
    if not values:
        return text + b"}"
    found = chance.choice(values)
    if chance.random() < 0.2:
        names = re.findall(rb'"[^"]*":', text)
        return text.replace(chance.choice(names), chance.choice(names))
    return text[: found.start(1)] + chance.choice(TEXTS).encode() + text[found.end(1) :]


def _with_bytes(text: bytes, chance: random.Random) -> bytes:
    changed = bytearray(text)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(changed) + 1)
        changed[place : place + chance.randrange(2)] = bytes([chance.choice(BYTES)])
    return bytes(changed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    counts: dict[str, int] = {}
    deadline = time.monotonic() + arguments.seconds
    while time.monotonic() < deadline:
        verdict = compare(random_file(chance))
        counts[verdict] = counts.get(verdict, 0) + 1
    print(counts)


if __name__ == "__main__":
    main()
