"""The examples in docstrings run, and show what they say.

They have numpy, pyarrow, io and what is public by its name; and what a docstring takes for granted:
a `connector`, an open `reader`, the `objects` of a listing, a local `server`, a file system `fs`,
and in the module safetensors a `model` and torch. tests/integrations runs those of ray and
transformers. Those of private functions have the names of their module besides.
support/examples.py has the objects that they read, and `tmp_path` is where they run.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import ossmodelconnector.torch
import pyarrow
import pytest
from ossmodelconnector import OssModelConnector, _core, fsspec, local, safetensors
from support import examples

PACKAGE = Path(ossmodelconnector.__file__).parent
BINDINGS = Path(__file__).parents[2] / "csrc" / "bindings"
PUBLIC = {
    name: getattr(module, name)
    for module in (ossmodelconnector, fsspec, local, safetensors)
    for name in module.__all__
}


OF_TORCH = ossmodelconnector.torch.__all__


class Docstring(NamedTuple):
    """A docstring that has examples."""

    test: doctest.DocTest
    module: str  # "": it is public


def found_in(text, name, file, line=0):
    """The docstring's examples, or None if it has none."""
    test = doctest.DocTestParser().get_doctest(text or "", {}, name, str(file), line)
    return test if test.examples else None


def owners(node, names):
    """All below `node` that may have a docstring, with their names from the outermost on."""
    yield node, names
    for child in node.body:
        if isinstance(child, (ast.ClassDef, ast.FunctionDef)):
            yield from owners(child, [*names, child.name])


def modules():
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in ("ray", "transformers", "vllm")
    ]


def python_docstrings():
    # Out of the sources, since a public class does not tell the module that it stands in.
    for path in modules():
        module = ".".join(["ossmodelconnector", *path.relative_to(PACKAGE).with_suffix("").parts])
        for node, names in owners(ast.parse(path.read_text(encoding="utf-8")), []):
            name = ".".join([module, *names])
            if test := found_in(ast.get_docstring(node), name, path, node.body[0].lineno - 1):
                yield Docstring(test, "" if not names or names[0] in PUBLIC else module)


def compiled_docstrings():
    for owner in (_core, *filter(lambda value: isinstance(value, type), vars(_core).values())):
        for name, member in vars(owner).items():
            if test := found_in(member.__doc__, f"{owner.__name__}.{name}", BINDINGS):
                yield Docstring(test, "")


DOCSTRINGS = [*python_docstrings(), *compiled_docstrings()]


@pytest.fixture(scope="module")
def environment():
    with examples.service() as environ:
        yield environ


@pytest.fixture
def names(environment, monkeypatch, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "buckets" / "models").mkdir(parents=True)
    (tmp_path / "buckets" / "models" / "weights.bin").write_bytes(b"weights")
    config = {"prefetch.memoryBytes": "1 GiB"}
    with OssModelConnector.from_env(config=config) as connector, local.LocalServer() as server:
        yield {
            **PUBLIC,
            "io": io,
            "numpy": np,
            "pyarrow": pyarrow,
            "connector": connector,
            "reader": connector.open("oss://bucket/model.safetensors"),
            "objects": connector.list("bucket", "qwen/"),
            "server": server,
            "fs": fsspec.OssModelFileSystem(),
        }


@pytest.mark.parametrize("docstring", DOCSTRINGS, ids=lambda docstring: docstring.test.name)
def test_examples(docstring, names):
    torch = pytest.importorskip("torch") if needs_torch(docstring) else None
    if docstring.module:
        names = {**vars(importlib.import_module(docstring.module)), **names}
    if docstring.module.startswith(f"{ossmodelconnector.torch.__name__}."):
        of_torch = {name: getattr(ossmodelconnector.torch, name) for name in OF_TORCH}
        run(docstring, {**names, **of_torch})
    elif torch is not None:
        with safetensors.open_model("oss://bucket/tiny/", connector=names["connector"]) as model:
            run(docstring, {**names, "torch": torch, "model": model})
    else:
        run(docstring, names)


def needs_torch(docstring):
    path = Path(docstring.test.filename)
    return any(path.is_relative_to(PACKAGE / folder) for folder in ("safetensors", "torch"))


def run(docstring, names):
    docstring.test.globs = names
    output = []
    failed, attempted = doctest.DocTestRunner().run(docstring.test, out=output.append)
    assert (failed, attempted) == (0, len(docstring.test.examples)), "".join(output)


def test_no_example_is_left_out():
    run = {}
    for docstring in DOCSTRINGS:
        count = len(docstring.test.examples)
        run[docstring.test.filename] = run.get(docstring.test.filename, 0) + count
    there = {str(path): path.read_text().count(">>> ") for path in modules()}
    there[str(BINDINGS)] = sum(
        len(re.findall(r'^\s*" *>>> ', path.read_text(), re.MULTILINE))
        for path in BINDINGS.glob("*.cc")
    )
    assert run == {path: count for path, count in there.items() if count > 0}
