"""A reader is io.BytesIO over the same bytes: any sequence of calls gives the same results."""

from __future__ import annotations

import array
import io
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

# The long profile has eight times the examples.
pytestmark = pytest.mark.timeout(400)

KiB = 1024
# Empty, one byte, and around one, two and many chunks of each size below.
SIZES = (0, 1, KiB - 1, KiB, KiB + 1, 2 * KiB, 3 * KiB + 7, 65_535, 65_536, 65_537, 200_001)
CHUNKS = (KiB, 3000, 4 * KiB, 64 * KiB)
# In the last one every object lies whole: without prefetch its reads are parts of one chunk.
OPENED_CHUNKS = (*CHUNKS, 8192 * KiB)


def lines_of(size, seed):
    """Bytes with line ends of all kinds, lines of 0 to 5000 bytes, and all other byte values."""
    generator = random.Random(seed)
    parts = []
    while sum(map(len, parts)) < size:
        parts.append(generator.randbytes(generator.choice((0, 1, 20, 100, 1000, 5000))))
        parts.append(generator.choice((b"\n", b"\r\n", b"\r", b"\n\n")))
    return b"".join(parts)[:size]


@pytest.fixture(scope="module")
def objects(store):
    """Objects of all SIZES, by size."""
    for size in SIZES:
        store.put(f"property/{size}", lines_of(size, size))
    return {size: store.uri(f"property/{size}") for size in SIZES}


@pytest.fixture(scope="module")
def connectors(make_shared_connector):
    """A connector for each chunk size, with so small a budget that memory is taken back too."""
    return {
        chunk: make_shared_connector(
            config={
                "prefetch": {"chunkBytes": chunk, "memoryBytes": max(4 * chunk, 16 * KiB)},
                "timeout": {"readSeconds": 5},
            }
        )
        for chunk in OPENED_CHUNKS
    }


near_boundaries = st.builds(
    lambda chunk, count, delta: max(0, chunk * count + delta),
    st.sampled_from(CHUNKS),
    st.integers(0, 4),
    st.integers(-2, 2),
)
counts = st.one_of(
    st.none(), st.just(-1), st.just(0), st.integers(-7, 50), near_boundaries, st.booleans()
)
buffer_sizes = st.one_of(st.integers(0, 50), near_boundaries)
ranges_in_objects = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 210_000), near_boundaries),
        st.one_of(st.integers(0, 3000), near_boundaries),
    ),
    max_size=8,
)
operations = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("read", "read1", "readline", "readlines")), counts),
        st.tuples(st.sampled_from(("read", "read1", "readline", "readlines"))),
        st.tuples(st.sampled_from(("readinto", "readinto1")), buffer_sizes),
        st.tuples(st.just("peek"), st.one_of(st.integers(-1, 10), near_boundaries)),
        st.tuples(st.just("seek"), st.one_of(st.integers(-50, 50), near_boundaries)),
        st.tuples(
            st.just("seek"),
            st.one_of(st.integers(-5000, 5000), near_boundaries, near_boundaries.map(lambda n: -n)),
            st.sampled_from((0, 1, 2)),
        ),
        st.tuples(st.just("tell")),
        st.tuples(st.just("next")),
        st.tuples(st.just("iterate"), st.integers(0, 5)),
        st.tuples(st.just("read_at"), st.integers(0, 210_000), buffer_sizes),
        st.tuples(st.just("read_ranges"), ranges_in_objects),
        st.tuples(st.just("chunks"), st.integers(1, 3)),
    ),
    max_size=12,
)


def outcome(file, name, arguments):
    """What a call gives: a value, or the class of what it raises."""
    try:
        if name in ("readinto", "readinto1"):
            buffer = bytearray(b"\xaa" * arguments[0])
            return getattr(file, name)(buffer), bytes(buffer)
        if name == "next":
            return next(file, None)
        if name == "iterate":
            return [line for line, _ in zip(file, range(arguments[0]))]
        return getattr(file, name)(*arguments)
    except (ValueError, TypeError, OverflowError) as error:
        return type(error)


