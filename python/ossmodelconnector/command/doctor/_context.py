"""What the checks of one run look at, and hand on to each other."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ossmodelconnector._connector import OssModelConnector

if TYPE_CHECKING:
    from types import TracebackType

    from ossmodelconnector._errors import OssError
    from ossmodelconnector._keys import Keys
    from ossmodelconnector._objects import ObjectInfo
    from ossmodelconnector.command.doctor._wire import HttpReply

__all__ = ["Context", "Options", "Route"]


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
        endpoint: ``""``: none is known.
        region: ``""``: what the host says.
        credentials: a file with keys; ``""``: what `from_env` finds.
        config_file: ``""``: none.
        bucket: ``""``: none.
        key: what stands behind the bucket.
        seconds: the limit of each wait.
    """

    endpoint: str
    region: str = ""
    credentials: str = ""
    config_file: str = ""
    bucket: str = ""
    key: str = ""
    seconds: float = 5.0

    @property
    def uri(self) -> str:
        """The URI that was given, or what one looks like."""
        return f"oss://{self.bucket}/{self.key}" if self.bucket else "oss://BUCKET/PREFIX"


@dataclass(frozen=True)
class Route:
    """How the library gets to the store.

    Attributes:
        scheme: ``"http"`` or ``"https"``.
        host: whom requests name: with virtual addressing the bucket stands before the endpoint.
        port: of the store.
        path: of the first request, such as ``"/bucket/"``.
        addressing: ``"path"``, ``"virtual"`` or ``"cname"``.
        around: what `_core.surroundings` says; its proxy may hold a password.
    """

    scheme: str
    host: str
    port: int
    path: str
    addressing: str
    around: Mapping[str, str] = field(repr=False)

    @property
    def authority(self) -> str:
        """Host and port, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Scheme, host and port, as far as they must be said."""
        usual = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{self.authority.removesuffix(f':{usual}')}"


@dataclass
class Context:
    """Made for one run, in one thread; closed at its end, with all that checks opened.

    Attributes:
        options: what the user asked for.
        route: of check endpoint.
        proxy: (host, port, value of Proxy-Authorization) of the proxy that is used; None: direct.
        other_proxy: one that speaks another protocol than HTTP, for people; ``""``: none.
        reply: of check service, what the store says to a request without a signature.
        keys: of check credentials.
        connector: of check region, which has these keys.
        refusal: what the store said to the first signed request; None: it gave a page of keys.
        page: the keys in that page.
        objects: of check permission: what can be read under the URI.
        single_speed: of check one-connection, in bytes a second.
        secrets: what no report may hold.
    """

    options: Options
    route: Route | None = None
    proxy: tuple[str, int, str] | None = None
    other_proxy: str = ""
    reply: HttpReply | None = None
    keys: Keys | None = None
    connector: OssModelConnector | None = None
    refusal: OssError | None = None
    page: list[ObjectInfo] = field(default_factory=list)
    objects: list[ObjectInfo] = field(default_factory=list)
    single_speed: float = 0.0
    secrets: set[str] = field(default_factory=set, repr=False)
    _closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    @property
    def known_route(self) -> Route:
        """The route. REQUIRES: check endpoint did not fail."""
        assert self.route is not None
        return self.route

    def make_connector(
        self, provider: Any, *, region: str = "", config: Mapping[str, Any] | None = None
    ) -> tuple[OssModelConnector, list[str]]:
        """Makes one that gives up in time, and that is closed with this.

        Args:
            provider: of credentials.
            region: as for the constructor.
            config: settings that win over those of the user's file.

        Returns:
            The connector, and what it warned of.

        Raises:
            ValueError: endpoint, region or a setting does not hold.
            OSError: the file cannot be read.
        """
        limits = {
            "timeout.connectSeconds": self.options.seconds,
            "timeout.stallSeconds": self.options.seconds,
            "timeout.readSeconds": 2 * self.options.seconds,
            "retry.maxAttempts": 2,
        }
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            connector = OssModelConnector(
                self.options.endpoint,
                cred_provider=provider,
                region=region or None,
                config_path=self.options.config_file,
                config={**limits, **(config or {})},
            )
        self._closing.callback(connector.close)
        return connector, [str(one.message) for one in caught]
