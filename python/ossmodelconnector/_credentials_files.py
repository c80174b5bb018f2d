"""Files with keys: our own JSON, aliyun-cli's config.json, and INI files as ossutil writes them.

No error shows what stands in a file but names of profiles, sections and modes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ossmodelconnector._errors import CredentialsError
from ossmodelconnector._keys import Keys, UnusableCredentialsError, adapt

__all__: list[str] = []

_FORMS = (
    "it must be a JSON object with AccessKeyId, AccessKeySecret and, optionally, SecurityToken and "
    "Expiration, or the file of aliyun-cli or ossutil"
)
# What INI files call a field, in lower case and without hyphens and underscores: ossutil 1 (with
# its old names) and 2, and the credentials.ini of Alibaba Cloud's SDKs.
_INI_NAMES = {
    "accessKeyID": ("accesskeyid", "accessid"),
    "accessKeySecret": ("accesskeysecret", "accesskey"),
    "stsToken": ("ststoken", "securitytoken"),
    "mode": ("mode", "type"),
}
_MODES_WITH_A_TOKEN = {"ststoken": True, "sts": True, "ak": False, "accesskey": False}
_FIRST_SECTION = re.compile(r"(?:\s|[#;].*(?:\n|$))*\[[ \t]*[A-Za-z][^\]\n]*\][ \t\r]*(?:\n|$)")


class OtherModeError(Exception):
    """A profile gets its keys in a way that takes more than reading the file: `args` say which."""


class CredentialsFileProvider:
    """The credentials file of `cred_path`, read anew at each call.

    Whoever renews the keys replaces the file before they expire.

    Args:
        path: the file; ``~`` is the home folder.
        profile: which of its profiles; ``""``: the one that the file calls current, or default.
    """

    def __init__(self, path: str | os.PathLike[str], profile: str = "") -> None:
        self.path = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - where there is no home
        self.profile = profile

    def __repr__(self) -> str:
        return f"CredentialsFileProvider({str(self.path)!r})"

    def get_credentials(self) -> Keys:
        """Reads the keys.

        Raises:
            CredentialsError: the file is missing or faulty, or its keys are not in it.
        """
        try:
            return self.read()
        except OtherModeError as error:
            raise CredentialsError(
                f"credentials file {str(self.path)!r} has {error}; it is read for modes AK and "
                "StsToken. For others: pip install 'ossmodelconnector[alibaba]', and "
                "cred_provider=alibabacloud_credentials.client.Client()"
            ) from None

    def read(self) -> Keys:
        """Does the same, but raises OtherModeError where that is so."""
        name = f"credentials file {str(self.path)!r}"
        try:
            return adapt(_credentials_in(self._text(), self.profile))
        except _FaultyFileError as error:
            raise CredentialsError(f"{name} {error}; {_FORMS}") from None
        except UnusableCredentialsError as error:
            raise CredentialsError(f"{name} {error}") from None

    def _text(self) -> str:
        try:
            # Editors of Windows put a byte-order mark before the text.
            return self.path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise _FaultyFileError(f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise _FaultyFileError("is not UTF-8 text") from None


class _FaultyFileError(Exception):
    """The text goes on from the file's name."""


class _Credentials:
    """As alibabacloud-oss-v2 has them. What a file lacks has been told before."""

    def __init__(self, fields: Mapping[str, str], expiration: float | None) -> None:
        self.access_key_id = fields["access_key_id"]
        self.access_key_secret = fields["access_key_secret"]
        self.security_token = fields["security_token"]
        self.expiration = expiration


def credentials_in_document(document: Mapping[str, Any]) -> object:
    """Credentials in the JSON form that a metadata service gives too: AccessKeyId and so on.

    Raises:
        ValueError: it has none. The text, which shows no value, goes on from the source's name.
    """
    try:
        return _own_form(document)
    except _FaultyFileError as error:
        raise ValueError(str(error)) from None


def _credentials_in(text: str, profile: str) -> object:
    if _FIRST_SECTION.match(text):
        return _ini_form(text, profile)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        # Where it broke, never what stood there.
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise _FaultyFileError(f"is not valid JSON{place}") from None
    if not isinstance(document, dict):
        raise _FaultyFileError("holds no JSON object at its top")
    if isinstance(document.get("profiles"), list):
        return _aliyun_cli_form(document, profile)
    return _own_form(document)


