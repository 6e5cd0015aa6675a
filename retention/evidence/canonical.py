"""Canonical JSON: one document, one sequence of bytes, whoever writes it.

Rules of this file: RFC 8785, by the `rfc8785` package, which takes neither integers of 2^53 or more (they become strings) nor
lone surrogates (they become the six characters `\\udXXX`). Source: design §8.
"""

import json
from collections.abc import Mapping
from typing import Any

from exporters.bag.formats import JsonObject

LARGEST = (1 << 53) - 1


def canonical(document: Mapping[str, Any]) -> bytes:
    """The canonical bytes. Raises: ValueError for what JSON cannot hold (not a number, two keys that become one)."""
    import rfc8785

    try:
        return rfc8785.dumps(plain(document))
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"this cannot be written as canonical JSON: {error}") from None


def parsed(data: bytes) -> JsonObject:
    """The document that canonical bytes hold. Raises: ValueError if they are not canonical, or no object."""
    try:
        document = json.loads(data)
        if isinstance(document, dict) and canonical(document) == data:
            return document
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    raise ValueError("it is not canonical JSON")


def plain(value: Any) -> Any:
    """The same value with what canonical JSON has no form for as text."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        found = {_text(str(key)): plain(one) for key, one in value.items()}
        if len(found) != len(value):
            raise ValueError("two keys of an object become the same text")
        return found
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > LARGEST:
        return str(value)
    return value


def _text(value: str) -> str:
    if value.isascii():
        return value
    return "".join(f"\\u{ord(one):04x}" if "\ud800" <= one <= "\udfff" else one for one in value)
