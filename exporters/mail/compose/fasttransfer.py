"""The FastTransfer stream of an item: the container of `exportItems`, and the elements in it.

Rules of this file: pure, on a binary file that can seek; a value over 64 KiB stays in the file (`Stretch`) and is read when
somebody walks it. Every length is held against the bytes left before anything is read. What is not known is never skipped by
guessing: the stream is refused there. Source: reference/fasttransfer.md 1, 2, 6; MS-OXCFXICS 2.2.3, 2.2.4; MS-OXCDATA 2.11.1.
"""

import hashlib
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias
from uuid import UUID

from exporters.mail.compose.losses import Losses
from exporters.mail.compose.stream_errors import StreamLimit, StreamTruncated, StreamUndecodable
from exporters.mail.compose.tnef_values import codec_of

MAX_ELEMENTS = 2_000_000
MAX_RECORDS = 2_000_000
MAX_VALUE = (1 << 31) - 1
INLINE = 1 << 16
_WINDOW = 1 << 18
_MAX_NAME = 512
_CONTEXT = 32
_CONFIG, _TRANSFER_BUFFER, _IS_INTERFACE_OK, _VERSION = 1, 2, 3, 4
_LENGTHS = {_CONFIG: 8, _IS_INTERFACE_OK: 24, _VERSION: 6}
_HEAD, _TAG, _LONG = struct.Struct("<II"), struct.Struct("<HH"), struct.Struct("<I")

START_RECIP, END_RECIP, NEW_ATTACH, END_ATTACH = 0x40030003, 0x40040003, 0x40000003, 0x400E0003
START_EMBED, END_EMBED, START_MESSAGE, END_MESSAGE = 0x40010003, 0x40020003, 0x400C0003, 0x400D0003
START_FAI, ERROR_INFO = 0x40100003, 0x40180003
_MARKERS = frozenset({START_RECIP, END_RECIP, NEW_ATTACH, END_ATTACH, START_EMBED, END_EMBED, START_MESSAGE, END_MESSAGE,
                      START_FAI, ERROR_INFO})  # fmt: skip
# Of folders and of synchronisation: never in an export
_FOREIGN = frozenset({0x40090003, 0x400A0003, 0x400B0003, 0x40120003, 0x40130003, 0x40140003, 0x40150003, 0x402F0003, 0x403A0003,
                      0x403B0003, 0x4074000B, 0x4075000B, 0x407B0102, 0x407D0003})  # fmt: skip
DN_PREFIX, WARNING, NEW_FOLDER, DEL_PROP, PARTIAL, GROUP = 0x4008, 0x400F, 0x4011, 0x4016, 0x407A, 0x407C
META = frozenset({DN_PREFIX, WARNING, NEW_FOLDER, DEL_PROP, PARTIAL, GROUP})
# Properties among the numbers of markers: flags of addresses (sender, creator …), which stores do keep
_NO_MARKERS = frozenset({0x4019, 0x401A, 0x401B, 0x401C, 0x4059, 0x405A})

STRING8, STRING, BINARY, OBJECT, SERVER_ID, BOOLEAN = 0x001E, 0x001F, 0x0102, 0x000D, 0x00FB, 0x000B
MULTIPLE, IN_CODE_PAGE, UNICODE_LIST, UNICODE = 0x1000, 0x8000, 0x94B0, 0x84B0
FIXED = {
    0x0002: struct.Struct("<h"), 0x0003: struct.Struct("<i"), 0x0004: struct.Struct("<f"), 0x0005: struct.Struct("<d"),
    0x0006: struct.Struct("<q"), 0x0007: struct.Struct("<d"), 0x000A: struct.Struct("<I"), BOOLEAN: struct.Struct("<H"),
    0x0014: struct.Struct("<q"), 0x0040: struct.Struct("<Q"), 0x0048: struct.Struct("<16s"),
}  # fmt: skip
"""How values of a fixed size stand in the stream (a boolean takes two bytes)."""
_VARIABLE = frozenset({STRING8, STRING, BINARY, OBJECT, SERVER_ID})
_VARIABLE_LISTS = frozenset({MULTIPLE | STRING8, MULTIPLE | STRING, MULTIPLE | BINARY})


@dataclass(frozen=True, slots=True)
class Name:
    """What a property of the number 0x8000 and above is called."""

    property_set: UUID
    name: int | str


