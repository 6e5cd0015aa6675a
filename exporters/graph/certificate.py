"""The application's certificate: read and judged before anything is sent.

Rules of this file: no I/O; `cryptography` is loaded when a certificate is used. Errors never quote the PEM.
Source: reference graph.md 1.4.
"""

from datetime import datetime
from typing import Any

from exporters.clock import timestamp
from exporters.errors import ConfigurationError, RunError


def read_certificate(pem: bytes, passphrase: str | None, now: datetime) -> dict[str, Any]:
    """The credential as MSAL takes it: key and certificate, for an assertion with `x5t#S256` (PS256).

    Raises: ConfigurationError if the PEM does not hold a key and its certificate; RunError outside its dates.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    try:
        key = serialization.load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except TypeError as error:
        wants = "needs a passphrase" if passphrase is None else "has no passphrase"
        raise _unfit(f"The key of the certificate {wants}.", "Correct tenant.credential.passphrase.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        what = "The passphrase of the key is wrong." if passphrase else "The certificate file holds no readable key."
        raise _unfit(
            what, "Put key and certificate in one PEM file, and its passphrase in the configuration."
        ) from error
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise _unfit(
            "The certificate file holds no certificate.", "Put key and certificate in one PEM file."
        ) from error
    own = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    leaf = next((c for c in certificates if _public(c) == own), None)
    if leaf is None:
        raise _unfit("Key and certificate in the file do not belong together.", "Export both again, together.")
    if now >= leaf.not_valid_after_utc:
        raise RunError(
            f"The certificate of the application expired on {timestamp(leaf.not_valid_after_utc)}.",
            code="certificate_expired",
            action="Make a new certificate, upload it to the app registration, and put it in tenant.credential.",
        )
    if now < leaf.not_valid_before_utc:
        raise RunError(
            f"The certificate of the application is valid from {timestamp(leaf.not_valid_before_utc)} only.",
            code="certificate_not_yet_valid",
            action="Check the clock of this machine, or wait until then.",
        )
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _unfit(
            "The key of the certificate is no RSA key.", "Make one with an RSA key: Entra takes no other kind."
        )
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ordered = [leaf, *(c for c in certificates if c is not leaf)]
    chain = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in ordered)
    return {"private_key": plain.decode(), "public_certificate": chain.decode()}


def _public(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    der: bytes = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return der


def _unfit(what: str, action: str) -> ConfigurationError:
    return ConfigurationError(what, code="certificate_unreadable", action=action)
