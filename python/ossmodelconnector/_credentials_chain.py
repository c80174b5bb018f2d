"""Where `from_env` finds keys: our own variables, else what Alibaba Cloud's tools look through.

The order is theirs: ALIBABA_CLOUD_* keys, RRSA, the profiles of aliyun-cli and of the SDKs, the ECS
RAM role, a credentials URI. Variables are read whenever keys are due, not at import.

What takes a call of STS goes through the package alibabacloud_credentials, an optional dependency:
its classes one by one. Its own chain reads the variables once, at import, starts a thread, asks the
metadata service for many seconds where there is none, and writes to stderr what went wrong.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ossmodelconnector import _log
from ossmodelconnector._credentials_files import CredentialsFileProvider, OtherModeError
from ossmodelconnector._errors import CredentialsError
from ossmodelconnector._keys import (
    Keys,
    NoMetadataError,
    UnusableCredentialsError,
    adapt,
    without_secret_values,
)

__all__: list[str] = []

OSS_VARIABLES = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN")
ALIBABA_VARIABLES = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)
_RRSA_VARIABLES = (
    "ALIBABA_CLOUD_ROLE_ARN",
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
)
_INSTALL = "pip install 'ossmodelconnector[alibaba]'"
# Both together are shorter than requests wait for a provider.
_STS_CONNECT_MILLISECONDS = 3000
_STS_READ_MILLISECONDS = 5000


class _Source(Protocol):
    def get_credentials(self) -> Keys:
        """Gives keys, or raises CredentialsError."""


class DefaultChain:
    """The provider of `from_env`. What gave keys once is asked again, and nothing else then.

    Variables with keys are looked at first each time, so they may be set later.

    Attributes:
        found: the keys that came from elsewhere than variables, to begin with; None before.
        place: where the last keys came from, for people; ``""`` before.
    """

    def __init__(self) -> None:
        self._source: _Source | None = None
        self.found: Keys | None = None
        self.place = ""

    def get_credentials(self) -> Keys:
        """Gives the keys to use now.

        Raises:
            CredentialsError: there are none; the text says what was looked for. Or what is set, and
                so decides, gave none.
        """
        for variables in (OSS_VARIABLES, ALIBABA_VARIABLES):
            keys = _keys_in_variables(*variables)
            if keys is not None:
                self.place = f"{variables[0]} and {variables[1]}"
                return keys
        if self._source is None:
            self._source, self.found, self.place = _search()
            return self.found
        return self._source.get_credentials()


def _search() -> tuple[_Source, Keys, str]:
    looked_for = [" and ".join(OSS_VARIABLES[:2]), " and ".join(ALIBABA_VARIABLES[:2])]
    faults = []
    places: tuple[tuple[str, Callable[[], _Source | None]], ...] = (
        (f"RRSA ({', '.join(name for name in _RRSA_VARIABLES if not _variable(name))})", _rrsa),
        (repr(str(_cli_path())), _cli_profile),
        (repr(str(_sdk_path())), _sdk_profile),
        ("the ECS RAM role (disabled)", _ecs_role),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", _uri),
    )
    for name, find in places:
        source = find()
        if source is None:
            looked_for.append(name)
            continue
        try:
            return source, source.get_credentials(), name.partition(" (")[0]
        except NoMetadataError as error:
            looked_for.append(str(error))
        except CredentialsError as error:
            # Variables mean what they say: another identity in their place would be a surprise.
            if not isinstance(source, _Profile):
                raise
            faults.append(str(error))
            _log.logger.warning("from_env goes on without a profile: %s", error)
    lacks_library = importlib.util.find_spec("alibabacloud_credentials") is None
    raise CredentialsError(
        "; ".join(["no credentials", *faults, f"looked for {', '.join(looked_for)}. "])
        + "Set one of them, or pass cred_provider or cred_path"
        + (f"; RRSA needs {_INSTALL}" if lacks_library else "")
    )


def _keys_in_variables(id_name: str, secret_name: str, token_name: str) -> Keys | None:
    access_key_id, secret, token = map(_variable, (id_name, secret_name, token_name))
    if not access_key_id and not secret:
        return None
    for name, value in ((id_name, access_key_id), (secret_name, secret)):
        if not value:
            raise CredentialsError(
                f"no credentials in the environment: set {name} too, "
                "or pass cred_provider or cred_path"
            )
    try:
        return adapt(Keys(access_key_id, secret, token, None))
    except UnusableCredentialsError as error:
        raise CredentialsError(f"{id_name} and its like {error}") from None


def _variable(name: str) -> str:
    return os.environ.get(name, "")


def _is_set(name: str) -> bool:
    return _variable(name).lower() == "true"


def _rrsa() -> _Source | None:
    role, provider, token_file = map(_variable, _RRSA_VARIABLES)
    if not (role and provider and token_file):
        return None
    name = f"RRSA ({', '.join(_RRSA_VARIABLES)} are set)"
    if not Path(token_file).is_file():
        raise CredentialsError(f"{name}: there is no file {token_file!r}")

    def make(library: Any) -> Any:
        region = _variable("ALIBABA_CLOUD_STS_REGION")
        return library.OIDCRoleArnCredentialsProvider(
            role_arn=role,
            oidc_provider_arn=provider,
            oidc_token_file_path=token_file,
            role_session_name=_variable("ALIBABA_CLOUD_ROLE_SESSION_NAME") or "ossmodelconnector",
            sts_region_id=region or None,
            # The cluster sets it, the package does not read it.
            sts_endpoint=_variable("ALIBABA_CLOUD_STS_ENDPOINT") or None,
            enable_vpc=_is_set("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"),
            http_options=importlib.import_module("alibabacloud_credentials.http").HttpOptions(
                connect_timeout=_STS_CONNECT_MILLISECONDS, read_timeout=_STS_READ_MILLISECONDS
            ),
        )

    return _OfTheLibrary(name, make)


def _cli_profile() -> _Source | None:
    path = _cli_path()
    if _is_set("ALIBABA_CLOUD_CLI_PROFILE_DISABLED") or not path.is_file():
        return None
    return _Profile(path, "CLIProfileCredentialsProvider")


def _sdk_profile() -> _Source | None:
    path = _sdk_path()
    return _Profile(path, "ProfileCredentialsProvider") if path.is_file() else None


# The metadata module is imported when it is asked: with http.client and ssl it would be a third of
# the time that `import ossmodelconnector` takes.
def _ecs_role() -> _Source | None:
    if _is_set("ALIBABA_CLOUD_ECS_METADATA_DISABLED"):
        return None
    from ossmodelconnector._credentials_metadata import EcsRole

    return EcsRole(
        _variable("ALIBABA_CLOUD_ECS_METADATA"),
        needs_token=_is_set("ALIBABA_CLOUD_IMDSV1_DISABLED"),
    )


def _uri() -> _Source | None:
    uri = _variable("ALIBABA_CLOUD_CREDENTIALS_URI")
    if not uri:
        return None
    from ossmodelconnector._credentials_metadata import CredentialsUri

    return CredentialsUri(uri)


def _cli_path() -> Path:
    return _home() / ".aliyun" / "config.json"


def _sdk_path() -> Path:
    named = _variable("ALIBABA_CLOUD_CREDENTIALS_FILE")
    return Path(named) if named else _home() / ".alibabacloud" / "credentials.ini"


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none


class _Profile:
    """A profile in a file of Alibaba Cloud's tools: of any mode, where the package is there."""

    def __init__(self, path: Path, class_name: str) -> None:
        self._file = CredentialsFileProvider(path, _variable("ALIBABA_CLOUD_PROFILE"))
        self._class_name = class_name
        self._other: _OfTheLibrary | None = None

    def get_credentials(self) -> Keys:
        if self._other is not None:
            return self._other.get_credentials()
        try:
            return self._file.read()
        except OtherModeError as error:
            other = _OfTheLibrary(
                f"credentials file {str(self._file.path)!r}, {error},", self._make
            )
            keys = other.get_credentials()
            self._other = other
            return keys

    def _make(self, library: Any) -> Any:
        make = getattr(library, self._class_name)
        return make(profile_file=str(self._file.path), profile_name=self._file.profile or None)


