"""docs/configuration.md holds the table of keys that the core has.

The core's own table, `kRows` in csrc/connector/config_table.cc, and the defaults in config.h are
read as text: the module does not show them.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def source(name):
    return (ROOT / "csrc" / "connector" / name).read_text(encoding="utf-8")


TABLE_SOURCE = source("config_table.cc")
FIELDS_SOURCE = source("config.h")
NAMES = dict(re.findall(r'std::string_view (k\w+Key) = "([^"]*)"', source("config_table.h")))

TYPES = {
    "LogLevel": "integer",
    "int": "integer",
    "std::optional<int>": 'integer or "auto"',
    "std::uint64_t": "size",
    "std::optional<std::uint64_t>": "size",
    "std::optional<Size>": 'size or "auto"',
    "Duration": "seconds",
    "bool": "boolean",
    "std::string": "text",
    "std::optional<std::string>": "text",
    "std::optional<Addressing>": "text",
    "std::vector<NameValue>": "object",
}
WORDS = {
    "kDay": "86400",
    "kKiB": "1024",
    "kGiB* kGiB": str(1 << 60),
    "kGiB": str(1 << 30),
    "kTiB": str(1 << 40),
    "kLeastRate": str(1 << 16),
}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{},]|[^\s"{},][^"{},]*')


def text_of(token):
    return token[1:-1].replace('\\"', '"')


def core_rows():
    """The initializers of kRows, as lists of texts."""
    body = TABLE_SOURCE.partition("kRows[] = {")[2].partition("\n};")[0]
    rows, values, was_text = [], [], False
    for match in TOKEN.finditer(body):
        token = match[0].strip()
        if token == "{":
            values = []
        elif token == "}":
            rows.append(values)
        elif token.startswith('"') and was_text:
            values[-1] += text_of(token)  # neighbours are one text
        elif token.startswith('"'):
            values.append(text_of(token))
        elif token != ",":
            values.append(NAMES.get(token, WORDS.get(token, token)))
        was_text = token.startswith('"')
    return rows


def size_text(size):
    unit = "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024 or size % 1024:
            break
        size, unit = size // 1024, larger
    return f"{size} {unit}"


def default_text(kind, value):
    if kind == "LogLevel":
        return str(["kDebug", "kInfo", "kWarning", "kError"].index(value.partition("::")[2]))
    if kind == "Duration":
        return re.fullmatch(r"std::chrono::seconds\((\d+)\)", value)[1]
    if kind == "std::uint64_t":
        number, shift = re.fullmatch(r"(\d+)ULL << (\d+)", value).groups()
        return size_text(int(number) << int(shift))
    return value


def expected_rows():
    for name, field, least, most, default, limits, meaning, *_ in core_rows():
        member = field.replace("&Config::", "")
        kind, value = re.search(rf"\n  (\S+) {member}(?: = ([^;]+))?;", FIELDS_SOURCE).groups()
        if not limits and float(most):
            is_size = kind in ("std::uint64_t", "std::optional<Size>")
            texts = [size_text(int(n)) if is_size else n for n in (least, most)]
            limits = " to ".join(texts)
        yield (f"`{name}`", TYPES[kind], default or default_text(kind, value), limits, meaning)


def documented_rows():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    lines = page.partition("| Key |")[2].splitlines()[2:]
    for line in lines:
        if not line.startswith("|"):
            return
        yield tuple(cell.strip() for cell in line.strip("|").split("|"))


def test_the_table_is_the_cores():
    expected = list(expected_rows())
    assert len(expected) > 15
    assert list(documented_rows()) == expected