def _own_form(document: Mapping[str, Any]) -> object:
    names = {
        "access_key_id": "AccessKeyId",
        "access_key_secret": "AccessKeySecret",
        "security_token": "SecurityToken",
    }
    fields = _fields(document, names)
    expiration = _text(document, "Expiration")
    return _Credentials(fields, _moment(expiration) if expiration else None)


def _aliyun_cli_form(document: Mapping[str, Any], wanted: str) -> object:
    wanted = wanted or _text(document, "current") or "default"
    profiles = [one for one in document["profiles"] if isinstance(one, dict)]
    profile = next((one for one in profiles if one.get("name") == wanted), None)
    if profile is None:
        raise _FaultyFileError(f"has no profile {wanted[:40]!r}")
    names = {
        "access_key_id": "access_key_id",
        "access_key_secret": "access_key_secret",
        "security_token": "sts_token",
    }
    place = f" in profile {wanted[:40]!r}"
    takes_token = _takes_token(_text(profile, "mode"), place)
    fields = _fields(profile, names, takes_token, place)
    ends: Any = profile.get("sts_expiration") if fields["security_token"] else None
    # 0: not known.
    return _Credentials(fields, ends if isinstance(ends, int) and ends else None)


def _ini_form(text: str, profile: str) -> object:
    sections = _ini_sections(text)
    wanted = [profile, f"profile {profile}"] if profile else ["default", "profile default"]
    candidates = wanted if profile else [*wanted, "credentials"]
    found = [name for name in map(str.lower, candidates) if name in sections]
    if not found:
        some = f"{profile[:40]!r}" if profile else "[Credentials] and no [default]"
        raise _FaultyFileError(f"has no section {some}")
    # ossutil 2 keeps [default]; that of ossutil 1 may stand beside it.
    has_id = [name for name in found if any(map(sections[name].get, _INI_NAMES["accessKeyID"]))]
    section = (has_id or found)[0]
    written = sections[section]
    values = {
        name: written[spelling]
        for name, spellings in _INI_NAMES.items()
        for spelling in spellings
        if spelling in written
    }
    names = {
        "access_key_id": "accessKeyID",
        "access_key_secret": "accessKeySecret",
        "security_token": "stsToken",
    }
    place = f" in section {section[:40]!r}"
    takes_token = _takes_token(values.get("mode", ""), place)
    return _Credentials(_fields(values, names, takes_token, place), None)


def _ini_sections(text: str) -> dict[str, dict[str, str]]:
    """Values by section and name, the names in lower case and without hyphens and underscores."""
    sections: dict[str, dict[str, str]] = {}
    for name, value in _ini_lines(text):
        if value is None:
            values = sections.setdefault(" ".join(name.split()).lower(), {})
        else:
            values[re.sub("[-_]", "", name).lower()] = value
    return sections


def _ini_lines(text: str) -> Iterator[tuple[str, str | None]]:
    """Sections, whose value is None, and pairs; the first is a section."""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith(("#", ";")):
            continue
        name, is_pair, value = line.partition("=")
        if line.startswith("[") and line.endswith("]"):
            yield line[1:-1].strip(), None
        elif is_pair:
            yield name.strip(), value.strip()
        else:
            raise _FaultyFileError(f"has neither a section nor name=value in line {number}")


def _takes_token(mode: str, place: str) -> bool:
    if not mode:
        return True  # if there is one
    takes_token = _MODES_WITH_A_TOKEN.get(re.sub("[-_]", "", mode).lower())
    if takes_token is None:
        raise OtherModeError(f"mode {mode[:40]!r}{place}")
    return takes_token


def _fields(
    values: Mapping[str, Any], names: Mapping[str, str], takes_token: bool = True, place: str = ""
) -> dict[str, str]:
    found = {field: _text(values, name, place) for field, name in names.items()}
    if not takes_token:
        found["security_token"] = ""
    for field in ("access_key_id", "access_key_secret"):
        if not found[field]:
            lacks = "an empty" if names[field] in values else "no"
            raise _FaultyFileError(f"has {lacks} {names[field]}{place}")
    return found


def _text(values: Mapping[str, Any], name: str, place: str = "") -> str:
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _FaultyFileError(f"has a {name} that is not a string{place}")
    return value


def _moment(text: str) -> float:
    form = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z", text, re.ASCII)
    if form:
        try:
            moment = datetime.strptime(form[1], "%Y-%m-%dT%H:%M:%S")
        except ValueError:
            pass
        else:
            return moment.replace(tzinfo=timezone.utc).timestamp()
    raise _FaultyFileError(f"has Expiration {text[:40]!r}, which is not like 2024-08-02T15:04:05Z")
