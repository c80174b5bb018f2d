"""A throw-away certificate authority, and server certificates by it."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = datetime.timedelta(days=365)
# Certificates are minted a little in the past, for clients whose clock is slow.
_BACKDATE = datetime.timedelta(hours=1)


class CertificateAuthority:
    """Signs certificates with a key that exists in this process only."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, "ossmodelconnector local server CA")]
        )
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        self._certificate = (
            _builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The certificate that clients have to trust."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def server_context(self, names: Iterable[str]) -> ssl.SSLContext:
        """Returns a context with a new certificate for host names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        listed = list(names)
        certificate = (
            _builder(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, listed[0][:64])]),
                self._certificate.subject,
                key.public_key(),
            )
            .add_extension(x509.SubjectAlternativeName(map(_general_name, listed)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # The ssl module reads certificates from files only.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            file.write(certificate.public_bytes(serialization.Encoding.PEM))
            file.flush()
            context.load_cert_chain(file.name)
        return context


def serving_context(
    authority: CertificateAuthority, host: str, serves_name: Callable[[str], bool]
) -> ssl.SSLContext:
    """Returns the context to listen with.

    Its certificate is for localhost, the loopback addresses and `host`. Names such as
    ``bucket.localhost`` get one of their own when a client first asks for them: the wildcard
    ``*.localhost`` is one that OpenSSL does not accept.

    Args:
        authority: signs the certificates.
        host: where the server listens.
        serves_name: whether the server answers for a host name.
    """
    contexts: dict[str, ssl.SSLContext] = {}

    def choose(socket: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is None or not serves_name(name):
            return
        if name not in contexts:
            contexts[name] = authority.server_context([name])
        socket.context = contexts[name]

    names = dict.fromkeys(["localhost", "127.0.0.1", "::1", host])
    context = authority.server_context(names)
    context.sni_callback = choose
    return context


def write_ca_file(authority: CertificateAuthority) -> Path:
    """Writes the authority's certificate to a new temporary file, for the caller to delete."""
    with tempfile.NamedTemporaryFile(
        prefix="ossmodelconnector-ca-", suffix=".pem", delete=False
    ) as file:
        file.write(authority.pem)
        return Path(file.name)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _LIFETIME)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
