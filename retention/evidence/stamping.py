"""Time stamps of RFC 3161 over the signature: when it was there at the latest, by somebody else's word.

Rules of this file: a stamp is checked before it is kept, with the whole chain to a root, so that `openssl ts -verify` needs
nothing beyond the package; certificates are judged at the time of the stamp (`-attime`). Source: design §8; RFC 3161.

    stamp = stamped(signature, "https://tsa.example.com/tsr", clock)
    read_stamp(stamp.token, stamp.chain, signature).at
"""

import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from exporters.clock import Clock
from exporters.errors import TransientError
from retention.evidence.errors import TimeStampError
from retention.evidence.patience import tried
from retention.evidence.set_order import in_set_order

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampRequest, TimeStampResponse

_SECONDS = (10.0, 60.0)
_LARGEST_ANSWER = 1 << 20
_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stamp as it lies in a package. token: the answer (DER); chain: certificates from the signer's to the root (PEM)."""

    token: bytes
    chain: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class StampFacts:
    """What a stamp says. authority: subject of the certificate that signed; root: SHA-256 of the root certificate (DER)."""

    at: datetime
    authority: str
    root: str


def stamped(signature: bytes, url: str, clock: Clock) -> Stamp:
    """Ask an authority for a stamp over a signature. Raises: TimeStampError."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerificationError, decode_timestamp_response

    request = TimestampRequestBuilder().data(signature).hash_algorithm(HashAlgorithm.SHA256).build()
    try:
        token = tried(lambda: _asked(url, request), clock)
    except TransientError as error:
        raise TimeStampError(
            str(error),
            code="timestamp_unavailable",
            action="Run it again later, or leave out evidence.timestamp_url: the package was not signed, and is none.",
        ) from None
    try:
        answer = decode_timestamp_response(in_set_order(token))
        certificates = _chain_of(answer)
        _verify(answer, certificates, signature, request.nonce)
    except (ValueError, VerificationError) as error:
        raise TimeStampError(
            f"the answer of the time stamp authority does not hold: {error}",
            code="timestamp_unusable",
            action="Name another authority as evidence.timestamp_url; the package was not signed, and is none.",
        ) from None
    return Stamp(token, b"".join(_pem(one) for one in certificates), answer.tst_info.gen_time)


def read_stamp(token: bytes, chain_pem: bytes, signature: bytes) -> StampFacts:
    """Check a stamp, at its own time. Raises: ValueError with what is wrong."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import load_pem_x509_certificates
    from rfc3161_client import VerificationError, decode_timestamp_response

    answer = decode_timestamp_response(in_set_order(token))
    certificates = load_pem_x509_certificates(chain_pem)
    if not certificates or certificates[-1].subject != certificates[-1].issuer:
        raise ValueError("its chain does not end in a root")
    try:
        _verify(answer, certificates, signature, None)
    except VerificationError as error:
        raise ValueError(str(error)) from None
    signer = _leaf(answer, certificates)
    return StampFacts(
        answer.tst_info.gen_time, signer.subject.rfc4514_string(), certificates[-1].fingerprint(SHA256()).hex()
    )


def _asked(url: str, request: "TimeStampRequest") -> bytes:
    """One request. Raises: TransientError, TimeStampError."""
    import requests

    try:
        with requests.post(
            url,
            data=request.as_bytes(),
            headers={"Content-Type": "application/timestamp-query", "User-Agent": "lastcopy"},
            timeout=_SECONDS,
            stream=True,
        ) as answer:
            status, body = answer.status_code, answer.raw.read(_LARGEST_ANSWER + 1, decode_content=True)
    except (requests.RequestException, OSError) as error:
        raise TransientError(
            f"the time stamp authority did not answer ({type(error).__name__})", code="timestamp_unavailable"
        ) from None
    if status == 429 or status >= 500:
        raise TransientError(f"the time stamp authority answered {status}", code="timestamp_unavailable")
    if status != 200 or len(body) > _LARGEST_ANSWER:
        raise TimeStampError(
            f"the time stamp authority answered {status}",
            code="timestamp_refused",
            action="Check evidence.timestamp_url; the package was not signed, and is none.",
        )
    return bytes(body)


def _verify(
    answer: "TimeStampResponse", certificates: list["Certificate"], signature: bytes, nonce: int | None
) -> None:
    """Raises: VerificationError, ValueError."""
    from rfc3161_client import VerifierBuilder

    *others, root = certificates
    signer = _leaf(answer, certificates)
    checking = VerifierBuilder(roots=[root], intermediates=others, nonce=nonce, tsa_certificate=signer)
    checking.build().verify(answer, _imprint(answer, signature))


def _imprint(answer: "TimeStampResponse", signature: bytes) -> bytes:
    """The digest that the stamp should be over. Raises: ValueError for an algorithm that nobody should rely on."""
    names = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512"}
    name = names.get(answer.tst_info.message_imprint.hash_algorithm.dotted_string)
    if name is None:
        raise ValueError("it is over a digest of an unknown kind")
    return hashlib.new(name, signature).digest()


def _chain_of(answer: "TimeStampResponse") -> list["Certificate"]:
    """From the certificate that signed to a root, among those that came with it and those this machine trusts.
    Raises: ValueError if there is no such chain."""
    from cryptography.x509 import load_der_x509_certificate

    came = [load_der_x509_certificate(one) for one in answer.signed_data.certificates]
    found = [_leaf(answer, came)]
    while found[-1].subject != found[-1].issuer:
        candidates = chain(came, _known_roots(found[-1].issuer.public_bytes()))
        above = next((one for one in candidates if one not in found and _signed_by(found[-1], one)), None)
        if above is None or len(found) >= _CHAIN:
            raise ValueError(
                "it came without the chain to a root, and this machine knows none (SSL_CERT_FILE can name more)"
            )
        found.append(above)
    return found


def _known_roots(name: bytes) -> Iterator["Certificate"]:
    """What this machine trusts under a name (DER). The others are not parsed: some roots break the rules of today."""
    from cryptography.x509 import load_der_x509_certificate

    for one in ssl.create_default_context().get_ca_certs(binary_form=True):
        if name in one:
            yield load_der_x509_certificate(one)


def _leaf(answer: "TimeStampResponse", among: list["Certificate"]) -> "Certificate":
    """The certificate that signed. Raises: ValueError."""
    signers = [(one.issuer, one.serial_number) for one in answer.signed_data.signer_infos]
    found = [one for one in among if (one.issuer, one.serial_number) in signers]
    if len(signers) != 1 or len(found) != 1:
        raise ValueError("the certificate that signed it is not there")
    return found[0]


def _signed_by(one: "Certificate", other: "Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature

    if one.issuer != other.subject:
        return False
    try:
        one.verify_directly_issued_by(other)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _pem(certificate: "Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)
