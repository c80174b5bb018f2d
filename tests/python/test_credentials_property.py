"""The credentials file, whatever stands in it: usable keys, or an error that shows none."""

from __future__ import annotations

import json
import time
from datetime import datetime

from hypothesis import example, given
from hypothesis import strategies as st
from ossmodelconnector import CredentialsError
from ossmodelconnector._credentials import read_now
from ossmodelconnector._credentials_files import CredentialsFileProvider

SECRET = "LTAIhush0123456789"

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
good_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
digits = st.text("0123456789", min_size=1, max_size=4)
moments = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")) | st.builds(
    "{}-{}-{}T{}:{}:{}.{}Z".format, *[digits] * 7
)
# Files that are nearly right: a key may be missing, empty, of another type, or too much.
fields = st.fixed_dictionaries(
    {},
    optional={
        "AccessKeyId": good_text | anything,
        "AccessKeySecret": good_text | anything,
        "SecurityToken": good_text | anything,
        "Expiration": moments | anything,
        "Code": anything,
    },
)
profiles = st.fixed_dictionaries(
    {"name": st.just("p")},
    optional={
        "mode": st.sampled_from(["AK", "StsToken", "OAuth", ""]) | anything,
        "access_key_id": good_text | anything,
        "access_key_secret": good_text | anything,
        "sts_token": good_text | anything,
        "sts_expiration": anything,
    },
)
of_aliyun_cli = st.fixed_dictionaries(
    {"current": st.just("p") | anything, "profiles": st.lists(profiles | anything, max_size=2)}
)
of_ossutil = st.lists(
    st.sampled_from(["[Credentials]", "[default]", "[profile default]", "#", "x"])
    | st.builds("{}={}".format, st.sampled_from(["accessKeyID", "mode"]) | st.text(), st.text())
    | st.builds("access-key-id = {}\naccess-key-secret = {}".format, good_text, good_text),
    max_size=6,
).map("\r\n".join)
documents = (
    (fields | of_aliyun_cli).map(json.dumps) | of_ossutil.map("[Credentials]\n{}".format)
).map(str.encode)


def read(path, content: bytes):
    """The keys; None where the file is refused, in one line that names it."""
    path.write_bytes(content)
    try:
        return read_now(CredentialsFileProvider(path))
    except CredentialsError as error:
        text = str(error)
        assert str(path) in text
        assert text.isprintable()
        assert len(text) < len(str(path)) + 400
        assert SECRET not in text
        return None


@given(documents | st.binary() | anything.map(json.dumps).map(str.encode))
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example(b"[a]")
@example(b"#\n" * 100_000)
@example(
    b'{"profiles": [{"name": "default", "access_key_id": "a", "access_key_secret": "b", '
    b'"sts_token": "c", "sts_expiration": 1' + b"0" * 400 + b"}]}"
)
@example(b"[" * 100_000)
@example(b"1" * 5_000)
@example(b'{"AccessKeyId": "\\ud800", "AccessKeySecret": "a"}')
@example(b'{"AccessKeyId": "a", "AccessKeySecret": "b", "Expiration": "0000-00-00T00:00:00Z"}')
@example(b'{"AccessKeyId": "a", "AccessKeySecret": "b", "Expiration": "9999-12-31T23:59:59Z"}')
@example(
    b'{"AccessKeyId": "a", "AccessKeySecret": "b", "Expiration": "\\u0662024-08-02T15:04:05Z"}'
)
def test_any_credentials_file_gives_usable_keys_or_an_error(tmp_path, content):
    keys = read(tmp_path / "keys.json", content)
    if keys is None:
        return
    assert keys.access_key_id
    assert keys.access_key_secret
    for text in keys[:3]:
        assert all("!" <= char <= "~" for char in text)
    assert keys.expiration is None or isinstance(keys.expiration, float)


@given(st.data(), st.integers(0, 200), st.sampled_from(["", "\n", "\x00", '"', "}", "\ud7ff"]))
def test_no_error_shows_what_a_broken_file_holds(tmp_path, data, at, inserted):
    whole = json.dumps({"AccessKeyId": "id", "AccessKeySecret": SECRET, "SecurityToken": SECRET})
    cut = data.draw(st.integers(0, len(whole)))
    broken = whole[:at] + inserted + whole[at:cut]
    read(tmp_path / "keys.json", broken.encode())


@given(st.datetimes(min_value=datetime(2100, 1, 1)))
def test_every_moment_to_come_is_understood(tmp_path, moment):
    written = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    content = {"AccessKeyId": "id", "AccessKeySecret": "a", "Expiration": written}
    keys = read(tmp_path / "keys.json", json.dumps(content).encode())
    assert keys is not None
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(keys.expiration)) == written
