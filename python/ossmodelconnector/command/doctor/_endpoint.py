"""Whether the endpoint and the settings make sense: before any request."""

from __future__ import annotations

from ossmodelconnector import _core
from ossmodelconnector._credentials import AnonymousCredentialsProvider
from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command.doctor._check import Finding, failed, ok
from ossmodelconnector.command.doctor._context import Context, Route

__all__ = ["check_endpoint"]

_EXAMPLE = "https://oss-cn-hangzhou.aliyuncs.com"


def check_endpoint(context: Context) -> Finding:
    """Makes a connector that sends nothing, and asks it where its requests would go."""
    options = context.options
    if not options.endpoint:
        return failed(
            "no endpoint is given",
            f"export OSS_ENDPOINT={_EXAMPLE}, or ossmc doctor --endpoint {_EXAMPLE}",
            Exit.WRONG_USE,
        )
    try:
        connector, notes = context.make_connector(AnonymousCredentialsProvider())
        around = _core.surroundings(connector._core)
        if options.bucket:
            connector.iter_objects(options.bucket)  # tells what is wrong with the name
    except (ValueError, TypeError, OSError) as error:
        what = "the settings in FILE" if options.config_file else "OSS_ENDPOINT or --endpoint"
        return failed(str(error), f"correct {what} as it says", Exit.WRONG_USE)
    context.route = _route_of(context, connector.endpoint, around)
    context.secrets.update(_secrets_in(around["proxy"]))
    route = context.route
    told = f"{route.endpoint}, {route.addressing} addressing"
    return ok("; ".join([told, *notes]), endpoint=connector.endpoint, addressing=route.addressing)


def _route_of(context: Context, endpoint: str, around: dict[str, str]) -> Route:
    scheme = endpoint.partition("://")[0]
    bucket, addressing = context.options.bucket, around["addressing"]
    host, path = around["host"], "/"
    if bucket and addressing == "virtual":
        host = f"{bucket}.{host}"
    elif bucket and addressing == "path":
        path = f"/{bucket}/"
    port = int(around["port"]) or (443 if scheme == "https" else 80)
    return Route(scheme, host, port, path, addressing, around)


def _secrets_in(proxy: str) -> set[str]:
    """Name and password, also together."""
    userinfo = proxy.rpartition("@")[0].rpartition("//")[2]
    return {userinfo, userinfo.partition(":")[2]} - {""}
