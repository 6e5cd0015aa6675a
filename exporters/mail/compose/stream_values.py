"""Values of a FastTransfer stream as values of a PST.

Rules of this file: pure. A value keeps its meaning and takes the type that a PST has for it; what has none is left out with a
loss. Text is decoded once all properties are known, since one of them tells the code page. Large text is never held: it is looked
through once for what gets lost, and decoded again as it is written. Source: reference/fasttransfer.md 2, 5; MS-OXCDATA 2.11.1.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from exporters.mail.compose import fasttransfer as ft
from exporters.mail.compose.fasttransfer import Property, Raw, Stretch
from exporters.mail.compose.fasttransfer_grammar import Properties, described
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.tnef_values import LAST_FILETIME, PS_INTERNET_HEADERS, PS_MAPI, codec_of
from exporters.pst import NamedProperty, Value

LAST_PLAUSIBLE = 915_151_391_999_999_999  # the end of the year 4500
STRING, STRINGS, BINARY, BINARIES, TIME = 0x001F, 0x101F, 0x0102, 0x1102, 0x0040
_CODE_PAGE = 0x3FFD
_MAX_NAME = 254  # bytes that a PST's map of names takes
_LISTS = frozenset({0x1002, 0x1003, 0x1004, 0x1005, 0x1006, 0x1007, 0x1014, 0x1040, 0x1048})
_SINGLE = frozenset(ft.FIXED) - {0x000A}
# Ids that the writer sets or reads itself: a value of another type would be a second property of that id
_TYPES = {0x001A: STRING, 0x0037: STRING, 0x0039: TIME, 0x0E06: TIME, 0x0E07: 0x0003, 0x3007: TIME, 0x3008: TIME, 0x300B: BINARY,
          0x3705: 0x0003, 0x370B: 0x0003}  # fmt: skip
_LONE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class LongText:
    """A large string, decoded while it is walked; it ends before its first NUL."""

    data: Stretch
    codec: str

    def __iter__(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.codec)("replace")
        for piece in self.data:
            text = decoder.decode(piece)
            if "\0" in text:
                yield _LONE.sub("\ufffd", text.partition("\0")[0])
                return
            yield _LONE.sub("\ufffd", text)
        yield decoder.decode(b"", final=True).partition("\0")[0]


class Converter:
    """Turns the properties of one message, and of its recipients and attachments, into those of a PST."""

    def __init__(self, message: Properties, losses: Losses) -> None:
        page = message.get(_CODE_PAGE)
        number = page.value if page is not None and isinstance(page.value, int) else 1252
        self._codec = codec_of(number) or "cp1252"
        self._losses = losses

    def converted(self, properties: Iterable[Property], dropped: frozenset[int]) -> dict[int | NamedProperty, Value]:
        """All that a PST stores. dropped: numbers that are left out without a word, those of the provider's own too."""
        found: dict[int | NamedProperty, Value] = {}
        known: dict[object, int | NamedProperty] = {}
        for one in properties:
            if one.name is None and (one.pid in dropped or 0x6600 <= one.pid <= 0x67FF):
                continue
            made = self._made(one)
            if made is None:
                continue
            key, value = made
            if not isinstance(key, NamedProperty) and key >> 16 in dropped:
                continue
            before = known.pop(_identity(key), None)
            if before is not None:
                self._losses.add("ft-duplicate", f"{described(one)} is named twice, the last value is kept")
                del found[before]
            known[_identity(key)] = key
            found[key] = value
        return found

    def text(self, found: Property | None) -> str | None:
        """A string that is not large, without losses; None if it is none."""
        if found is None or not isinstance(found.value, bytes) or not _is_text(found.kind):
            return None
        return found.value.decode(self._codec_of(found.kind), "replace").partition("\0")[0]

    def _codec_of(self, kind: int) -> str:
        if kind in (ft.STRING, ft.MULTIPLE | ft.STRING, ft.UNICODE_LIST):
            return "utf-16-le"
        return (ft.code_page(kind) if kind & ft.IN_CODE_PAGE else None) or self._codec

    # ------------------------------------------------------------------------------------------------------- keys

    def _made(self, found: Property) -> tuple[int | NamedProperty, Value] | None:
        kind = _stored_kind(found)
        if kind is None or (found.name is None and _TYPES.get(found.pid, kind) != kind):
            self._losses.add("ft-type-dropped", described(found))
            return None
        key = self._key(found, kind)
        if key is None:
            return None
        value = self._value(found, kind)
        return None if value is None else (key, value)

    def _key(self, found: Property, kind: int) -> int | NamedProperty | None:
        name = found.name
        if name is None:
            if found.pid:
                return found.pid << 16 | kind
        elif name.property_set == PS_MAPI and isinstance(name.name, int):
            if 0 < name.name < 0x8000:
                return name.name << 16 | kind
        elif isinstance(name.name, int) or _is_name(name.name):
            return NamedProperty(name.property_set, name.name, kind)
        self._losses.add("ft-name", described(found))
        return None

    # ----------------------------------------------------------------------------------------------------- values

    def _value(self, found: Property, kind: int) -> Value | None:
        value = found.value
        if kind == STRING:
            return self._string(found, value)
        if kind == STRINGS:
            several = value if isinstance(value, list) else [value]
            return [self._short(found, one) for one in several if isinstance(one, bytes)]
        if kind == ft.BOOLEAN:
            return value != 0
        if kind in (TIME, ft.MULTIPLE | TIME):
            return self._times(found, value)
        return _guids(value) if kind in (0x0048, 0x1048) else value

    def _times(self, found: Property, value: Raw) -> Value | None:
        if isinstance(value, int):
            return self._time(found, value)
        if not isinstance(value, list):
            return None
        times = [self._time(found, int(one)) for one in value if not isinstance(one, bytes)]
        return [one for one in times if one is not None]

    def _time(self, found: Property, value: int) -> int | None:
        if value <= LAST_PLAUSIBLE:
            return value
        self._losses.add("ft-date", described(found))
        return value if value <= LAST_FILETIME else None

    def _string(self, found: Property, value: Raw) -> Value | None:
        if isinstance(value, bytes):
            return self._short(found, value)
        if not isinstance(value, Stretch):
            return None
        text = LongText(value, self._codec_of(found.kind))
        self._note_long(found, text)
        return text

    def _short(self, found: Property, raw: bytes) -> str:
        codec = self._codec_of(found.kind)
        text, mark, behind = raw.decode(codec, "replace").partition("\0")
        self._note(found, cut=bool(mark and behind), replaced="\ufffd" in text and not _is_exact(raw, codec))
        clean = _LONE.sub("\ufffd", text)
        if clean != text:
            self._note(found, cut=False, replaced=True)
        return clean

    def _note_long(self, found: Property, text: LongText) -> None:
        """Look through a large string for what gets lost."""
        decoder = codecs.getincrementaldecoder(text.codec)("strict")
        ended = cut = False
        try:
            for piece in text.data:
                part = decoder.decode(piece)
                if ended:
                    cut = cut or bool(part)
                elif "\0" in part:
                    ended, cut = True, bool(part.partition("\0")[2])
                if not ended and _LONE.search(part):
                    raise UnicodeError
            decoder.decode(b"", final=True)
        except (UnicodeError, ValueError):
            self._note(found, cut=cut, replaced=not ended)
            return
        self._note(found, cut=cut, replaced=False)

    def _note(self, found: Property, *, cut: bool, replaced: bool) -> None:
        if cut:
            self._losses.add("text-cut", described(found))
        if replaced:
            self._losses.add("text-replaced", described(found))