def read_beside(reader, data, name, *arguments):
    """A call that BytesIO does not have."""
    if name == "read_ranges":
        (ranges,) = arguments
        expected = [data[offset : offset + length] for offset, length in ranges]
        assert reader.read_ranges(ranges) == expected
        return
    offset, length = arguments
    buffer = bytearray(b"\xaa" * length)
    wanted = data[offset : offset + length]
    assert reader.read_at(offset, buffer) == len(wanted)
    assert buffer == wanted + b"\xaa" * (length - len(wanted))


def show_chunks(reader, model, count):
    chunks = reader.chunks()
    for _, chunk in zip(range(count), chunks):
        assert chunk.readonly
        assert len(chunk) > 0
        assert chunk == model.read(len(chunk))
    chunks.close()


@given(
    size=st.sampled_from(SIZES),
    chunk=st.sampled_from(OPENED_CHUNKS),
    prefetch=st.booleans(),
    calls=operations,
)
@example(
    size=0,
    chunk=KiB,
    prefetch=True,
    calls=[("read",), ("peek", 0), ("seek", 5), ("read", 1), ("readline",)],
)
@example(
    size=65_537,
    chunk=64 * KiB,
    prefetch=True,
    calls=[("seek", -1, 2), ("read", 2), ("tell",), ("seek", 0)],
)
def test_any_sequence_of_calls(objects, connectors, store, size, chunk, prefetch, calls):
    model = io.BytesIO(store[f"property/{size}"])
    with connectors[chunk].open(objects[size], prefetch=prefetch) as reader:
        for name, *arguments in calls:
            if name == "peek":
                shown = reader.peek(*arguments)
                rest = model.getvalue()[model.tell() :]
                assert rest.startswith(shown)
                assert shown or not rest
            elif name in ("read_at", "read_ranges"):
                read_beside(reader, model.getvalue(), name, *arguments)
            elif name == "chunks":
                show_chunks(reader, model, *arguments)
            else:
                expected = outcome(model, name, arguments)
                assert outcome(reader, name, arguments) == expected, (name, arguments)
            assert reader.tell() == model.tell()


BAD_CALLS = [
    ("read", 1.5),
    ("read", "1"),
    ("read", b"1"),
    ("read", 1, 2),
    ("read", 1 << 70),
    ("read1", 1.5),
    ("readline", 1.5),
    ("readline", "1"),
    ("readlines", 1.5),
    ("readlines", "1"),
    ("readinto", b"read-only"),
    ("readinto", "text"),
    ("readinto", 5),
    ("readinto", None),
    ("readinto", memoryview(b"read-only")),
    ("readinto", memoryview(bytearray(10))[::2]),
    ("readinto1", b"read-only"),
    ("readinto",),
    ("seek",),
    ("seek", 1.0),
    ("seek", "1"),
    ("seek", None),
    ("seek", -1),
    ("seek", -(1 << 62)),
    ("seek", 1 << 70),
    ("seek", 0, 3),
    ("seek", 0, -1),
    ("seek", 0, 1.0),
    ("seek", 0, "1"),
    ("seek", (1 << 63) - 1, 1),
    ("seek", (1 << 63) - 1, 2),
    ("tell", 1),
    ("flush", 1),
]


# Not by repr(): a view's has an address, and all workers of pytest-xdist must find the same names.
@pytest.mark.parametrize(
    "call", BAD_CALLS, ids=[f"{number} {call[0]}" for number, call in enumerate(BAD_CALLS)]
)
def test_bad_arguments(objects, connectors, store, call):
    name, *arguments = call
    model = io.BytesIO(store["property/1025"])
    with connectors[KiB].open(objects[1025]) as reader:
        model.seek(5)
        reader.seek(5)
        with pytest.raises(Exception) as expected:  # noqa: PT011 - whichever BytesIO raises
            getattr(model, name)(*arguments)
        with pytest.raises(expected.type):
            getattr(reader, name)(*arguments)
        assert reader.tell() == model.tell() == 5
        assert reader.read() == model.read()


class Indexed:
    def __index__(self):
        return 3


def test_whatever_has_an_index_is_a_number(objects, connectors, store):
    model = io.BytesIO(store["property/1025"])
    with connectors[KiB].open(objects[1025]) as reader:
        for file in (model, reader):
            assert file.seek(Indexed()) == 3
            assert len(file.read(Indexed())) == 3
            assert file.seek(True) == 1
            assert len(file.read(True)) == 1
        assert reader.readline(Indexed()) == model.readline(Indexed())


