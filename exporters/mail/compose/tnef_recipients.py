"""Rows of a recipient table from what TNEF says of a recipient.

Rules of this file: pure. A row has every column that a PST's table must have; what belongs to the sender's tables is made anew.
An SMTP address wins over an X.500 one, which means nothing outside its organisation.
Source: [MS-OXTNEF] 2.1.3.3.22 (attRecipTable); reference/mapi-mapping.md §1.2, §1.3.
"""

from uuid import UUID

from exporters.mail.compose.tnef_values import Properties, described
from exporters.pst import NamedProperty, Value, recipient

_NAME, _TYPE, _ADDRESS, _SMTP, _KIND = 0x3001001F, 0x3002001F, 0x3003001F, 0x39FE001F, 0x0C150003
_ADDRESS_BOOK = UUID("c840a7dc-42c0-1a10-b4b9-08002b2fe182").bytes_le
NO_NAME = "(no name)"
# What recipient() fills in from name and address, and must not be contradicted by the sender's tables
_OWN = frozenset({0x0E0F, 0x0FF9, 0x0FFF, 0x3001, 0x3002, 0x3003, 0x300B, 0x39FE, 0x39FF, 0x5FF6, 0x5FF7, 0x0C15})


def row(properties: Properties, kinds: dict[int, int]) -> dict[int, Value]:
    """One row. `kinds` (id -> type) is shared by the rows of a table: a column has one type, a second one is a loss."""
    values = properties.values

    def text(tag: int) -> str:
        value = values.get(tag)
        return value if isinstance(value, str) else ""

    kind = values.get(_KIND)
    kind = kind & 0xF if isinstance(kind, int) and kind & 0xF in (0, 1, 2, 3) else 1
    address, address_type, smtp = text(_ADDRESS), text(_TYPE).upper() or "SMTP", text(_SMTP)
    if address_type == "EX" and smtp:
        address, address_type = smtp, "SMTP"
    elif address_type == "EX":
        properties.findings.add("address-x500", f"{properties.place}: {address}")
    name = text(_NAME) or address or smtp
    if not name:
        properties.findings.add("recipient-without-name", f"{properties.place} has neither a name nor an address")
    made = recipient(kind, name or NO_NAME, address or smtp, address_type)
    if address_type == "EX":  # an entry of an address book ([MS-OXCDATA] 2.2.5.2)
        user = 1 if values.get(0x39000003) in (1, 5) else 0
        entry = bytes(4) + _ADDRESS_BOOK + (1).to_bytes(4, "little") + user.to_bytes(4, "little")
        made[0x0FFF0102] = made[0x0FF90102] = entry + address.encode("ascii", "replace") + b"\0"
    if 0x39FF001F in values and text(0x39FF001F):
        made[0x39FF001F] = text(0x39FF001F)
    for key, value in values.items():
        if isinstance(key, NamedProperty):
            properties.findings.add(
                "tnef-property", f"{properties.place}: {described(key)} has no place in a table of recipients"
            )
        elif key >> 16 not in _OWN:
            if (
                key & 0xFFFF == 0x000D
                or kinds.setdefault(key >> 16, key & 0xFFFF) != key & 0xFFFF
                or _other_type(key, made)
            ):
                properties.findings.add(
                    "tnef-property", f"{properties.place}: {described(key)} is of another type than its column"
                )
            else:
                made[key] = value
    return made


def _other_type(key: int, made: dict[int, Value]) -> bool:
    return any(tag >> 16 == key >> 16 and tag != key for tag in made)
