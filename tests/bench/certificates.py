"""A throw-away certificate authority and a certificate of its, made by the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, names: list[str]) -> Certificates:
    """Makes them in `folder`, good for a few days, for 127.0.0.1 and `names`."""
    authority, authority_key = folder / "ca.pem", folder / "ca.key"
    certificate, key, request = folder / "server.pem", folder / "server.key", folder / "server.csr"
    extensions = folder / "server.ext"
    alternatives = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    extensions.write_text(f"subjectAltName={alternatives}\nextendedKeyUsage=serverAuth\n")
    new_key = ["-newkey", "rsa:2048", "-nodes", "-sha256"]
    _openssl("req", "-x509", *new_key, "-days", "7", "-subj", "/CN=bench authority",
             "-keyout", authority_key, "-out", authority)  # fmt: skip
    _openssl("req", *new_key, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", request)
    _openssl("x509", "-req", "-sha256", "-days", "7", "-in", request, "-CA", authority,
             "-CAkey", authority_key, "-CAcreateserial", "-extfile", extensions,
             "-out", certificate)  # fmt: skip
    return Certificates(authority, certificate, key)


def _openssl(*arguments: str | Path) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip()}")
