"""Property values as bytes: one encoder per property type.

Rules of this file: pure. A value that its type cannot hold is refused, never bent: lone surrogates, NULs inside
strings, integers out of range, times before 1601 or after 9999 or without a zone. Lengths are those [MS-PST] stores,
without terminators.
Source: [MS-PST] 2.3.3.3, 2.3.3.4; [MS-OXCDATA] 2.11.1; reference/pst-format.md §5.3.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import TypeAlias
from uuid import UUID

from exporters.pst.errors import ValueRefused

Value: TypeAlias = (
    int | float | str | bytes | datetime | UUID | Sequence[int] | Sequence[float] | Sequence[str] | Sequence[bytes]
    | Sequence[datetime] | Sequence[UUID] | Iterable[bytes] | Iterable[str]
)  # fmt: skip


class PropertyType(IntEnum):
    """Types of values, with what Python passes for them ([MS-OXCDATA] 2.11.1). MULTIPLE or'ed in: a sequence of these."""

    INTEGER16 = 0x0002  # int
    INTEGER32 = 0x0003  # int, signed
    FLOATING32 = 0x0004  # float
    FLOATING64 = 0x0005  # float
    CURRENCY = 0x0006  # int, ten-thousandths
    FLOATING_TIME = 0x0007  # float, days since 1899-12-30
    ERROR_CODE = 0x000A  # int, unsigned
    BOOLEAN = 0x000B  # bool
    OBJECT = 0x000D  # bytes or pieces of bytes: goes into a subnode
    INTEGER64 = 0x0014  # int, signed
    STRING = 0x001F  # str or pieces of str
    TIME = 0x0040  # aware datetime, or int: 100 ns since 1601-01-01 UTC
    GUID = 0x0048  # UUID, or 16 bytes as stored
    BINARY = 0x0102  # bytes or pieces of bytes
    MULTIPLE = 0x1000


INLINE = frozenset({0x0002, 0x0003, 0x0004, 0x000A, 0x000B})  # stored in the record itself
IN_PIECES = frozenset({0x000D, 0x001F, 0x0102})  # may be given in pieces
FIXED_SIZE = {
    0x0002: 2, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 1, 0x0014: 8, 0x0040: 8, 0x0048: 16,
}  # fmt: skip
LAST_FILETIME = 2650467743999999999  # 9999-12-31T23:59:59.9999999Z
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_SLICE = 1 << 18