class Joined:
    """The payloads of the transfer buffers of a container, as one stream. version: that of the server, as in the container.

    The file must stay open, and is sought in, for as long as anything of the stream is read.
    Raises StreamTruncated if the container breaks off, StreamUndecodable if it is none.
    """

    def __init__(self, file: BinaryIO, losses: Losses) -> None:
        self._file = file
        self._starts, self._places = array("Q"), array("Q")
        self.size = 0
        self.version: tuple[int, int, int] | None = None
        self._read_records(losses)

    def _read_records(self, losses: Losses) -> None:
        file = self._file
        end = file.seek(0, 2)
        at = records = 0
        while at < end:
            if end - at < _HEAD.size:
                raise StreamTruncated(f"{end - at} bytes after the last record are no head of one")
            file.seek(at)
            opcode, length = _HEAD.unpack(file.read(_HEAD.size))
            if not records and (opcode, length) != (_CONFIG, _LENGTHS[_CONFIG]):
                raise StreamUndecodable("it does not begin as a container of exportItems does")
            at += _HEAD.size
            if length > end - at:
                raise StreamTruncated(f"record {records + 1} has {end - at} bytes of {length}")
            self._take_record(opcode, at, length, losses)
            at += length
            records += 1
            if records > MAX_RECORDS:
                raise StreamLimit(f"more than {MAX_RECORDS} records")
        if not self.size:
            raise StreamTruncated("there is no stream in the container")

    def _take_record(self, opcode: int, at: int, length: int, losses: Losses) -> None:
        if opcode == _TRANSFER_BUFFER:
            if length:
                self._starts.append(self.size)
                self._places.append(at)
                self.size += length
        elif opcode not in _LENGTHS:
            losses.add("ft-unknown-record", f"opcode {opcode} with {length} bytes")
        elif length != _LENGTHS[opcode]:
            raise StreamUndecodable(f"a record of opcode {opcode} has {length} bytes")
        elif opcode == _VERSION:
            first, second, third = struct.unpack("<3H", self._file.read(length))
            self.version = first, second, third

    def read(self, at: int, size: int) -> bytes:
        """Up to so many bytes from a place of the stream on; fewer at its end only."""
        size = min(size, self.size - at)
        if size <= 0:
            return b""
        number = bisect_right(self._starts, at) - 1
        parts = []
        while size:
            inside = at - self._starts[number]
            until = self._starts[number + 1] if number + 1 < len(self._starts) else self.size
            take = min(size, until - at)
            self._file.seek(self._places[number] + inside)
            part = self._file.read(take)
            if len(part) != take:
                raise StreamTruncated("the file became shorter while it was read", offset=at)
            parts.append(part)
            at, size, number = at + take, size - take, number + 1
        return parts[0] if len(parts) == 1 else b"".join(parts)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A large value, left where it is: iterate over it for its bytes, as often as need be."""

    joined: Joined
    at: int
    size: int

    def __iter__(self) -> Iterator[bytes]:
        for at in range(self.at, self.at + self.size, _WINDOW):
            yield self.joined.read(at, min(_WINDOW, self.at + self.size - at))


Raw: TypeAlias = int | float | bytes | Stretch | list[int] | list[float] | list[bytes]
"""A value as it stands: numbers, 16 bytes of a GUID; strings and binaries as their bytes, terminator and all."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Where an object begins or ends."""

    value: int
    at: int


@dataclass(frozen=True, slots=True)
class Property:
    """A property, or a meta-property (`pid` in META). kind: its type in the stream; `at`: where it begins."""

    kind: int
    pid: int
    name: Name | None
    value: Raw
    at: int


