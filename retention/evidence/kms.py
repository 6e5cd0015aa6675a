"""A key of AWS KMS that signs evidence and never leaves it: ECDSA on P-256.

Rules of this file: the one place of the evidence that knows boto3 (a contract); KMS takes 4,096 bytes at most, so the digest is
signed. Credentials are found as AWS tools find them. Source: design §8; dependencies.md §2 (cryptography); docs/decisions/0092.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from exporters.clock import Clock
from exporters.errors import LastcopyError, RunError, TransientError
from retention.evidence.errors import EvidenceKeyError
from retention.evidence.keys import ECDSA, algorithm_of, fingerprint_of, public_pem_of, verify_signature
from retention.evidence.patience import tried

_AGAIN = frozenset(
    {"ThrottlingException", "KMSInternalException", "DependencyTimeoutException", "ServiceUnavailableException"}
)
_DENIED = frozenset({"AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId"})


@dataclass(frozen=True, slots=True)
class KmsSigner:
    """A key of KMS."""

    public_pem: bytes
    fingerprint: str
    _client: Any
    _key_id: str
    _clock: Clock
    algorithm: str = ECDSA

    def sign(self, data: bytes) -> bytes:
        """See `Signer.sign`: DER. What comes is checked: some stand-ins for KMS hash a digest again, and take any length raw."""
        for kind, message in (("DIGEST", hashlib.sha256(data).digest()), ("RAW", data)):
            answer = _asked(
                self._client.sign,
                self._clock,
                KeyId=self._key_id,
                Message=message,
                MessageType=kind,
                SigningAlgorithm="ECDSA_SHA_256",
            )
            signature = bytes(answer["Signature"])
            if verify_signature(ECDSA, self.public_pem, signature, data):
                return signature
        raise RunError(
            "the signature that AWS KMS made does not hold",
            code="signature_wrong",
            action="Run it again; if it stays so, use another key. The package was not signed, and is none.",
        )


def kms_signer(key_id: str, region: str | None, clock: Clock) -> KmsSigner:
    """The key with this id, ARN or alias. Raises: EvidenceKeyError, RunError."""
    import boto3
    import botocore.exceptions
    from botocore.config import Config

    parts = key_id.split(":")
    if parts[0] == "arn" and len(parts) > 3:
        region = parts[3]
    settings = Config(retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=10, read_timeout=30)
    try:
        client = boto3.session.Session().client("kms", region_name=region, config=settings)
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise EvidenceKeyError(
            f"evidence.key: AWS KMS cannot be addressed: {error}",
            code="evidence_key_unreadable",
            action="Set store.region or AWS_REGION, or name the key by its ARN.",
        ) from None
    found = _asked(client.get_public_key, clock, KeyId=key_id)
    pem = public_pem_of(bytes(found["PublicKey"]))
    if algorithm_of(pem) != ECDSA or found.get("KeyUsage") != "SIGN_VERIFY":
        raise EvidenceKeyError(
            "evidence.key: the key of KMS is none that signs by ECDSA on P-256",
            code="evidence_key_kind",
            action="Make one of the kind ECC_NIST_P256 for SIGN_VERIFY, and name it.",
        )
    return KmsSigner(pem, fingerprint_of(pem), client, key_id, clock)


def _asked(operation: Any, clock: Clock, **parameters: Any) -> Any:
    """Ask KMS, again where that can help. Raises: EvidenceKeyError, RunError."""
    import botocore.exceptions

    def once() -> Any:
        try:
            return operation(**parameters)
        except botocore.exceptions.ClientError as error:
            raise _ours(str(error.response.get("Error", {}).get("Code") or "")) from None
        except botocore.exceptions.NoCredentialsError:
            raise _ours("UnrecognizedClientException") from None
        except botocore.exceptions.BotoCoreError as error:
            raise TransientError(f"AWS KMS did not answer ({type(error).__name__})", code="kms_unreachable") from None

    try:
        return tried(once, clock)
    except TransientError as error:
        raise RunError(
            str(error), code=error.code, action="Check the network, then run it again: nothing was signed."
        ) from None


def _ours(code: str) -> LastcopyError:
    if code in _AGAIN:
        return TransientError(f"AWS KMS cannot answer now ({code})", code="kms_unreachable")
    if code in _DENIED:
        return EvidenceKeyError(
            f"evidence.key: AWS KMS refused ({code})",
            code="evidence_key_refused",
            action="Grant kms:GetPublicKey and kms:Sign on this key, and check the credentials.",
        )
    return EvidenceKeyError(
        f"evidence.key: AWS KMS has no such key that can sign ({code})",
        code="evidence_key_missing",
        action="Correct the id after awskms:, and the region.",
    )
