"""Property lists inside TNEF: tags, names and values of attMsgProps, attRecipTable and attAttachment.

Rules of this file: pure. A value is read whole or not at all; what is dropped, cut or changed leaves a loss. What belongs to
the sender's store, or is computed by the PST writer, is left out without one (LEFT_OUT): it says nothing about the message.
Source: [MS-OXTNEF] 2.1.3.4 (attMsgProps, attRecipTable, attAttachment); [MS-OXCDATA] 2.11.1 (types);
reference/mapi-mapping.md §0 ("Identity is not carried over", "Empty against absent").
"""

import codecs
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from exporters.mail.compose.losses import Loss
from exporters.pst import NamedProperty, PropertyType, Value

PS_MAPI = UUID("00020328-0000-0000-c000-000000000046")
PS_INTERNET_HEADERS = UUID("00020386-0000-0000-c000-000000000046")
LAST_FILETIME = 2650467743999999999  # 9999-12-31; the writer refuses later ones
DATA_OBJECT, DATA_BINARY = 0x3701000D, 0x37010102

# Ids (without type) of what only the sender's store, or the table around the object, means: entry ids, record keys, access,
# row ids, sizes, counts, change keys, and what Outlook computes (reference/mapi-mapping.md §0; [MS-OXPROPS])
LEFT_OUT = frozenset({
    0x0E05, 0x0E08, 0x0E09, 0x0E0A, 0x0E12, 0x0E13, 0x0E14, 0x0E17, 0x0E1B, 0x0E1D, 0x0E20, 0x0E21, 0x0E23, 0x0E27, 0x0E2F,
    0x0E30, 0x0E33, 0x0E34, 0x0E38, 0x0E3C, 0x0E3D, 0x0E58, 0x0E59, 0x0E69, 0x0E6A, 0x0E79, 0x0E99, 0x0E9A,
    0x0FF4, 0x0FF5, 0x0FF6, 0x0FF7, 0x0FF8, 0x0FF9, 0x0FFA, 0x0FFB, 0x0FFF,
    0x3000, 0x3013, 0x340D, 0x340F, 0x65E0, 0x65E1, 0x65E2, 0x65E3, 0x6708, 0x6709, 0x670A, 0x6748, 0x6749, 0x674A, 0x674D,
    0x674E, 0x67F2, 0x67F3, 0x6814,
})  # fmt: skip

# Ids that the writer, or this package, sets or reads itself: another type than these would be a second property of that id
_TYPES = {
    0x001A: (0x001F,), 0x0037: (0x001F,), 0x0039: (0x0040,), 0x0E06: (0x0040,), 0x0E07: (0x0003,), 0x3001: (0x001F,),
    0x3007: (0x0040,), 0x3008: (0x0040,), 0x300B: (0x0102,), 0x3701: (0x000D, 0x0102), 0x3704: (0x001F,), 0x3705: (0x0003,),
    0x3707: (0x001F,), 0x370B: (0x0003,),
}  # fmt: skip

_FIXED: dict[int, tuple[int, Callable[[bytes], Value]]] = {
    0x0002: (4, lambda raw: struct.unpack_from("<h", raw)[0]),
    0x0003: (4, lambda raw: struct.unpack("<i", raw)[0]),
    0x0004: (4, lambda raw: struct.unpack("<f", raw)[0]),
    0x0005: (8, lambda raw: struct.unpack("<d", raw)[0]),
    0x0006: (8, lambda raw: struct.unpack("<q", raw)[0]),
    0x0007: (8, lambda raw: struct.unpack("<d", raw)[0]),
    0x000A: (4, lambda raw: struct.unpack("<I", raw)[0]),
    0x000B: (4, lambda raw: raw[:2] != b"\0\0"),
    0x0014: (8, lambda raw: struct.unpack("<q", raw)[0]),
    0x0040: (8, lambda raw: struct.unpack("<Q", raw)[0]),
    0x0048: (16, lambda raw: UUID(bytes_le=raw)),
}
_NONE, _STRING8, _STRING, _BINARY, _OBJECT = 0x0001, 0x001E, 0x001F, 0x0102, 0x000D
_VARIABLE = frozenset({_STRING8, _STRING, _BINARY, _OBJECT})
_MULTIPLE = 0x1000
_WRITABLE_LISTS = frozenset({0x1002, 0x1003, 0x1004, 0x1005, 0x1006, 0x1007, 0x1014, 0x1040, 0x1048, 0x101F, 0x1102})
_CODECS = {
    936: "gb18030", 1200: "utf-16-le", 1201: "utf-16-be", 10000: "mac_roman", 20127: "ascii", 20866: "koi8_r", 20936: "gb2312",
    20932: "euc_jp", 21866: "koi8_u", 50220: "iso2022_jp", 50221: "iso2022_jp_ext", 50222: "iso2022_jp", 50225: "iso2022_kr",
    51932: "euc_jp", 51936: "gb2312", 51949: "euc_kr", 52936: "hz", 54936: "gb18030", 65000: "utf-7", 65001: "utf-8",
}  # fmt: skip


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Truncated(Exception):
    """The data end, or stop making sense, in the middle of a list of properties."""