@pytest.mark.parametrize("kind", ["bytearray", "memoryview", "array", "2-d", "numpy", "empty"])
def test_readinto_any_writable_buffer(objects, connectors, store, kind):
    numpy = pytest.importorskip("numpy") if kind == "numpy" else None
    make = {
        "bytearray": lambda: bytearray(4000),
        "memoryview": lambda: memoryview(bytearray(5000))[500:-500],
        "array": lambda: array.array("i", [0] * 1000),
        "2-d": lambda: memoryview(bytearray(4000)).cast("B", (40, 100)),
        "numpy": lambda: numpy.zeros((10, 100), dtype=numpy.float32),
        "empty": lambda: bytearray(),
    }[kind]
    data = store["property/200001"]
    with connectors[KiB].open(objects[200_001]) as reader:
        for readinto in (reader.readinto, reader.readinto1, lambda b: reader.read_at(77, b)):
            reader.seek(77)
            buffer = make()
            assert readinto(buffer) == memoryview(buffer).nbytes
            assert bytes(memoryview(buffer).cast("B")) == data[77 : 77 + memoryview(buffer).nbytes]


def test_closed_reader_is_a_closed_file(objects, connectors):
    reader = connectors[KiB].open(objects[1025])
    model = io.BytesIO(b"x")
    assert not reader.closed
    for file in (model, reader):
        file.close()
        file.close()
        assert file.closed
    for name, arguments in [
        ("read", ()),
        ("read", (0,)),
        ("read1", ()),
        ("readinto", (bytearray(1),)),
        ("readinto1", (bytearray(0),)),
        ("readline", ()),
        ("readlines", ()),
        ("seek", (0,)),
        ("tell", ()),
        ("flush", ()),
        ("isatty", ()),
        ("readable", ()),
        ("seekable", ()),
        ("writable", ()),
        ("getbuffer", ()),
        ("__next__", ()),
        ("__enter__", ()),
    ]:
        for file in (model, reader):
            with pytest.raises(ValueError, match="closed"):
                getattr(file, name)(*arguments)
    with pytest.raises(ValueError, match="closed"):
        reader.peek()
    with pytest.raises(ValueError, match="closed"):
        reader.read_at(0, bytearray(1))
    with pytest.raises(ValueError, match="closed"):
        reader.read_ranges([(0, 1)])


def test_it_cannot_be_written_to(objects, connectors):
    with connectors[KiB].open(objects[1025]) as reader:
        for name, arguments in [
            ("write", (b"x",)),
            ("writelines", ([b"x"],)),
            ("truncate", ()),
            ("truncate", (0,)),
            ("detach", ()),
            ("fileno", ()),
        ]:
            with pytest.raises(io.UnsupportedOperation):
                getattr(reader, name)(*arguments)
        assert len(reader.read()) == 1025


def test_attributes_cannot_be_set(objects, connectors):
    with connectors[KiB].open(objects[1025]) as reader:
        for name in ("size", "etag", "uri", "closed", "name"):
            with pytest.raises(AttributeError):
                setattr(reader, name, 1)


@given(
    size=st.sampled_from(SIZES),
    chunk=st.sampled_from(OPENED_CHUNKS),
    prefetch=st.booleans(),
    ranges=ranges_in_objects,
)
def test_read_ranges_and_read_at(objects, connectors, store, size, chunk, prefetch, ranges):
    data = store[f"property/{size}"]
    with connectors[chunk].open(objects[size], prefetch=prefetch) as reader:
        reader.seek(3)
        read_beside(reader, data, "read_ranges", ranges)
        expected = [data[offset : offset + length] for offset, length in ranges]
        assert reader.read_ranges(iter(ranges)) == expected
        for offset, length in ranges:
            read_beside(reader, data, "read_at", offset, length)
        assert reader.tell() == 3


