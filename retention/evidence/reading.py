"""Reads what a signed package says of itself, wherever it lies.

Rules of this file: what is told was signed by the key that lies beside it; whether that key is believed is another question
(`trust`).
Source: design §8.
"""

import hashlib
from dataclasses import dataclass

from exporters.bag.formats import JsonObject, load_json
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.evidence.chain import DOCUMENT, REPORTED, SIGNATURE
from retention.evidence.keys import fingerprint_of, verify_signature
from retention.evidence.package import PUBLIC_KEY
from retention.evidence.shape import require_shape


@dataclass(frozen=True, slots=True)
class Signed:
    """A package by its own, signed word. evidence: SHA-256 of evidence.json; full: the one that a redacted package stands
    for; segment: the newest of the journal when it was made."""

    package: str
    evidence: str
    fingerprint: str
    previous: JsonObject | None
    full: JsonObject | None
    segment: int

    def as_previous(self) -> JsonObject:
        """As the next package names it."""
        return {"package": self.package, "evidence": self.evidence}

    def follows(self, newest: JsonObject | None) -> bool:
        """Whether it comes right after this package (a redacted one: stands for it)."""
        return (self.full if self.full is not None else self.previous) == newest


def read_signed(store: Store, place: str) -> Signed | None:
    """The package below `place` (empty, or ends in `/`); None if it is not whole enough to be believed in anything.

    Raises: errors of the store.
    """
    try:
        data, signature, key = (store.read(f"{place}{name}") for name in (DOCUMENT, SIGNATURE, PUBLIC_KEY))
        document = load_json(data)
        require_shape(document)
        if not verify_signature(str(document.get("signature_algorithm")), key, signature, data):
            return None
        about = document["package"]
        evidence = hashlib.sha256(data).hexdigest()
        segment = int(document["integrity"]["journal"]["segment"])
        return Signed(str(about["name"]), evidence, fingerprint_of(key), about["previous"], about["full"], segment)
    except (ObjectMissingError, ValueError):
        return None


def row_of(package: str, evidence: str, fingerprint: str, *, is_redacted: bool) -> JsonObject:
    """The row of the journal that names a package."""
    row: JsonObject = {"type": REPORTED, "package": package, "evidence": evidence, "signature_key": fingerprint}
    return {**row, "redacted": True} if is_redacted else row