@dataclass
class Findings:
    """Losses in the order in which they were found, each once."""

    losses: dict[Loss, None] = field(default_factory=dict)

    def add(self, code: str, detail: str) -> None:
        self.losses.setdefault(Loss(code, detail))


@dataclass
class Properties:
    """Properties of one object: a property that comes twice keeps its first value, and one of another type is a loss."""

    place: str
    findings: Findings
    values: dict[int | NamedProperty, Value] = field(default_factory=dict)
    _known: dict[object, int | NamedProperty] = field(default_factory=dict)

    def add(self, key: int | NamedProperty, value: Value) -> None:
        if isinstance(key, int) and key & 0xFFFF not in _TYPES.get(key >> 16, (key & 0xFFFF,)):
            self.findings.add("tnef-property", f"{self.place}: {described(key)} is not of the type that it must have")
            return
        if (key.kind if isinstance(key, NamedProperty) else key & 0xFFFF) == _OBJECT and key != DATA_OBJECT:
            self.findings.add("tnef-property", f"{self.place}: {described(key)} is an object and is left out")
            return
        known = self._known.setdefault(_identity(key), key)
        if self.values.setdefault(known, value) != value or known != key:
            self.findings.add("tnef-property", f"{self.place}: {described(key)} comes twice, the first value is kept")

    def offer(self, tag: int, value: Value) -> None:
        """Add what a legacy attribute says, where nothing is known by that id yet."""
        if _identity(tag) not in self._known:
            self.add(tag, value)

    def take(self, tag: int) -> Value | None:
        """Remove and give back a property; None when it is not there in that type."""
        if tag in self.values:
            self._known.pop(_identity(tag), None)
        return self.values.pop(tag, None)


def _identity(key: int | NamedProperty) -> object:
    if isinstance(key, int):
        return key >> 16
    name = key.name
    if key.property_set == PS_INTERNET_HEADERS and isinstance(name, str):
        name = name.lower()  # as the writer does
    return key.property_set, name


def described(key: int | NamedProperty) -> str:
    """A property as people name it."""
    if isinstance(key, int):
        return f"property 0x{key:08X}"
    name = key.name if isinstance(key.name, str) else f"0x{key.name:04X}"
    return f"property {{{key.property_set}}}:{name}"


