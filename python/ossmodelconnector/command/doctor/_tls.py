"""TLS: whether it is spoken, and whether the certificate is trusted by whom the library trusts."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Any

from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command.doctor._check import Finding, failed, ok, skipped
from ossmodelconnector.command.doctor._context import Context, Route
from ossmodelconnector.command.doctor._wire import NotHttpError, connect, exchange, open_tunnel

__all__ = ["check_tls", "open_connection", "speaks_tls", "unverified", "with_scheme"]

# Codes of OpenSSL's verification.
_TOO_EARLY, _TOO_LATE = 9, 10
_SELF_SIGNED = (18, 19)
_OTHER_NAME = (62, 64)
_NO_CHECK_TIME = 0x200000
_PARTIAL_CHAIN = 0x80000
_TRUST = (
    'write {"tls.caFile": "/path/to/ca.pem"} to FILE and add --config FILE, '
    "or export SSL_CERT_FILE=/path/to/ca.pem"
)


def check_tls(context: Context) -> Finding:
    """Shakes hands as libcurl would, with the authorities that it was given."""
    route = context.known_route
    if route.scheme != "https":
        return skipped("the endpoint is http://: nothing is encrypted")
    told = route.around["ca_told"]
    if told.startswith("no authorities"):
        return failed(told, f"apt-get install ca-certificates, or pip install certifi; or {_TRUST}")
    try:
        trusting = _trusting(route)
    except (OSError, ssl.SSLError) as error:
        file = route.around["ca_file"] or route.around["ca_path"]
        said = error.strerror if isinstance(error, FileNotFoundError) else "no certificate is in it"
        way = "correct tls.caFile, or SSL_CERT_FILE and CURL_CA_BUNDLE"
        return failed(f"the authorities in {file} cannot be read: {said}", way)
    try:
        with open_connection(context, trusting) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            peer, version = sock.getpeercert() or {}, sock.version()
    except ssl.SSLCertVerificationError as error:
        return _not_trusted(context, error)
    except (OSError, ssl.SSLError) as error:
        return _no_handshake(context, error)
    return ok(
        f"{version}; the certificate of {_name(peer, 'subject')} by {_name(peer, 'issuer')}, good "
        f"until {peer.get('notAfter', 'a day not told')}, is trusted; {told}",
        version=version,
        not_after=peer.get("notAfter"),
        issuer=_name(peer, "issuer"),
    )


def unverified() -> ssl.SSLContext:
    """A context that believes anybody, for requests that hold nothing worth hiding."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def open_connection(context: Context, tls: ssl.SSLContext | None) -> socket.socket:
    """Connects to the store, by the proxy if there is one, and shakes hands if `tls` is given."""
    route, seconds = context.known_route, context.options.seconds
    if context.proxy is None:
        sock = connect(route.host, route.port, seconds)
    elif tls is not None:
        sock, _ = open_tunnel(context.proxy, route.authority, seconds)
    else:
        sock = connect(context.proxy[0], context.proxy[1], seconds)
    if tls is None:
        return sock
    try:
        sock.settimeout(seconds)
        return tls.wrap_socket(sock, server_hostname=route.host)
    except BaseException:
        sock.close()
        raise


def speaks_tls(context: Context) -> bool:
    """Whether a handshake gets anywhere."""
    try:
        open_connection(context, unverified()).close()
    except (OSError, ssl.SSLError):
        return False
    return True


def _trusting(route: Route) -> ssl.SSLContext:
    file, path = route.around["ca_file"], route.around["ca_path"]
    if file and not Path(file).is_file():
        raise FileNotFoundError(2, "there is no such file", file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if file or path:
        context.load_verify_locations(cafile=file or None, capath=path or None)
    else:
        context.load_default_certs()
    return context


def _not_trusted(context: Context, error: ssl.SSLCertVerificationError) -> Finding:
    route = context.known_route
    peer = _peer_of(context)
    issuer, subject = _name(peer, "issuer"), _name(peer, "subject")
    facts = {"issuer": issuer, "subject": subject, "reason": error.verify_message}
    of = f"the certificate of {route.host} is not trusted: {error.verify_message}"
    seen = f"it is of {subject}, issued by {issuer}" if peer else "it cannot be read"
    told = route.around["ca_told"]
    if error.verify_code in _OTHER_NAME:
        names = ", ".join(value for _, value in peer.get("subjectAltName", ())[:5])
        way = "give the endpoint by one of these names; behind a proxy that opens TLS, check it"
        return failed(f"{of}; it is for {names or 'no name'}", way, Exit.NETWORK, **facts)
    if error.verify_code in (_TOO_EARLY, _TOO_LATE):
        span = f"it is good from {peer.get('notBefore')} to {peer.get('notAfter')}"
        way = "if this machine's clock is off (see clock), set it; else the server needs a new one"
        return failed(f"{of}; {span}", way, Exit.NETWORK, **facts)
    if error.verify_code in _SELF_SIGNED and issuer == subject:
        seen += ", so it signed itself"
    way = f"if it is the right one, trust its authority: {_TRUST}"
    return failed(f"{of}; {seen}; {told}", way, Exit.NETWORK, **facts)


def _peer_of(context: Context) -> dict[str, Any]:
    """What the certificate says, whoever signed it: it is taken for an authority of its own."""
    try:
        with open_connection(context, unverified()) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            der = sock.getpeercert(binary_form=True) or b""
        believing = unverified()
        believing.load_verify_locations(cadata=der)
        believing.verify_mode = ssl.CERT_REQUIRED
        believing.verify_flags |= _NO_CHECK_TIME | _PARTIAL_CHAIN
        with open_connection(context, believing) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            return dict(sock.getpeercert() or {}) or {"sha256": hashlib.sha256(der).hexdigest()}
    except (OSError, ssl.SSLError, ValueError):
        return {}


def _no_handshake(context: Context, error: OSError) -> Finding:
    route = context.known_route
    said = getattr(error, "reason", "") or error.strerror or str(error)
    if _speaks_plain_http(context):
        return failed(
            f"{route.authority} speaks plain HTTP, not TLS ({said})",
            f"write http:// in the endpoint: --endpoint {with_scheme(route, 'http')}",
            Exit.NETWORK,
            reason=said,
        )
    return failed(
        f"{route.authority} takes the connection and ends the handshake of TLS: {said}",
        "check the port, and whether a firewall or a proxy between opens or forbids TLS: "
        f"openssl s_client -connect {route.authority} -servername {route.host}",
        Exit.NETWORK,
        reason=said,
    )


def _speaks_plain_http(context: Context) -> bool:
    route, seconds = context.known_route, context.options.seconds
    try:
        if context.proxy is not None:
            sock, _ = open_tunnel(context.proxy, route.authority, seconds)
        else:
            sock = connect(route.host, route.port, seconds)
        with sock:
            exchange(sock, "GET", "/", route.authority, {}, seconds)
    except (NotHttpError, OSError):
        return False
    return True


def with_scheme(route: Route, scheme: str) -> str:
    """The endpoint as it was given, with another scheme."""
    host = route.around["host"]
    host = f"[{host}]" if ":" in host else host
    port = route.around["port"]
    return f"{scheme}://{host}" + (f":{port}" if port != "0" else "")


def _name(peer: dict[str, Any], field: str) -> str:
    """The common name in a certificate, or what else is there."""
    parts = {name: value for group in peer.get(field, ()) for name, value in group}
    return str(
        parts.get("commonName") or parts.get("organizationName") or "somebody without a name"
    )