def _is_text(kind: int) -> bool:
    return kind in (ft.STRING, ft.STRING8) or bool(kind & ft.IN_CODE_PAGE and kind != ft.UNICODE_LIST)


def _stored_kind(found: Property) -> int | None:
    """The type in a PST; None for what has none."""
    kind = found.kind
    if kind == ft.UNICODE_LIST or kind in (ft.MULTIPLE | ft.STRING, ft.MULTIPLE | ft.STRING8):
        return STRINGS
    if _is_text(kind):
        return STRING
    return kind if kind in _SINGLE or kind in _LISTS or kind in (BINARY, BINARIES) else None


def _identity(key: int | NamedProperty) -> object:
    if isinstance(key, int):
        return key >> 16
    name = key.name
    if key.property_set == PS_INTERNET_HEADERS and isinstance(name, str):
        name = name.lower()  # as the writer does
    return key.property_set, name


def _is_name(name: str) -> bool:
    try:
        return 0 < len(name.encode("utf-16-le")) <= _MAX_NAME and "\0" not in name
    except UnicodeEncodeError:
        return False


def _guids(value: Raw) -> Value | None:
    if isinstance(value, bytes):
        return UUID(bytes_le=value)
    if isinstance(value, list):
        return [UUID(bytes_le=one) for one in value if isinstance(one, bytes)]
    return None


def _is_exact(raw: bytes, codec: str) -> bool:
    """Whether the bytes are text of the codec as they stand, U+FFFD of their own and all."""
    try:
        raw.decode(codec)
    except (UnicodeError, ValueError):
        return False
    return True
