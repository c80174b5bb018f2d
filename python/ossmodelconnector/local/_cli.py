"""``ossmc serve DIR``: the server on the command line."""

from __future__ import annotations

import argparse
import json
import logging
import re
import shutil
import signal
import sys
import threading
from pathlib import Path

from ossmodelconnector.local._server import DEFAULT_CREDENTIAL, LocalServer
from ossmodelconnector.local._signature import Credential

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_BYTES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}


def main(
    argv: list[str], *, program: str = "python -m ossmodelconnector serve", how: str = "human"
) -> int:
    """Runs ``serve`` until Ctrl-C or SIGTERM.

    Args:
        argv: the arguments behind the word ``serve``.
        program: how it was called, for its help.
        how: ``"human"``: it says how to connect; ``"json"``: the same as one document; ``"quiet"``.

    Returns:
        The exit status: 0 when it was told to end, 1 when it could not begin.

    Raises:
        SystemExit: wrong arguments (2), or ``--help`` (0).
    """
    parser = _parser(program)
    options = parser.parse_args(argv)
    if (options.access_key_id is None) != (options.access_key_secret is None):
        parser.error("--access-key-id and --access-key-secret go together")
    if options.security_token is not None and options.access_key_id is None:
        parser.error("--security-token needs --access-key-id and --access-key-secret")
    credential = DEFAULT_CREDENTIAL
    if options.access_key_id is not None:
        credential = Credential(
            options.access_key_id, options.access_key_secret, options.security_token or None
        )
    if options.verbose:
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
        logging.getLogger("ossmodelconnector.local").setLevel(logging.INFO)
    told_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_end.set())
    try:
        server = LocalServer(
            options.directory,
            host=options.host,
            port=options.port,
            credentials=(credential,),
            anonymous=options.anonymous,
            signature=options.signature,
            region=options.region,
            tls=options.tls,
            latency=options.latency,
            rate_per_connection=options.rate_per_connection,
            log_requests=False,
        )
    except (OSError, ValueError) as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1
    with server:
        ca_file = server.ca_file
        if ca_file is not None and options.ca_file is not None:
            try:
                shutil.copyfile(ca_file, options.ca_file)
            except OSError as error:
                print(f"serve: --ca-file: {error}", file=sys.stderr)
                return 1
            ca_file = str(options.ca_file)
        if how == "human":
            print(f"ready: {server.endpoint} serves {options.directory}", flush=True)
            print(_how_to_connect(server.endpoint, options, credential, ca_file), flush=True)
        elif how == "json":
            ready = {"endpoint": server.endpoint, "directory": str(options.directory)}
            ready.update(region=options.region, access_key_id=credential.access_key_id)
            print(json.dumps({**ready, "ca_file": ca_file}), flush=True)
        told_to_end.wait()
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Serves the folders in DIR as buckets of an OSS server on this machine. "
        "It only reads. Ctrl-C ends it.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("directory", metavar="DIR", type=_directory, help="its sub-folders are the buckets")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=0, help="port to listen on (default: a free one)")
    add("--access-key-id", metavar="ID", help=f"default: {DEFAULT_CREDENTIAL.access_key_id}")
    add(
        "--access-key-secret",
        metavar="SECRET",
        help=f"default: {DEFAULT_CREDENTIAL.access_key_secret}",
    )
    add("--security-token", metavar="TOKEN", help="makes the access key a temporary one")
    add("--anonymous", action="store_true", help="let requests without a signature read")
    add(
        "--signature",
        choices=("any", "v1", "v4"),
        default="any",
        help="signature version to insist on (default: %(default)s)",
    )
    add(
        "--region",
        type=_region,
        default="cn-hangzhou",
        help="region that V4 signatures must name (default: %(default)s)",
    )
    add("--tls", action="store_true", help="https, with a throw-away certificate authority")
    add(
        "--ca-file",
        metavar="OUT",
        type=Path,
        help="with --tls: write the certificate to trust to this file",
    )
    add(
        "--latency",
        metavar="TIME",
        type=_seconds,
        default=0.0,
        help="wait before each reply, e.g. 20ms",
    )
    add(
        "--rate-per-connection",
        metavar="RATE",
        type=_rate,
        help="bytes per second on each connection, e.g. 50MB",
    )
    add("--verbose", action="store_true", help="print a line for each request to stderr")
    return parser


def _how_to_connect(
    endpoint: str, options: argparse.Namespace, credential: Credential, ca_file: str | None
) -> str:
    """Returns five lines of Python, with the secret only if it is the well-known one."""
    is_default = credential is DEFAULT_CREDENTIAL
    secret = credential.access_key_secret if is_default else "..."
    token = "" if credential.token is None else ", OSS_SESSION_TOKEN='...'"
    config = "" if ca_file is None else f", config={{'tls.caFile': {ca_file!r}}}"
    return "\n".join(
        [
            "",
            "    import os",
            "    from ossmodelconnector import OssModelConnector",
            f"    os.environ.update(OSS_ENDPOINT={endpoint!r}, OSS_REGION={options.region!r}, "
            f"OSS_ACCESS_KEY_ID={credential.access_key_id!r}, "
            f"OSS_ACCESS_KEY_SECRET={secret!r}{token})",
            f"    connector = OssModelConnector.from_env({config.lstrip(', ')})",
            "    print([obj.uri for obj in connector.list('BUCKET', 'PREFIX')])",
            "",
        ]
    )


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"not a folder: {text!r}")
    return path


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"not a number from 0 to 65535: {text!r}")
    return int(text)


def _region(text: str) -> str:
    if re.fullmatch(r"[a-z0-9-]+", text) is None:
        raise argparse.ArgumentTypeError(f"not a region such as cn-hangzhou: {text!r}")
    return text


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(us|ms|s)", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"not a time: {text!r}; valid are a number and us, ms or s, e.g. 20ms"
        )
    return float(match.group(1)) * _SECONDS[match.group(2)]


def _rate(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]i?B|B)", text, re.ASCII)
    rate = 0.0 if match is None else float(match.group(1)) * _BYTES[match.group(2)]
    if rate <= 0:
        raise argparse.ArgumentTypeError(
            f"not a rate: {text!r}; valid are a number and B, KB, MB, GB, KiB, MiB or GiB, "
            "e.g. 50MB"
        )
    return rate
