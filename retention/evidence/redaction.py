"""Names become `x-` and 16 digits in a package that leaves the house.

Rules of this file: by allow-list (`redaction_list`): what is not on it is replaced, in documents, in their keys, in tables.
The same string becomes the same digits in every package, by an HMAC whose key lies beside the configuration, never in one.
Source: issue 10 (6), design §8; docs/decisions/0094.

    veil = NameVeil(redaction_key(config), keeps_hashes=False)
    veil.document({"tenant": {"id": "contoso"}})        # {"tenant": {"id": "x-5d41402abc4b2a76"}}
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from exporters.bag.formats import JsonObject
from retention.config import Config
from retention.evidence.errors import EvidenceKeyError
from retention.evidence.keys import create_private
from retention.evidence.redaction_list import CODE, CODE_MAPS, EXACT, FIELDS, FORMS, LEFT_OUT, RUN, TEXTS
from retention.references import open_to_others

KEY_FILE = "evidence-redaction.key"
_REFERENCE = f"file:./{KEY_FILE}"
_KEY_BYTES = 32
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class NameVeil:
    """See `contents.Veil`. sentences: fixed texts of ours, which stand clear where sentences stand."""

    key: bytes
    keeps_hashes: bool
    sentences: Set[str] = frozenset()

    def document(self, document: JsonObject) -> JsonObject:
        """See `Veil.document`."""
        return self._object("", document)

    def cell(self, column: str, value: Any) -> str:
        """See `Veil.cell`."""
        if column in LEFT_OUT:
            return str(value) if self.keeps_hashes and value is not None else ""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(self._value("", column, value))

    def _object(self, name: str, value: Mapping[str, Any]) -> JsonObject:
        return {self._key(name, str(key)): self._value(name, str(key), one) for key, one in value.items()}

    def _key(self, name: str, key: str) -> str:
        if key in FIELDS or (name in CODE_MAPS and CODE.fullmatch(key)) or (name == "runs" and RUN.fullmatch(key)):
            return key
        return self.replaced(key)

    def _value(self, above: str, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return value if self._is_clear(above, name, value) else self.replaced(value)
        if isinstance(value, Mapping):
            return self._object(name, value)
        if isinstance(value, list | tuple):
            return [self._value(above, name, one) for one in value]
        return value

    def _is_clear(self, above: str, name: str, value: str) -> bool:
        form = EXACT.get((above, name)) or FORMS.get(name)
        is_ours = name in TEXTS and value in self.sentences
        return not value or is_ours or (form is not None and form.fullmatch(value) is not None)

    def replaced(self, text: str) -> str:
        """What stands in the place of a string."""
        digest = hmac.new(self.key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"x-{digest[:_DIGITS]}"


def redaction_key(config: Config) -> bytes:
    """The key of the house, made when there is none. Raises: EvidenceKeyError."""
    place = config.base / KEY_FILE
    try:
        create_private(place, secrets.token_hex(_KEY_BYTES).encode() + b"\n")
    except FileExistsError:
        pass  # the one that is used since the first redacted package
    except OSError as error:
        raise _unusable(f"{place} cannot be made ({error.strerror})") from None
    if open_to_others(_REFERENCE, config.base):
        raise _unusable(f"others on this machine can read {place}, and with it undo every redaction")
    try:
        key = bytes.fromhex(place.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raise _unusable(f"{place} cannot be read as a key") from None
    if len(key) != _KEY_BYTES:
        raise _unusable(f"{place} holds no key of {_KEY_BYTES} bytes")
    return key


def _unusable(why: str) -> EvidenceKeyError:
    return EvidenceKeyError(
        why, code="redaction_key_unusable", action="Let it be a file that only you can read (chmod 600), or remove it."
    )
