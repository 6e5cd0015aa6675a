"""The keys that sign evidence: Ed25519 from a file, the environment or a key ring, or a key of AWS KMS that never leaves it.

Rules of this file: a key file that others can read is refused; a key that is made is trusted beside the configuration before it
exists, so that no package is ever signed by a key of ours that nobody trusts. `cryptography` loads here, when it is needed.
Source: design §8 (keys), §10; docs/decisions/0092.

    signer = opened_signer(config, clock, may_make=False).signer
    signer.sign(data), signer.fingerprint, signer.public_pem
"""

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from exporters.clock import Clock
from retention.config import Config
from retention.evidence.errors import EvidenceKeyError
from retention.evidence.trust import trust
from retention.references import open_to_others, path_of, read_bytes, read_secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = "ed25519"
ECDSA = "ecdsa-p256-sha256"
KMS = "awskms:"
_KEY = "evidence.key"
_PASSPHRASE = "evidence.passphrase"  # noqa: S105 - the name of a key of the configuration
_HOW = "openssl genpkey -algorithm ed25519 -out FILE && chmod 600 FILE"


class Signer(Protocol):
    """What signs."""

    @property
    def algorithm(self) -> str:
        """`ed25519` or `ecdsa-p256-sha256`."""
        ...

    @property
    def public_pem(self) -> bytes:
        """The public key."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key (SubjectPublicKeyInfo, DER), 64 hex digits."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature. Raises: RunError where the key lies elsewhere and does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """A key in our memory."""

    public_pem: bytes
    fingerprint: str
    _key: "Ed25519PrivateKey"
    algorithm: str = ED25519

    def sign(self, data: bytes) -> bytes:
        """See `Signer.sign`: 64 bytes."""
        return self._key.sign(data)


@dataclass(frozen=True, slots=True)
class Opened:
    """A signer, and whether its key was made just now (then its place)."""

    signer: Signer
    made: Path | None = None


def opened_signer(config: Config, clock: Clock, *, may_make: bool) -> Opened:
    """The key of the configuration. may_make: one that is no file yet is made; without it (packages were signed before) a key
    that is gone is not replaced silently. Raises: EvidenceKeyError, ReferenceUnreadableError, RunError of KMS."""
    reference = config.settings.evidence.key
    if reference.startswith(KMS):
        from retention.evidence.kms import kms_signer

        region = config.settings.store.region if config.settings.store is not None else None
        return Opened(kms_signer(reference.removeprefix(KMS), region, clock))
    if reference.startswith("file:") and not os.path.lexists(path := path_of(reference, config.base)):
        if not may_make:
            raise EvidenceKeyError(
                f"{_KEY}: there is no {path}, and packages were signed before",
                code="evidence_key_missing",
                action="Put the key back. To begin with a new one, make it with `lastcopy report --key`, and give its"
                " fingerprint to whoever checks.",
            )
        made = _make(path, config, clock)
        return Opened(_read(reference, config), path if made else None)
    return Opened(_read(reference, config))


def fingerprint_of(public_pem: bytes) -> str:
    """The fingerprint of a public key. Raises: ValueError if it is none."""
    return hashlib.sha256(_der(_public(public_pem))).hexdigest()


def verify_signature(algorithm: str, public_pem: bytes, signature: bytes, data: bytes) -> bool:
    """Whether a signature holds. Raises: ValueError if the key is none, or none of this algorithm."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA as SCHEME

    if algorithm != algorithm_of(public_pem):
        raise ValueError(f"the key is none for {algorithm}")
    key = _public(public_pem)
    with suppress(InvalidSignature):
        if algorithm == ED25519:
            key.verify(signature, data)
        else:
            key.verify(signature, data, SCHEME(hashes.SHA256()))
        return True
    return False


def algorithm_of(public_pem: bytes) -> str | None:
    """How a key signs; None for one that signs no evidence. Raises: ValueError if it is none."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key = _public(public_pem)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ED25519
    return ECDSA if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1" else None


def public_pem_of(der: bytes) -> bytes:
    """A public key as PEM. Raises: ValueError."""
    from cryptography.hazmat.primitives import serialization

    return _pem(serialization.load_der_public_key(der))


def _read(reference: str, config: Config) -> Ed25519Signer:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if open_to_others(reference, config.base):
        raise EvidenceKeyError(
            f"{_KEY}: others on this machine can read {path_of(reference, config.base)}",
            code="evidence_key_open",
            action="Run chmod 600 on it. If somebody may have read it, make a new key: they could sign in your name.",
        )
    data = read_bytes(reference, config.base, _KEY)
    try:
        key = load_pem_private_key(data, _passphrase(config))
    except TypeError as error:  # cryptography: a passphrase is missing, or is there for a key without one
        given = "has no passphrase, and one is configured" if "not encrypted" in str(error) else "has a passphrase"
        raise EvidenceKeyError(
            f"{_KEY}: the key {given}", code="evidence_key_passphrase", action=f"Set or remove {_PASSPHRASE}."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise EvidenceKeyError(
            f"{_KEY}: this is no private key in PEM, or its passphrase is another one",
            code="evidence_key_unreadable",
            action=f"Put an Ed25519 key there ({_HOW}), and correct {_PASSPHRASE}.",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise EvidenceKeyError(
            f"{_KEY}: this is no Ed25519 key", code="evidence_key_kind", action=f"Put an Ed25519 key there: {_HOW}."
        )
    return _signer(key)


def _make(path: Path, config: Config, clock: Clock) -> bool:
    """Make a key, whole or not at all; False if somebody else did meanwhile. Raises: EvidenceKeyError."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, passphrase = Ed25519PrivateKey.generate(), _passphrase(config)
    locked: Any = serialization.NoEncryption()
    if passphrase is not None:
        locked = serialization.BestAvailableEncryption(passphrase)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    trust(config, _signer(key).fingerprint, clock)
    try:
        create_private(path, pem)
    except FileExistsError:
        return False
    except OSError as error:
        raise EvidenceKeyError(
            f"{_KEY}: {path} cannot be made ({error.strerror})",
            code="evidence_key_unwritable",
            action=f"Make a key elsewhere ({_HOW}), and name it there.",
        ) from None
    return True


def create_private(path: Path, content: bytes) -> None:
    """Create a file that only we can read, whole and safe from a loss of power. Raises: FileExistsError, OSError."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    file = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(file, content)
            os.fsync(file)
        finally:
            os.close(file)
        os.link(new, path)
    finally:
        new.unlink()


def _passphrase(config: Config) -> bytes | None:
    reference = config.settings.evidence.passphrase
    return None if reference is None else read_secret(reference, config.base, _PASSPHRASE).encode()


def _signer(key: "Ed25519PrivateKey") -> Ed25519Signer:
    pem = _pem(key.public_key())
    return Ed25519Signer(pem, fingerprint_of(pem), key)


def _public(pem: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    pem: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


def _der(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der
