"""Certificates with what can be wrong with them, for a server that speaks TLS."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
MAY_SIGN = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Signer:
    """A key with a name: an authority, or a server that signs for itself."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def sign(
        self, subject: Signer, ends_in: datetime.timedelta, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        """A certificate of a month ago."""
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject.name)
            .issuer_name(self.name)
            .public_key(subject.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now + ends_in)
        )
        # As OpenSSL demands where it is strict, as Python 3.13 has it.
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        own_key = x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key())
        for extension in (*extensions, issuer_key, own_key):
            is_critical = isinstance(extension, (x509.BasicConstraints, x509.KeyUsage))
            builder = builder.add_extension(extension, critical=is_critical)
        return builder.sign(self.key, hashes.SHA256())


class Authority:
    """What signs; its own certificate is at `ca_file`, in `folder`."""

    def __init__(self, folder: Path, name: str = "authority of a test") -> None:
        self._folder = folder
        self._signer = Signer(name)
        is_authority = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._signer.sign(self._signer, DAY, is_authority, MAY_SIGN)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def serve(
        self,
        address: str = "127.0.0.1",
        *,
        ends_in: datetime.timedelta = DAY,
        self_signed: bool = False,
    ) -> ssl.SSLContext:
        """A context to listen with; its certificate is for `address` and ends in so long."""
        server = Signer("server of a test")
        by = server if self_signed else self._signer
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        pem = self._folder / "server.pem"  # the ssl module reads it from a file only
        pem.write_bytes(
            server.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + by.sign(server, ends_in, names).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        pem.unlink()
        return context