def test_read_ranges_and_read_at_refuse_negatives(objects, connectors):
    with connectors[KiB].open(objects[1025]) as reader:
        for ranges in ([(-1, 1)], [(0, -1)], [(0, 1), (5, -2)]):
            with pytest.raises(ValueError, match="negative"):
                reader.read_ranges(ranges)
        for ranges in ([1], [(1,)], [(1, 2, 3)], [("a", 1)], [(1.5, 1)], 5, None):
            with pytest.raises((TypeError, ValueError)):
                reader.read_ranges(ranges)
        with pytest.raises(ValueError, match="negative"):
            reader.read_at(-1, bytearray(1))
        with pytest.raises(TypeError):
            reader.read_at(0, b"read-only")
        with pytest.raises(TypeError):
            reader.read_at(0.5, bytearray(1))
        assert reader.read_ranges([]) == []
        assert reader.read_at(5000, bytearray(1)) == 0
        assert reader.read_at(1 << 60, bytearray(1)) == 0


@pytest.mark.parametrize("chunk", CHUNKS)
def test_small_steps_cross_every_boundary(objects, connectors, store, chunk):
    for step in (1, 7, KiB - 1, KiB + 1):
        size = 3 * KiB + 7 if step == 1 else 65_537
        with connectors[chunk].open(objects[size]) as reader:
            parts = []
            while part := reader.read(step):
                parts.append(part)
            assert all(len(part) == step for part in parts[:-1])
            assert b"".join(parts) == store[f"property/{size}"]
            assert reader.read(step) == b""


PIECES = ["a", "é", "世", "😀", "\n", "\r\n", "\r", "word ", "\u2028", "\x85"]
TEXT = "".join(random.Random(7).choices(PIECES, k=20_000))


# CPython's TextIOWrapper.tell() decodes what lies in memory behind the bytes that it kept, when it
# is asked in the midst of the piece that seek() has read: of a BytesIO too. What it says is right,
# unless that memory is no UTF-8: then it raises, and that depends on nothing that a test holds.
TELLING = ("tell", "mark", "seek")
UNTOLD = "UnicodeDecodeError"


def test_the_text_was_line_ends_alone():
    assert all(TEXT.count(piece) > 1000 for piece in PIECES)


@pytest.fixture(scope="module")
def text_object(store):
    store.put("property/text", TEXT.encode())
    return store.uri("property/text")


@given(
    chunk=st.sampled_from(OPENED_CHUNKS),
    prefetch=st.booleans(),
    calls=st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.one_of(st.integers(-1, 100), near_boundaries)),
            st.tuples(st.just("readline")),
            st.tuples(st.just("readline"), st.integers(-1, 100)),
            st.tuples(st.just("readlines"), st.integers(0, 3000)),
            st.tuples(st.just("mark")),
            st.tuples(st.just("back")),
            st.tuples(st.just("seek"), st.just(0), st.sampled_from((0, 1, 2))),
        ),
        max_size=10,
    ),
)
def test_text_is_what_text_io_wrapper_gives(connectors, text_object, chunk, prefetch, calls):
    model = io.TextIOWrapper(
        io.BytesIO(TEXT.encode()), encoding="utf-8", errors="strict", newline=None
    )
    with connectors[chunk].open(text_object, binary=False, prefetch=prefetch) as text:
        marks = {model: 0, text: 0}
        are_told = True

        def call(file, name, *arguments):
            if name == "mark":
                marks[file] = file.tell()
                return marks[file]
            if name == "back":
                return file.seek(marks[file])
            return getattr(file, name)(*arguments)

        for name, *arguments in [*calls, ("tell",), ("readlines",), ("tell",)]:
            outcomes, marks_before = [], dict(marks)
            for file in (model, text):
                try:
                    outcomes.append(call(file, name, *arguments))
                except OSError as error:  # tell() is not allowed in the midst of an iteration
                    outcomes.append(str(error))
                except UnicodeDecodeError:
                    if name not in TELLING:
                        raise
                    outcomes.append(UNTOLD)
            if UNTOLD in outcomes:
                # From here on the two may write one position in two ways.
                marks, are_told = marks_before, False
            if are_told or name not in TELLING:
                assert outcomes[0] == outcomes[1], (name, arguments)
        assert text.newlines == model.newlines


def test_text_that_is_not_utf8(connectors, store):
    store.put("property/latin", "schlüssel".encode("latin-1"))
    with connectors[KiB].open(store.uri("property/latin"), False) as text:
        with pytest.raises(UnicodeDecodeError):
            text.read()
        text.buffer.seek(0)
        assert text.buffer.read() == "schlüssel".encode("latin-1")