def filetime(value: datetime | int) -> int:
    """100 ns since 1601-01-01 UTC. Raises ValueRefused before 1601, after 9999, and for a datetime without a zone."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueRefused("a time without a zone")
        try:
            since = value - _EPOCH
        except OverflowError as error:
            raise ValueRefused(f"{value.isoformat()} is outside the years 1601 to 9999") from error
        value = (since.days * 86400 + since.seconds) * 10_000_000 + since.microseconds * 10
    if not 0 <= value <= LAST_FILETIME:
        raise ValueRefused(f"a time outside the years 1601 to 9999 (FILETIME {value})")
    return value


def text(value: str) -> bytes:
    """UTF-16LE without terminator. Raises ValueRefused for NULs and lone surrogates."""
    if "\0" in value:
        raise ValueRefused(f"a NUL at character {value.index(chr(0))} of a string")
    try:
        return value.encode("utf-16-le")
    except UnicodeEncodeError as error:
        raise ValueRefused(f"a lone surrogate at character {error.start} of a string") from error


def _packed(form: str, kind: str) -> Callable[[int | float], bytes]:
    pack = struct.Struct(form).pack

    def encode(value: int | float) -> bytes:
        try:
            return pack(value)
        except (struct.error, OverflowError) as error:
            raise ValueRefused(f"{value!r} is no {kind}") from error

    return encode


def _boolean(value: int) -> bytes:
    if value not in (0, 1):
        raise ValueRefused(f"{value!r} is neither true nor false")
    return b"\1" if value else b"\0"


def _guid(value: UUID | bytes) -> bytes:
    stored = value.bytes_le if isinstance(value, UUID) else _binary(value)
    if len(stored) != 16:
        raise ValueRefused(f"a GUID of {len(stored)} bytes")
    return stored


def _binary(value: bytes) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise ValueRefused(f"{type(value).__name__} where bytes belong")
    return bytes(value)


_pack_time = struct.Struct("<Q").pack
_ENCODERS: dict[int, Callable[..., bytes]] = {
    0x0002: _packed("<h", "16-bit integer"),
    0x0003: _packed("<i", "32-bit integer"),
    0x0004: _packed("<f", "32-bit number"),
    0x0005: _packed("<d", "number"),
    0x0006: _packed("<q", "amount of money"),
    0x0007: _packed("<d", "number of days"),
    0x000A: _packed("<I", "error code"),
    0x000B: _boolean,
    0x0014: _packed("<q", "64-bit integer"),
    0x001F: text,
    0x0040: lambda value: _pack_time(filetime(value)),
    0x0048: _guid,
    0x0102: _binary,
}
_MULTIPLE_FIXED = frozenset({0x1002, 0x1003, 0x1004, 0x1005, 0x1006, 0x1007, 0x1014, 0x1040, 0x1048})
_MULTIPLE_VARIABLE = frozenset({0x101F, 0x1102})


def encode(kind: int, value: Value) -> bytes:
    """The stored bytes of a whole value; b"" for an empty string, binary or list.

    Raises ValueRefused for an unknown type and for a value that the type cannot hold.
    """
    encoder = _ENCODERS.get(kind)
    try:
        if encoder is not None:
            return encoder(value)
        if kind in _MULTIPLE_FIXED or kind in _MULTIPLE_VARIABLE:
            return _multiple(kind, value)
    except (TypeError, AttributeError, struct.error) as error:
        raise ValueRefused(f"{type(value).__name__} where type 0x{kind:04X} is written") from error
    raise ValueRefused(f"type 0x{kind:04X} cannot be written")


def _multiple(kind: int, values: object) -> bytes:
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise ValueRefused(f"{type(values).__name__} where a list belongs")
    single = _ENCODERS[kind & ~PropertyType.MULTIPLE]
    elements = [single(value) for value in values]
    if kind in _MULTIPLE_FIXED or not elements:
        return b"".join(elements)
    offsets = []
    at = 4 + 4 * len(elements)
    for element in elements:
        offsets.append(at)
        at += len(element)
    return struct.pack(f"<{len(elements) + 1}I", len(elements), *offsets) + b"".join(elements)


def pieces(kind: int, value: Value) -> Iterator[bytes] | None:
    """The value piece by piece if it was given in pieces, or is too long to be encoded at once; else None.

    Pieces are checked as they come: the iterator raises ValueRefused.
    """
    if kind == PropertyType.STRING:
        if isinstance(value, str):
            return _text_pieces(_slices(value)) if len(value) > _SLICE else None
        return _text_pieces(value)
    if kind in (PropertyType.BINARY, PropertyType.OBJECT):
        if isinstance(value, bytes | bytearray | memoryview):
            return iter((bytes(value),)) if kind == PropertyType.OBJECT else None
        return _binary_pieces(value)
    return None


def _slices(value: str) -> Iterator[str]:
    for at in range(0, len(value), _SLICE):
        yield value[at : at + _SLICE]


def _text_pieces(value: object) -> Iterator[bytes]:
    if not isinstance(value, Iterable):
        raise ValueRefused(f"{type(value).__name__} where a string belongs")
    for piece in value:
        if not isinstance(piece, str):
            raise ValueRefused(f"a piece of {type(piece).__name__} in a string")
        yield text(piece)


def _binary_pieces(value: object) -> Iterator[bytes]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueRefused(f"{type(value).__name__} where bytes belong")
    for piece in value:
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise ValueRefused(f"a piece of {type(piece).__name__} in a binary value")
        yield bytes(piece)
