"""The proxy that requests go through, if there is one: it may be what stands in the way."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket

from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command.doctor._check import Finding, failed, ok, skipped
from ossmodelconnector.command.doctor._context import Context, Route
from ossmodelconnector.command.doctor._wire import (
    HttpReply,
    NotHttpError,
    ProxyRefusedError,
    connect,
    exchange,
    open_tunnel,
    proxy_of,
)

__all__ = ["check_proxy", "is_left_out"]

_NAMES = {
    "http": ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
    "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
}


def check_proxy(context: Context) -> Finding:
    """Finds the proxy that the library would take, and asks it for the store."""
    route = context.known_route
    url = route.around["proxy"]
    if not url:
        return skipped("there is none: connections are direct")
    source = _source_of(route)
    if is_left_out(route.host, route.around["no_proxy"]):
        return ok(
            f"{source} names one, and NO_PROXY leaves {route.host} out: connections are direct"
        )
    try:
        host, port, secret, scheme = proxy_of(url)
    except ValueError:
        return failed(f"{source} is no URL of a proxy", f"{_set(source)}http://PROXY:PORT")
    shown = f"{scheme}://{host}:{port} of {source}"
    if scheme != "http":
        context.other_proxy = shown
        return skipped(f"{shown} speaks another protocol than HTTP, and is not looked into")
    context.proxy = (host, port, secret)
    try:
        reply = _ask(context.proxy, route, context.options.seconds)
    except ProxyRefusedError as error:
        return _refused(context, shown, source, error.reply)
    except NotHttpError as error:
        told, code = f"what answers at {shown} is no proxy: {error}", Exit.NETWORK
        return failed(told, _way_round(context, source), code)
    except OSError as error:
        said = "the name is not found" if isinstance(error, socket.gaierror) else _text_of(error)
        told, code = f"the proxy {shown} cannot be reached: {said}", Exit.NETWORK
        return failed(told, _way_round(context, source), code)
    if reply is not None and not reply.is_of_store:
        return _refused(context, shown, source, reply)
    return ok(f"{shown} lets {route.authority} through", proxy=f"{host}:{port}", source=source)


def is_left_out(host: str, no_proxy: str) -> bool:
    """Whether libcurl reaches a host directly, by the words of NO_PROXY."""
    name = host.lower().rstrip(".")
    for word in filter(None, re.split(r"[\s,]+", no_proxy.lower())):
        bare = word.lstrip(".").rstrip(".")
        if word == "*" or name == bare or name.endswith(f".{bare}"):
            return True
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(name) in ipaddress.ip_network(word, strict=False):
                return True
    return False


def _source_of(route: Route) -> str:
    if route.around["proxy_is_configured"]:
        return '"proxy" of the configuration'
    return next((name for name in _NAMES[route.scheme] if os.environ.get(name)), "the environment")


def _set(source: str) -> str:
    return f"export {source}=" if source.isidentifier() else 'set "proxy" to '


def _ask(proxy: tuple[str, int, str], route: Route, seconds: float) -> HttpReply | None:
    """The reply of the store through the proxy; None: it opens a tunnel."""
    if route.scheme == "https":
        sock, _ = open_tunnel(proxy, route.authority, seconds)
        sock.close()
        return None
    headers = {"Proxy-Authorization": proxy[2]} if proxy[2] else {}
    with connect(proxy[0], proxy[1], seconds) as sock:
        target = f"http://{route.authority}{route.path}"
        return exchange(sock, "GET", target, route.authority, headers, seconds)


def _refused(context: Context, shown: str, source: str, reply: HttpReply) -> Finding:
    route = context.known_route
    told = f"the proxy {shown} answers for {route.authority} itself: {reply.summary}"
    way = _way_round(context, source)
    if reply.status == 407:
        told = f"the proxy {shown} wants a name and a password: {reply.summary}"
        way = f"put NAME:PASSWORD@ before the proxy's host in {source}; or {way}"
    return failed(told, way, Exit.NETWORK, status=reply.status)


def _way_round(context: Context, source: str) -> str:
    """Whether it goes without the proxy is tried, so as not to guess."""
    route, seconds = context.known_route, min(context.options.seconds, 3.0)
    without = (
        f'unset {source}, or export NO_PROXY="$NO_PROXY,{route.host}"'
        if source.isidentifier()
        else '"proxy": ""'
    )
    try:
        connect(route.host, route.port, seconds).close()
    except OSError:
        return f"have the proxy let {route.authority} through: directly it is not reached either"
    return f"the store is reached without the proxy: {without}"


def _text_of(error: OSError) -> str:
    return error.strerror or str(error)
