"""Names and connections."""

from __future__ import annotations

import errno
import socket
import time

from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command.doctor._check import Finding, failed, ok, skipped, warning
from ossmodelconnector.command.doctor._context import Context, Route
from ossmodelconnector.command.doctor._wire import resolve, seconds_text

__all__ = ["advice_about_reaching", "check_dns", "check_tcp"]

_MAX_ADDRESSES = 8
_SLOW_LOOKUP_SECONDS = 1.0


def check_dns(context: Context) -> Finding:
    """Looks the store's name up, as libcurl does."""
    route = context.known_route
    if context.proxy is not None:
        return skipped(f"the proxy looks {route.host} up")
    start = time.monotonic()
    try:
        addresses = resolve(route.host, route.port, context.options.seconds)
    except (TimeoutError, socket.gaierror) as error:
        said = error.strerror if isinstance(error, socket.gaierror) else str(error)
        return failed(
            f"the name {route.host} is not found: {said}",
            _advice_about_name(route),
            Exit.NETWORK,
            host=route.host,
        )
    took = time.monotonic() - start
    found = [address[0] for _, address in addresses]
    told = f"{route.host} is {_some(found)}, found in {seconds_text(took)}"
    if took > _SLOW_LOOKUP_SECONDS:
        return warning(
            told, "look-ups are slow: check the servers in /etc/resolv.conf", addresses=found
        )
    return ok(told, addresses=found, seconds=round(took, 4))


def check_tcp(context: Context) -> Finding:
    """Connects to each address by itself: one that is dead slows down a part of the requests."""
    route = context.known_route
    if context.proxy is not None:
        return skipped("connections go to the proxy")
    seconds = context.options.seconds
    addresses = resolve(route.host, route.port, seconds)[:_MAX_ADDRESSES]
    deadline = time.monotonic() + 2 * seconds
    dead: dict[str, str] = {}
    times = []
    for family, address in addresses:
        start = time.monotonic()
        limit = min(seconds, deadline - start)
        if limit <= 0:
            break
        try:
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.settimeout(limit)
                sock.connect(address)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            dead[address[0]] = _why(error, limit)
        else:
            times.append(time.monotonic() - start)
    if not times:
        why = "; ".join(f"{address}: {text}" for address, text in dead.items())
        return failed(
            f"no connection to {route.authority}: {why}",
            advice_about_reaching(route),
            Exit.NETWORK,
            failures=dead,
        )
    told = f"{route.authority} is reached in {seconds_text(min(times))}"
    facts = {"seconds": round(min(times), 4), "addresses": len(addresses), "failures": dead}
    if dead and _is_of_another_family(dead, addresses):
        told += f"; not by {_some(list(dead))}"
    elif dead:
        return warning(
            f"{told}, but {len(dead)} of its {len(addresses)} addresses are not: {_some(dead)}",
            "requests to those fail and are sent again: have the network let them through",
            **facts,
        )
    return ok(told, **facts)


def advice_about_reaching(route: Route) -> str:
    """What to do where a host is there and does not answer."""
    if "-internal." in route.host:
        public = route.around["host"].replace("-internal.", ".")
        return (
            "an internal endpoint is reached from machines of its region alone; elsewhere: "
            f"--endpoint {route.scheme}://{public}"
        )
    return (
        f"check host and port of the endpoint, and firewalls: curl -v {route.endpoint}/; "
        "where a proxy leads outside: export HTTPS_PROXY=http://PROXY:PORT"
    )


def _advice_about_name(route: Route) -> str:
    try:
        resolve("oss-cn-hangzhou.aliyuncs.com", 443, 2.0)
    except OSError:
        end = "; no other name is found either: check /etc/resolv.conf and the network"
    else:
        end = "; other names are found, so it is this one: check its spelling, and the region in it"
    return f"getent hosts {route.host}{end}"


def _why(error: OSError, seconds: float) -> str:
    if isinstance(error, (TimeoutError, socket.timeout)):
        return f"no answer in {seconds_text(seconds)}"
    return error.strerror or str(error)


def _is_of_another_family(
    dead: dict[str, str], addresses: list[tuple[int, tuple[str, int]]]
) -> bool:
    """Where there is no IPv6, its addresses are no loss."""
    families = {address[0]: family for family, address in addresses}
    failed_families = {families[name] for name in dead}
    living = {family for name, family in families.items() if name not in dead}
    return failed_families == {socket.AF_INET6} and socket.AF_INET in living


def _some(names: list[str] | dict[str, str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
