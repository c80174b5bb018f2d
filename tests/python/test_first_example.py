"""The first example that a reader meets, in README.md and in the package's docstring."""

from __future__ import annotations

import doctest
import os
from pathlib import Path

import ossmodelconnector
import pytest
from ossmodelconnector import OssModelConnector
from ossmodelconnector.local import DEFAULT_CREDENTIAL, LocalServer
from support.markdown import code_blocks

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
FIRST_OF_README = next(block.text for block in code_blocks(README) if block.info == "python")
DOCSTRING = "".join(
    example.source for example in doctest.DocTestParser().get_examples(ossmodelconnector.__doc__)
)


@pytest.mark.parametrize("code", [FIRST_OF_README, DOCSTRING], ids=["README", "docstring"])
@pytest.mark.filterwarnings("ignore:.*region=")
def test_it_closes_what_it_opens_and_holds_each_shard_once(code, monkeypatch, tmp_path):
    model = tmp_path / "bucket" / "model"
    model.mkdir(parents=True)
    for number in range(4):
        (model / f"shard-{number}").write_bytes(os.urandom(300_000 + number))
    readers, connectors = [], []
    open_many = OssModelConnector.open_many

    def one_after_the_other(self, uris):
        connectors.append(self)
        readers.extend(open_many(self, uris))
        for number, reader in enumerate(readers):
            assert [earlier.closed for earlier in readers[:number]] == [True] * number
            yield reader

    monkeypatch.setattr(OssModelConnector, "open_many", one_after_the_other)
    with LocalServer(tmp_path) as server:
        monkeypatch.setenv("OSS_ENDPOINT", server.endpoint)
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", DEFAULT_CREDENTIAL.access_key_id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", DEFAULT_CREDENTIAL.access_key_secret)
        here = code.replace("https://oss-cn-hangzhou.aliyuncs.com", server.endpoint)
        names = {}
        exec(compile(here, "example", "exec"), names)
    assert names["shards"] == {f"model/{file.name}": file.read_bytes() for file in model.iterdir()}
    assert [reader.closed for reader in readers] == [True] * 4
    assert connectors[0].closed
