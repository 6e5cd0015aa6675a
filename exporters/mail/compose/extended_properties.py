"""Extended properties of Graph's answers as properties of a message.

Rules of this file: pure; ids are compared by their parts, whatever form the service answers them in (`String 0x1a`,
`String 0x001A`, `Integer {00062008-…} Id 0x8530`); values are text or what JSON has. What cannot be read is a
loss, never an error.
Source: reference/graph.md 3.5; reference/mapi-mapping.md §1.10; [MS-OXCDATA] 2.11.1.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from exporters.mail.compose.graph_item import filetime_of, is_unset, listing, mapping, ticks
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.property_sets import Properties
from exporters.pst import NamedProperty, Value

_KINDS = {
    "short": 0x0002, "integer": 0x0003, "float": 0x0004, "double": 0x0005, "currency": 0x0006, "applicationtime": 0x0007,
    "boolean": 0x000B, "long": 0x0014, "string": 0x001F, "systemtime": 0x0040, "clsid": 0x0048, "binary": 0x0102,
}  # fmt: skip
_MULTIPLE = 0x1000
_GUID = r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?"
_TAG = re.compile(r"([a-z]+?)(array)?\s+(0x[0-9a-f]{1,8})\Z", re.IGNORECASE)
_NAMED = re.compile(rf"([a-z]+?)(array)?\s+{_GUID}\s+(id|name)\s+(\S.*)\Z", re.IGNORECASE)
_FIRST_NAMED = 0x8000
_EMPTY_TYPE = 0xFFFF  # 0x001A001F stands for 0x001A
# What a store computes, or what belongs to the source's replication and identity (§0)
COMPUTED = frozenset(
    {0x0E07, 0x0E08, 0x0E1B, 0x0E20, 0x0E69, 0x0FF4, 0x0FF6, 0x0FF7, 0x0FF8, 0x0FF9, 0x0FFA, 0x0FFB, 0x0FFE, 0x0FFF, 0x3013,
     0x65E0, 0x65E1, 0x65E2, 0x65E3, 0x6708, 0x6709, 0x670A, 0x6748, 0x674A, 0x674D, 0x67F2, 0x67F3}
)  # fmt: skip


def extended(graph: Mapping[str, Any], losses: Losses) -> Properties:
    """All extended properties of an item, by tag or name. Times are FILETIMEs."""
    found: Properties = {}
    for name in ("singleValueExtendedProperties", "multiValueExtendedProperties"):
        for row in listing(graph.get(name)):
            wanted, value = mapping(row).get("id"), mapping(row).get("value")
            key = key_of(wanted)
            if key is None:
                losses.add("property-unreadable", f"the name {str(wanted)[:80]!r}")
            elif value is not None and (read := _value(key, value)) is not None:
                found[key] = read
            elif value is not None and not _is_nothing(key, value):
                losses.add("property-unreadable", f"the value of {str(wanted)[:80]}")
    return found


def key_of(wanted: object) -> int | NamedProperty | None:
    """The tag or name that an id stands for; None if it stands for none, or for an id that only one store knows."""
    return _key_of(wanted) if isinstance(wanted, str) else None


@lru_cache(maxsize=512)
def _key_of(wanted: str) -> int | NamedProperty | None:
    """The same few ids stand in every item."""
    text = " ".join(wanted.split())
    match = _TAG.match(text)
    if match is not None:
        kind, tag = _kind(match[1], match[2]), int(match[3], 16)
        tag = tag >> 16 if tag > _EMPTY_TYPE else tag
        return tag << 16 | kind if kind is not None and 0 < tag < _FIRST_NAMED else None
    match = _NAMED.match(text)
    kind = _kind(match[1], match[2]) if match is not None else None
    if match is None or kind is None:
        return None
    if match[4].lower() == "name":
        return NamedProperty(UUID(match[3]), match[5], kind) if len(match[5]) <= 127 else None
    try:
        number = int(match[5], 0)
    except ValueError:
        return None
    return NamedProperty(UUID(match[3]), number, kind) if 0 <= number <= 0xFFFFFFFF else None


def by_id(found: Properties, tag: int) -> Value | None:
    """The value of a property by its id, whatever its type."""
    for key, value in found.items():
        if isinstance(key, int) and key >> 16 == tag:
            return value
    return None


def kept(found: Properties, *, without: frozenset[int] = frozenset()) -> Properties:
    """Those that may stand in a message as they are: not what a store computes, nor `without` (ids)."""
    left = COMPUTED | without
    return {key: value for key, value in found.items() if isinstance(key, NamedProperty) or key >> 16 not in left}


def _kind(name: str, array: str | None) -> int | None:
    kind = _KINDS.get(name.lower())
    return None if kind is None else kind | _MULTIPLE if array else kind


def _is_nothing(key: int | NamedProperty, value: object) -> bool:
    kind = (key.kind if isinstance(key, NamedProperty) else key) & 0xFFFF
    return value in ("", [], ()) or (kind == 0x0040 and is_unset(value))


def _value(key: int | NamedProperty, value: object) -> Value | None:
    """A value as the writer takes it; None if it cannot be read, or is nothing."""
    kind = (key.kind if isinstance(key, NamedProperty) else key) & 0xFFFF
    read: Value | None = None
    if not kind & _MULTIPLE:
        read = _single(kind, value)
    else:
        values = [_single(kind & ~_MULTIPLE, one) for one in listing(value)]
        if values and all(one is not None for one in values):
            read = tuple(values)
    return read


def _single(kind: int, value: object) -> Any:
    try:
        return _READERS[kind](value.strip() if isinstance(value, str) and kind != 0x001F else value)
    except ValueError:
        return None


def _boolean(value: object) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and _is_storable(value) else None


def _whole(bits: int) -> Callable[[object], int | None]:
    return lambda value: _signed(int(str(value), 10), bits)


def _signed(value: int, bits: int) -> int | None:
    """Some answers give the bits of a number without its sign."""
    if not -(1 << bits - 1) <= value < 1 << bits:
        return None
    return value - (1 << bits) if value >= 1 << bits - 1 else value


def _bytes(text: object) -> bytes | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        return base64.b64decode(text, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _time(text: object) -> int | None:
    found = None if is_unset(text) else ticks(text)
    if found is None:
        return None
    wall, tenths, offset = found
    moved = offset.utcoffset(wall) if offset is not None else None
    if not 1602 <= wall.year <= 4500:
        return None
    return filetime_of(wall - moved if moved is not None else wall, tenths)


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any(0xD800 <= ord(letter) < 0xE000 for letter in text)


_READERS: dict[int, Callable[[object], Any]] = {
    0x0002: _whole(16),
    0x0003: _whole(32),
    0x0004: lambda value: float(str(value)),
    0x0005: lambda value: float(str(value)),
    0x0006: _whole(64),
    0x0007: lambda value: float(str(value)),
    0x000B: _boolean,
    0x0014: _whole(64),
    0x001F: _text,
    0x0040: _time,
    0x0048: lambda value: UUID(str(value)),
    0x0102: _bytes,
}
