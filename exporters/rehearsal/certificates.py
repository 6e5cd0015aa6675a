"""A certificate authority for one rehearsal: the server's certificate for localhost, and the app's own certificate.

Rules of this file: keys are made anew for each state folder, live in files with mode 0600, and are good for nothing else.
Source: reference/graph.md 1.3, 1.4.
"""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: `ca` and `app` (key and certificate in one file) are for clients, `server` is for the ports."""

    ca: Path
    server: Path
    app: Path

    def app_certificate(self) -> x509.Certificate:
        """The certificate that is registered for the application."""
        return x509.load_pem_x509_certificate(self.app.read_bytes())

    def context(self) -> ssl.SSLContext:
        """The server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        context.set_alpn_protocols(["http/1.1"])
        return context


def certificates_in(folder: Path, now: datetime) -> Certificates:
    """The certificates kept in `folder`, made if they are not there. `now`: aware; they hold from a day before it."""
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "app.pem")
    if not (made.ca.exists() and made.server.exists() and made.app.exists()):
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = _certificate("Rehearsal authority", ca_key, None, now)
        server_key = ec.generate_private_key(ec.SECP256R1())
        server = _certificate("localhost", server_key, (ca, ca_key), now)
        app_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        app = _certificate("Rehearsal application", app_key, None, now, authority=False)
        _write(made.server, _key_pem(server_key) + _pem(server))
        _write(made.app, _key_pem(app_key) + _pem(app))
        _write(made.ca, _pem(ca))
    return made


def _certificate(
    name: str,
    key: _Key,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    now: datetime,
    *,
    authority: bool = True,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=398))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key())
        builder = (
            builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(signer, critical=False)
        )
        return builder.sign(issuer[1], hashes.SHA256())
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if authority:
        builder = builder.add_extension(_signing_usage(), critical=True)
    return builder.sign(key, hashes.SHA256())


def _signing_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