class _OfTheLibrary:
    """A provider of the package alibabacloud_credentials; silent.

    Args:
        name: what it is, for errors.
        make: makes the provider, of the package's module of providers.
    """

    def __init__(self, name: str, make: Callable[[Any], Any]) -> None:
        self._name = name
        self._make = make
        self._provider: Any = None

    def get_credentials(self) -> Keys:
        with _without_log_records("credentials"):
            try:
                if self._provider is None:
                    self._provider = self._make(_library())
                return adapt(self._provider.get_credentials())
            except ImportError as error:
                raise CredentialsError(f"{self._name} needs {_INSTALL} ({error})") from None
            except UnusableCredentialsError as error:
                raise CredentialsError(f"{self._name} {error}") from None
            except Exception as error:
                fault = without_secret_values(f"{type(error).__name__}: {error}")
                raise CredentialsError(f"{self._name} failed: {fault}") from None


def _library() -> Any:
    return importlib.import_module("alibabacloud_credentials.provider")


@contextmanager
def _without_log_records(logger_name: str) -> Iterator[None]:
    """Drops what this thread logs there: what is to be known of it is in the error."""
    thread = threading.get_ident()

    def is_of_another_thread(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger = logging.getLogger(logger_name)
    logger.addFilter(is_of_another_thread)
    try:
        yield
    finally:
        logger.removeFilter(is_of_another_thread)
