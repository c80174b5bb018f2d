#!/usr/bin/env python3
"""Checks that the floors of csrc/ stay floors: includes point down, never up or sideways.

Run by CTest, with the standard library alone. It first tests itself on small trees that break each
rule once, since a check that cannot fail is worthless; then it checks this repository.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import unittest
from pathlib import Path

# Lowest first. Floors on one line are siblings: neither may include the other.
FLOORS = [
    ("base",),
    ("memory",),
    ("protocol",),
    ("auth",),
    ("transfer",),
    ("fetch",),
    ("prefetch", "listing"),
    ("connector",),
    ("bench", "bindings"),
]
LEVEL = {floor: level for level, floors in enumerate(FLOORS) for floor in floors}

# Third-party headers, and the only floor that may name them: no other floor depends on what the
# library is. Tests may (they read JSON, say), save for Python.
THIRD_PARTY = {
    "Python.h": "bindings",
    "pybind11/": "bindings",
    "curl/": "transfer",
    "openssl/": "auth",
    "pugixml": "protocol",
    "isa-l": "base",
    "nlohmann/": "connector",
    "CLI/": "bench",
}

# A folder with such a name says nothing about what belongs in it, so everything ends up there.
DRAWERS = {"common", "helper", "helpers", "misc", "util", "utils"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)
# Commented-out code may hold anything.
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def check(root: Path) -> list[str]:
    """Returns one line for each broken rule, sorted; empty when all hold."""
    return sorted(check_sources(root) + check_cmake(root) + check_folder_names(root))


def check_sources(root: Path) -> list[str]:
    problems = []
    for top in (root / "csrc", root / "tests" / "csrc"):
        for folder in sorted(top.iterdir()) if top.is_dir() else []:
            if folder.is_dir() and folder.name not in LEVEL:
                problems.append(
                    f"{folder.relative_to(root)}: no such floor; add it to {Path(__file__).name}"
                )
        for path in sorted(top.rglob("*")):
            if path.suffix in {".h", ".cc"}:
                is_test = top.parent.name == "tests"
                problems += check_file(
                    path, path.relative_to(top), str(path.relative_to(root)), is_test
                )
    return problems


def check_file(path: Path, inside: Path, shown: str, is_test: bool) -> list[str]:
    floor = inside.parts[0]
    if len(inside.parts) != 2:
        return [f"{shown}: a source lies directly in the folder of its floor, csrc/<floor>/"]
    if floor not in LEVEL:
        return []
    text = path.read_text(encoding="utf-8")
    text = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    problems = []
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        problem = check_include(floor, match[1] == '"', match[2], is_test)
        if problem:
            problems.append(f"{shown}:{line}: {problem}")
    return problems


def check_include(floor: str, quoted: bool, header: str, is_test: bool) -> str | None:
    if header.endswith(".cc"):  # clang-tidy's check of it is off: the build makes such files itself
        return f"include the header, not the source: {header}"
    for prefix, owner in THIRD_PARTY.items():
        if header.startswith(prefix) and owner != floor and not (is_test and owner != "bindings"):
            return f"{header} may be included in {owner}/ alone, not in {floor}/"
    if is_test and quoted and header.startswith("csrc/"):
        # A header beside the tests of a floor: the include root of the tests is tests/.
        header = header[len("csrc/") :]
    target = header.split("/")[0]
    if target in LEVEL and "/" in header and (quoted or target == floor or header.endswith(".h")):
        if target == floor or LEVEL[target] < LEVEL[floor]:
            return None
        way = "sideways" if LEVEL[target] == LEVEL[floor] else "upward"
        return f"{way} include: {floor}/ may not include {header}"
    if not quoted or (is_test and target == "support"):
        return None
    return f'write an include of ours as "floor/name.h": {header}'


def check_cmake(root: Path) -> list[str]:
    """The floors a CMakeLists.txt links must lie below its own, as its includes do."""
    problems = []
    for path in sorted((root / "csrc").glob("*/CMakeLists.txt")):
        shown = str(path.relative_to(root))
        text = re.sub(r"#[^\n]*", "", path.read_text(encoding="utf-8"))
        floor = path.parent.name
        for name, arguments in re.findall(r"ossmc_floor\(\s*(\w+)([^)]*)\)", text):
            if name != floor:
                problems.append(f"{shown}: declares the floor {name} in the folder of {floor}")
            words = arguments.split()
            below = words[words.index("ON") + 1 :] if "ON" in words else []
            below = below[: below.index("USES")] if "USES" in below else below
            for other in below:
                if LEVEL.get(other, len(FLOORS)) >= LEVEL.get(floor, 0):
                    problems.append(f"{shown}: {floor} may not link {other}, which is not below it")
    return problems


def check_folder_names(root: Path) -> list[str]:
    problems = []
    for top in ("csrc", "python", "tests", "docs", "third_party"):
        for parent, folders, _ in os.walk(root / top):
            folders[:] = [folder for folder in folders if folder != "__pycache__"]
            for folder in folders:
                if folder.lower() in DRAWERS:
                    shown = (Path(parent) / folder).relative_to(root)
                    problems.append(f"{shown}: name a folder by what is in it, not {folder}")
    return problems


class CheckTest(unittest.TestCase):
    def problems(self, files: dict[str, str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            return check(root)

    def assert_refused(self, files: dict[str, str], *words: str) -> None:
        problems = self.problems(files)
        self.assertEqual(len(problems), 1, problems)
        for word in words:
            self.assertIn(word, problems[0])

    def test_good_tree_passes(self) -> None:
        files = {
            "csrc/base/status.h": "#include <memory>\n",
            "csrc/connector/json.cc": '#include <nlohmann/json.hpp>\n#include "base/status.h"\n',
            "csrc/memory/chunk.h": '#include "base/status.h"\n// see #include "connector/x.h"\n',
            "csrc/listing/pages.cc": '#include "fetch/a.h"\n/*\n#include "prefetch/order.h"\n*/\n',
            "csrc/bindings/a.cc": '#include <pybind11/stl.h>\n#include "connector/connector.h"\n',
            "csrc/memory/CMakeLists.txt": "ossmc_floor(memory ON base)\n",
            "tests/csrc/memory/a_test.cc": '#include "memory/a.h"\n#include "support/csrc/b.h"\n',
            "tests/csrc/auth/signer_test.cc": "#include <nlohmann/json.hpp>\n",
        }
        self.assertEqual(self.problems(files), [])

    def test_source_that_is_included(self) -> None:
        self.assert_refused({"csrc/memory/a.cc": '#include "base/b.cc"\n'}, "a.cc:1", "not", "b.cc")

    def test_upward_include(self) -> None:
        self.assert_refused(
            {"csrc/base/a.h": '\n#include "memory/chunk.h"\n'}, "csrc/base/a.h:2", "upward"
        )

    def test_upward_include_with_odd_spacing_and_angle_brackets(self) -> None:
        self.assert_refused({"csrc/base/a.cc": "  #  include\t<fetch/chunk.h>\n"}, "upward")

    def test_sideways_include(self) -> None:
        self.assert_refused({"csrc/listing/a.cc": '#include "prefetch/order.h"\n'}, "sideways")
        self.assert_refused({"csrc/prefetch/a.cc": '#include "listing/pages.h"\n'}, "sideways")

    def test_include_of_the_bindings(self) -> None:
        self.assert_refused({"csrc/connector/a.cc": '#include "bindings/errors.h"\n'}, "upward")
        self.assert_refused({"csrc/bench/a.cc": '#include "bindings/errors.h"\n'}, "sideways")

    def test_python_outside_the_bindings(self) -> None:
        for header in ("<Python.h>", '"Python.h"', "<pybind11/pybind11.h>"):
            self.assert_refused({"csrc/fetch/a.cc": f"#include {header}\n"}, "bindings/ alone")

    def test_python_in_a_test(self) -> None:
        self.assert_refused(
            {"tests/csrc/fetch/a_test.cc": "#include <Python.h>\n"}, "bindings/ alone"
        )

    def test_curl_outside_transfer(self) -> None:
        self.assert_refused({"csrc/fetch/a.cc": "#include <curl/curl.h>\n"}, "transfer/ alone")

    def test_include_without_its_floor(self) -> None:
        self.assert_refused({"csrc/base/a.cc": '#include "status.h"\n'}, "floor/name.h")
        self.assert_refused({"csrc/base/a.cc": '#include "../fetch/small.h"\n'}, "floor/name.h")

    def test_test_of_a_low_floor_includes_a_high_one(self) -> None:
        self.assert_refused({"tests/csrc/base/a_test.cc": '#include "fetch/small.h"\n'}, "upward")

    def test_test_includes_the_fixture_of_a_high_one(self) -> None:
        good = {"tests/csrc/fetch/a_test.cc": '#include "csrc/transfer/fixture.h"\n'}
        self.assertEqual(self.problems(good), [])
        bad = {"tests/csrc/base/a_test.cc": '#include "csrc/transfer/fixture.h"\n'}
        self.assert_refused(bad, "upward")
        self.assert_refused({"csrc/fetch/a.cc": '#include "csrc/base/a.h"\n'}, "floor/name.h")

    def test_library_includes_test_support(self) -> None:
        self.assert_refused({"csrc/base/a.cc": '#include "support/csrc/clock.h"\n'}, "floor/name.h")

    def test_unknown_floor(self) -> None:
        self.assert_refused({"csrc/upload/a.h": "\n"}, "csrc/upload", "no such floor")

    def test_folder_inside_a_floor(self) -> None:
        self.assert_refused({"csrc/base/internal/a.h": "\n"}, "directly in the folder")

    def test_cmake_links_upward_or_sideways(self) -> None:
        self.assert_refused(
            {"csrc/base/CMakeLists.txt": "ossmc_floor(base ON fetch)\n"}, "may not link fetch"
        )
        cmake = "ossmc_floor(\n  listing\n  ON fetch prefetch\n  USES x::x)\n"
        self.assert_refused({"csrc/listing/CMakeLists.txt": cmake}, "may not link prefetch")

    def test_drawers(self) -> None:
        self.assert_refused({"python/ossmodelconnector/utils/a.py": "\n"}, "utils")
        self.assert_refused({"tests/support/common/a.py": "\n"}, "common")


def main() -> int:
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(CheckTest)
    if not unittest.TextTestRunner(verbosity=0).run(tests).wasSuccessful():
        print("include_direction_test.py: the check itself is broken")
        return 1
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    if not (root / "csrc").is_dir():
        print(f"{root}: no csrc/ there")
        return 1
    problems = check(root)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} broken rules" if problems else "includes point down, everywhere")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
