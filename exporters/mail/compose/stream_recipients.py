"""Rows of a recipient table from the recipients of a stream.

Rules of this file: pure. What the stream says stands as it is; what a row of a PST must have besides is filled in by the rules of
mail. A column has one type: a value of another one is left out with a loss, and so is what has a name instead of a number.
Source: reference/fasttransfer.md 5 (recipient list); reference/mapi-mapping.md 1.2, 1.3.
"""

import struct

from exporters.mail.compose.fasttransfer_grammar import Properties
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.stream_values import Converter, LongText
from exporters.pst import NamedProperty, Value, recipient

_NAME, _TYPE, _ADDRESS, _SMTP, _KIND = 0x3001001F, 0x3002001F, 0x3003001F, 0x39FE001F, 0x0C150003
_RECORD_KEY, _ENTRY_ID, _DISPLAY_TYPE = 0x0FF90102, 0x0FFF0102, 0x39000003
_EX_PROVIDER = bytes.fromhex("00000000dca740c8c042101ab4b908002b2fe182")
_NO_NAME = "(no name)"
_LIST = 1  # PidTagDisplayType of a distribution list
_STORE_LOCAL = frozenset({0x0E12, 0x0E13, 0x0FF4, 0x0FF7, 0x0FFA, 0x0FFB})
_TYPES = {tag >> 16: tag for tag in recipient(1, "", "")}
_MAX_COLUMNS = 200  # beside those of the template; 255 are possible


def recipients(found: list[Properties], converter: Converter, losses: Losses) -> list[dict[int, Value]]:
    """The rows, in the stream's order."""
    types = dict(_TYPES)
    return [_row(converter, one, number, types, losses) for number, one in enumerate(found, 1)]


def _row(
    converter: Converter, found: Properties, number: int, types: dict[int, int], losses: Losses
) -> dict[int, Value]:
    place = f"recipient {number}"
    values: dict[int, Value] = {}
    for key, value in converter.converted(found.values(), _STORE_LOCAL).items():
        if isinstance(key, NamedProperty):
            losses.add("ft-recipient", f"{place}: a property with a name")
        elif types.get(key >> 16, key) != key or (key >> 16 not in types and len(types) >= _MAX_COLUMNS):
            losses.add("ft-recipient", f"{place}: property 0x{key:08X}")
        else:
            types[key >> 16] = key
            values[key] = "".join(value) if isinstance(value, LongText) else value
    values = {key: _whole(value) for key, value in values.items()}
    kind = values.get(_KIND)
    kind = kind & 0xF if isinstance(kind, int) else 1
    return {**_filled(values, kind, place, losses), **values, _KIND: kind}


def _whole(value: Value) -> Value:
    """Tables take no values in pieces."""
    if isinstance(value, str | bytes | int | float) or not hasattr(value, "joined"):
        return value
    return b"".join(piece for piece in value if isinstance(piece, bytes))  # type: ignore[union-attr]


def _filled(values: dict[int, Value], kind: int, place: str, losses: Losses) -> dict[int, Value]:
    """What a row must have, from its name and address."""

    def text(tag: int) -> str:
        value = values.get(tag)
        return value if isinstance(value, str) else ""

    address, smtp = text(_ADDRESS), text(_SMTP)
    address_type = text(_TYPE).upper() or ("EX" if address.lower().startswith("/o=") else "SMTP")
    if address_type == "EX" and not smtp:
        losses.add("address-x500", place)
    elif not (address or smtp):
        losses.add("address-missing", place)
    name = text(_NAME) or address or smtp or _NO_NAME
    made = recipient(kind, name, address or smtp, address_type)
    if not (address or smtp):
        made.pop(_SMTP, None)
    if address_type == "EX":
        member = _LIST if values.get(_DISPLAY_TYPE) == _LIST else 0
        entry = _EX_PROVIDER + struct.pack("<II", 1, member) + address.encode("ascii", "replace") + b"\0"
        made[_ENTRY_ID] = made[_RECORD_KEY] = entry
    given = values.get(_ENTRY_ID)
    if isinstance(given, bytes) and given:
        made[_RECORD_KEY] = given
    return {tag: value for tag, value in made.items() if tag not in values}