class Elements:
    """The elements of a stream, one after another."""

    def __init__(self, joined: Joined) -> None:
        self._joined = joined
        self._window, self._window_at = b"", 0
        self._at = 0
        self._count = 0

    def __iter__(self) -> Iterator[Marker | Property]:
        """Raises StreamUndecodable, StreamLimit."""
        while self._at < self._joined.size:
            self._count += 1
            if self._count > MAX_ELEMENTS:
                raise StreamLimit(f"more than {MAX_ELEMENTS} elements", offset=self._at)
            yield self._element()

    def refused(self, why: str, at: int) -> StreamUndecodable:
        """The error for what stands at a place, with a digest of the bytes there."""
        digest = hashlib.sha256(self._joined.read(at, _CONTEXT)).hexdigest()[:16]
        return StreamUndecodable(f"{why}; SHA-256 of the bytes there begins {digest}", offset=at)

    # ---------------------------------------------------------------------------------------------------- bytes

    def _take(self, size: int, start: int) -> bytes:
        """The next bytes, which must be there. start: of the element."""
        if size > self._joined.size - self._at:
            raise self.refused(f"{self._joined.size - self._at} bytes are left where {size} are announced", start)
        inside = self._at - self._window_at
        if inside + size > len(self._window):
            self._window, self._window_at, inside = self._joined.read(self._at, max(size, _WINDOW)), self._at, 0
        self._at += size
        return self._window[inside : inside + size]

    def _number(self, start: int) -> int:
        return int(_LONG.unpack(self._take(4, start))[0])

    # ------------------------------------------------------------------------------------------------- elements

    def _element(self) -> Marker | Property:
        start = self._at
        kind, pid = _TAG.unpack(self._take(4, start))
        tag = pid << 16 | kind
        if tag in _MARKERS:
            return Marker(tag, start)
        if tag in _FOREIGN:
            raise self.refused(f"marker 0x{tag:08X} belongs to folders or synchronisation", start)
        if kind == 0x0003 and 0x4000 <= pid <= 0x40FF and pid not in META and pid not in _NO_MARKERS:
            raise self.refused(f"unknown marker 0x{tag:08X}", start)
        name = self._name(start) if pid >= 0x8000 else None
        value = self._value(kind, tag, start)
        return Property(kind, pid, name, value, start)

    def _name(self, start: int) -> Name:
        property_set = UUID(bytes_le=self._take(16, start))
        kind = self._take(1, start)[0]
        if kind == 0:
            return Name(property_set, self._number(start))
        if kind != 1:
            raise self.refused(f"a property is named in the unknown way {kind}", start)
        letters = bytearray()
        while (letter := self._take(2, start)) != b"\0\0":
            letters += letter
            if len(letters) > _MAX_NAME:
                raise self.refused(f"a property's name is longer than {_MAX_NAME} bytes", start)
        return Name(property_set, letters.decode("utf-16-le", "replace"))

    def _value(self, kind: int, tag: int, start: int) -> Raw:
        if kind in FIXED:
            return FIXED[kind].unpack(self._take(FIXED[kind].size, start))[0]  # type: ignore[no-any-return]
        if kind in _VARIABLE:
            return self._sized(start)
        if kind == UNICODE_LIST:
            return self._unicode_list(start)
        if kind & IN_CODE_PAGE and code_page(kind) is not None:
            return self._sized(start)
        if kind in _VARIABLE_LISTS:
            return self._list(start)
        if kind & MULTIPLE and kind ^ MULTIPLE in FIXED:
            return self._fixed_list(FIXED[kind ^ MULTIPLE], start)
        raise self.refused(f"property 0x{tag:08X} is of an unknown type", start)

    def _sized(self, start: int) -> bytes | Stretch:
        size = self._number(start)
        if size <= INLINE:
            return self._take(size, start)
        left = self._joined.size - self._at
        if size > min(left, MAX_VALUE):
            raise self.refused(f"{left} bytes are left where {size} are announced", start)
        stretch = Stretch(self._joined, self._at, size)
        self._at += size
        return stretch

    def _count_of(self, least: int, start: int) -> int:
        """A number of values, of which each takes at least so many bytes."""
        count = self._number(start)
        if count * least > self._joined.size - self._at:
            raise self.refused(f"{count} values are announced", start)
        return count

    def _list(self, start: int) -> list[bytes]:
        return [self._take(self._number(start), start) for _ in range(self._count_of(4, start))]

    def _fixed_list(self, form: struct.Struct, start: int) -> list[int] | list[float] | list[bytes]:
        count = self._count_of(form.size, start)
        return [one for (one,) in form.iter_unpack(self._take(count * form.size, start))]

    def _unicode_list(self, start: int) -> list[bytes] | bytes | Stretch:
        """Values of type 0x94B0, which nobody has seen: a list, or else one string, whatever the next element confirms."""
        begin = self._at
        for read in (self._list, self._sized):
            self._at = begin
            try:
                found = read(start)
            except StreamUndecodable:
                continue
            if _is_text(found) and self._goes_on():
                return found
        raise self.refused("a list of strings is in a form that is not known", start)

    def _goes_on(self) -> bool:
        """Whether an element could begin here."""
        data = self._joined.read(self._at, 4)
        if not data:
            return True
        if len(data) < 4:
            return False
        kind, pid = _TAG.unpack(data)
        if pid << 16 | kind in _MARKERS:
            return True
        known = kind in FIXED or kind in _VARIABLE or kind in _VARIABLE_LISTS or kind == UNICODE_LIST
        known = known or bool(kind & MULTIPLE and kind ^ MULTIPLE in FIXED)
        return bool(pid) and (known or bool(kind & IN_CODE_PAGE and code_page(kind) is not None))


def _is_text(found: list[bytes] | bytes | Stretch) -> bool:
    """Whether it may be UTF-16: of whole units."""
    if isinstance(found, list):
        return not any(len(one) % 2 for one in found)
    return not (found.size if isinstance(found, Stretch) else len(found)) % 2


def code_page(kind: int) -> str | None:
    """Python's codec of strings of a type 0x8000 | code page; None if there is none. Code pages above 32767 have the bit
    themselves, so both readings are tried, the smaller number first."""
    return codec_of(kind ^ IN_CODE_PAGE) or codec_of(kind)