def codec_of(code_page: int) -> str | None:
    """Python's name of a Windows code page, None if it has no such codec."""
    iso = 28591 <= code_page <= 28606
    name = f"iso8859_{code_page - 28590}" if iso else _CODECS.get(code_page, f"cp{code_page}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None


def decoded(raw: bytes, codec: str, place: str, findings: Findings) -> str:
    """Text without its terminator. What cannot be stored in a PST, and undecodable bytes, become U+FFFD with a loss."""
    text = raw.decode(codec, "replace").rstrip("\0")
    text = _UNSTORABLE.sub("\ufffd", text)
    if "\ufffd" in text and not raw.startswith(text.encode(codec, "replace")):
        findings.add("text-replaced", f"{place}: characters that cannot be stored were replaced")
    return text


@dataclass
class ListReader:
    """Reads property lists from the data of one attribute; `codec` is that of 8-bit strings."""

    data: bytes
    codec: str
    findings: Findings
    at: int = 0

    def take(self, size: int, aligned: int | None = None) -> bytes:
        if size > len(self.data) - self.at:
            raise Truncated(f"{len(self.data) - self.at} bytes are left where {size} are announced")
        raw = self.data[self.at : self.at + size]
        self.at += size if aligned is None else min(aligned, len(self.data) - self.at)
        return raw

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def sized(self) -> bytes:
        """A length and as many bytes, filled up to a multiple of four."""
        size = self.u32()
        return self.take(size, (size + 3) & ~3)

    def into(self, properties: Properties) -> None:
        """Read one list into `properties`. Raises Truncated after what could be read."""
        for _ in range(self.u32()):
            for key, value in self._property(properties.place):
                properties.add(key, value)

    def _property(self, place: str) -> Iterator[tuple[int | NamedProperty, Value]]:
        """One property as the writer takes it, or none if it is left out."""
        kind, pid = struct.unpack("<HH", self.take(4))
        name = self._name(place) if pid >= 0x8000 else None
        base = kind & ~_MULTIPLE
        if kind in (0, _NONE):  # announced without a value
            self.findings.add("tnef-property", f"{place}: property 0x{pid:04X} of type 0x{kind:04X} has no value")
            return
        if base not in _FIXED and base not in _VARIABLE:
            raise Truncated(f"property 0x{pid:04X} has the unknown type 0x{kind:04X}")
        where = f"{place}: property 0x{pid:04X}"
        raws = self._raw_values(kind, base)
        if pid in LEFT_OUT or (isinstance(name, tuple) and name[1] in LEFT_OUT and name[0] == PS_MAPI):
            return
        if pid >= 0x8000 and name is None:  # it has no usable name; said already
            return
        if not kind & _MULTIPLE and len(raws) != 1:
            self.findings.add("tnef-property", f"{where} has {len(raws)} values where one belongs")
            raws = raws[:1]
        values = [value for value in (self._value(base, raw, where) for raw in raws) if value is not None]
        if not kind & _MULTIPLE and not values:
            return
        kind = _STRING | kind & _MULTIPLE if base == _STRING8 else kind
        if kind & _MULTIPLE and kind not in _WRITABLE_LISTS:
            self.findings.add("tnef-property", f"{where} is a list of a type that cannot be written")
            return
        key: int | NamedProperty = pid << 16 | kind
        if name is not None:
            key = NamedProperty(name[0], name[1], kind)
            if name[0] == PS_MAPI and isinstance(name[1], int):
                key = name[1] << 16 | kind
        elif not pid:
            self.findings.add("tnef-property", f"{place}: property 0x0000 has no id")
            return
        yield key, tuple(values) if kind & _MULTIPLE else values[0]  # type: ignore[misc]

    def _raw_values(self, kind: int, base: int) -> list[bytes]:
        count = self.u32() if kind & _MULTIPLE or base in _VARIABLE else 1
        if base in _VARIABLE:
            if count > (len(self.data) - self.at) // 4:
                raise Truncated(f"{count} values are announced")
            return [self.sized() for _ in range(count)]
        size = _FIXED[base][0]
        if count * size > len(self.data) - self.at:
            raise Truncated(f"{count} values are announced")
        return [self.take(size) for _ in range(count)]

    def _value(self, base: int, raw: bytes, where: str) -> Value | None:
        """One value, or None with a loss."""
        if base in (_STRING8, _STRING):
            return decoded(raw, "utf-16-le" if base == _STRING else self.codec, where, self.findings)
        if base in (_BINARY, _OBJECT):
            return raw
        value = _FIXED[base][1](raw)
        if base == PropertyType.TIME and isinstance(value, int) and value > LAST_FILETIME:
            self.findings.add("tnef-property", f"{where} is a time after the year 9999")
            return None
        return value

    def _name(self, place: str) -> tuple[UUID, int | str] | None:
        """The set and the name of a named property; None, with a loss, for one that cannot be written."""
        property_set = UUID(bytes_le=self.take(16))
        name: int | str
        if self.u32() == 0:
            name = self.u32()
        else:
            raw = self.sized()
            name = decoded(raw, "utf-16-le", f"{place}: name of a property", self.findings)
            if not 0 < len(name.encode("utf-16-le")) <= 254:
                self.findings.add("tnef-property", f"{place}: a property is named by {len(name)} characters")
                return None
        if property_set == PS_MAPI and isinstance(name, int) and not 0 < name < 0x8000:
            self.findings.add("tnef-property", f"{place}: 0x{name:04X} is no id of a property")
            return None
        return property_set, name
