"""What answers at the endpoint, and what time it is there: one request without a signature."""

from __future__ import annotations

from urllib.parse import urlsplit

from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command.doctor._check import Finding, failed, ok, skipped, warning
from ossmodelconnector.command.doctor._context import Context
from ossmodelconnector.command.doctor._network import advice_about_reaching
from ossmodelconnector.command.doctor._tls import (
    open_connection,
    speaks_tls,
    unverified,
    with_scheme,
)
from ossmodelconnector.command.doctor._wire import HttpReply, NotHttpError, exchange, seconds_text

__all__ = ["SET_CLOCK", "check_clock", "check_service", "skew_text"]

_NOTABLE_SKEW_SECONDS = 60.0
_REFUSED_SKEW_SECONDS = 15 * 60.0
SET_CLOCK = (
    "set it: timedatectl set-ntp true, or chronyc makestep; a container has its host's clock"
)
_WANTS_TLS = (
    b"plain http request was sent to https port",
    b"speaking plain http to an ssl-enabled",
    b"sent an http request to an https server",
)


def check_service(context: Context) -> Finding:
    """Asks without a signature: a store refuses that in words of its own."""
    route = context.known_route
    try:
        reply = _ask(context)
    except NotHttpError as error:
        return _not_http(context, str(error))
    except OSError as error:
        said = error.strerror or str(error)
        if route.scheme == "http" and speaks_tls(context):
            return _not_http(context, said)
        return failed(
            f"{route.authority} takes the connection and gives no reply: {said}",
            advice_about_reaching(route),
            Exit.NETWORK,
        )
    context.reply = reply
    told = f"{reply.summary} from {reply.headers.get('server') or 'a server without a name'}"
    took = f"in {seconds_text(reply.ended - reply.begun)}"
    facts = {"status": reply.status, "code": reply.code, "server": reply.headers.get("server", "")}
    if any(words in reply.body[:4096].lower() for words in _WANTS_TLS):
        return _not_http(context, reply.summary)
    if 300 <= reply.status < 400 and not reply.code:
        to = urlsplit(reply.headers.get("location", "")).hostname or "another place"
        return failed(
            f"{told}: it leads to {to}", f"--endpoint https://{to}", Exit.NETWORK, **facts
        )
    if not reply.is_of_store:
        return failed(
            f"what answers at {route.endpoint} is no object store: {told}",
            "check the endpoint, and whether a login page, a gateway or a proxy stands before it: "
            f"curl -sv {route.endpoint}/",
            Exit.NETWORK,
            **facts,
        )
    if reply.status >= 500:
        return warning(
            f"{told} {took}", "the store is in trouble: run it again in a minute", **facts
        )
    return ok(f"a store answers {took}: {told}; it was asked without a signature", **facts)


def check_clock(context: Context) -> Finding:
    """Compares this machine's time with the Date of a reply."""
    reply = context.reply
    if reply is None:
        # Whoever is there, and trusted or not: it is asked for the time alone.
        try:
            reply = _ask(context)
        except OSError as error:
            return skipped(f"nobody told the time: {error.strerror or error}")
    there = reply.date
    if there is None:
        return skipped("the reply tells no time")
    # Date is in whole seconds, cut off.
    ahead = (reply.begun + reply.ended) / 2 - (there + 0.5)
    told = f"this machine's clock is {skew_text(ahead)} the store's"
    facts = {"ahead_seconds": round(ahead, 1)}
    if abs(ahead) >= _REFUSED_SKEW_SECONDS:
        return failed(
            f"{told}: OSS refuses what is signed more than 15 minutes off (this library then signs "
            "with the store's time; other programs fail)",
            SET_CLOCK,
            Exit.FAILED,
            **facts,
        )
    if abs(ahead) >= _NOTABLE_SKEW_SECONDS:
        return warning(f"{told}; from 15 minutes on requests are refused", SET_CLOCK, **facts)
    return ok("this machine's clock agrees with the store's, within a second or two", **facts)


def skew_text(ahead: float) -> str:
    """``"20 min 3 s behind"``."""
    minutes, seconds = divmod(round(abs(ahead)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (seconds, "s")]
    span = " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
    return f"{span} {'ahead of' if ahead > 0 else 'behind'}"


def _ask(context: Context) -> HttpReply:
    """A GET without a signature. The certificate was looked at by check tls, or does not matter."""
    route = context.known_route
    tls = unverified() if route.scheme == "https" else None
    through = context.proxy if tls is None else None
    target = f"http://{route.authority}{route.path}" if through else route.path
    headers = {"Proxy-Authorization": through[2]} if through and through[2] else {}
    with open_connection(context, tls) as sock:
        host = route.endpoint.partition("://")[2]
        return exchange(sock, "GET", target, host, headers, context.options.seconds)


def _not_http(context: Context, said: str) -> Finding:
    route = context.known_route
    if route.scheme == "http" and speaks_tls(context):
        return failed(
            f"{route.authority} speaks TLS, not plain HTTP ({said})",
            f"write https:// in the endpoint: --endpoint {with_scheme(route, 'https')}",
            Exit.NETWORK,
        )
    return failed(
        f"what answers at {route.authority} speaks no HTTP: {said}",
        advice_about_reaching(route),
        Exit.NETWORK,
    )
