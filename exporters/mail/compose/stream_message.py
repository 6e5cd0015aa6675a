"""An item of `exportItems` as a message of a PST.

Rules of this file: nearly lossless: every property is copied, but for the table of reference/fasttransfer.md 5; what is left out
or bent leaves a loss. An item is taken whole or refused. Attachments and other large values are not read here: the message reads
them from the file while it is written. Source: reference/fasttransfer.md 5, 6; reference/mapi-mapping.md 1.1, 1.4.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from exporters.mail.compose import headers
from exporters.mail.compose.fasttransfer import Joined, Stretch
from exporters.mail.compose.fasttransfer_grammar import Content, Parsed, Part, Properties, parse
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.mime import Converted
from exporters.mail.compose.stream_errors import StreamImplausible, StreamRefused
from exporters.mail.compose.stream_recipients import recipients
from exporters.mail.compose.stream_values import LAST_PLAUSIBLE, TIME, Converter, LongText
from exporters.pst import Attachment, Message, NamedProperty, Value

MAX_DEPTH = 30  # messages inside each other that the writer takes
_CLASS, _SUBJECT, _PREFIX, _FLAGS = 0x001A001F, 0x0037001F, 0x003D, 0x0E070003
_STATUS, _SEARCH_KEY, _CREATED = 0x0E170003, 0x300B0102, 0x30070040
_TIMES = (0x30070040, 0x30080040, 0x0E060040, 0x00390040)
_CONTENT = frozenset({0x0037, 0x0039, 0x0E06, 0x1000, 0x1009, 0x1013})
_SUBMITTED, _HAS_ATTACHMENTS, _ASSOCIATED = 0x04, 0x10, 0x40
_MAX_CLASS = 255
# Means something in the source's store only, or is computed by the writer (sizes)
_STORE_LOCAL = frozenset({0x0E08, 0x0E09, 0x0E0A, 0x0E12, 0x0E13, 0x0E17, 0x0E1D, 0x0FF4, 0x0FF7, 0x0FFA, 0x0FFB})
_OF_ATTACHMENT = _STORE_LOCAL - {0x0E08} | {0x0E20, 0x0E21, 0x0FF9, 0x3701}
_DATA, _METHOD = 0x3701, 0x37050003
_BY_VALUE, _EMBEDDED, _OLE = 1, 5, 6
_NAMES = (0x3707001F, 0x3704001F, 0x3001001F)


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of an item from elsewhere, to hold its stream against: its class as listed, how many recipients and
    attachments it has; when it was created, if the stream has no date. Times are aware."""

    message_class: str | None = None
    recipients: int | None = None
    attachments: int | None = None
    created: datetime | None = None


_NOTHING = Expected()


def stream_message(file: BinaryIO, *, label: str = "", expected: Expected = _NOTHING) -> Converted:
    """The message of one item. file: the container as exportItems gave it, its base64 undone; it can seek, is open and is not
    moved by others until the message has been written. label: names the message in errors. An associated item (a hidden one of
    its folder) is `message.associated`.

    Raises StreamRefused: StreamUndecodable, StreamTruncated, StreamFailed, StreamLimit, StreamImplausible.
    """
    losses = Losses()
    try:
        parsed = parse(file, losses)
        _require_plausible(parsed.content, expected, losses)
        message = _Item(parsed, losses).message(label, expected.created)
    except StreamRefused as error:
        error.item = label
        raise
    return Converted(message, losses.all())


def version_of(file: BinaryIO) -> tuple[int, int, int] | None:
    """The version of the server that wrote a container: three numbers, as in it. Raises StreamRefused."""
    return Joined(file, Losses()).version


# ------------------------------------------------------------------------------------------------------- checks


def _require_plausible(content: Content, expected: Expected, losses: Losses) -> None:
    """Raises StreamImplausible. A parser that came to the end is no proof that it read what was written."""
    converter, properties = Converter(content.properties, losses), content.properties
    found = converter.text(properties.get(0x001A))
    if not found and not any(pid in properties for pid in _CONTENT):
        raise StreamImplausible("it has neither a class nor a body, a subject or a date")
    if found and not _is_class(found):
        raise StreamImplausible("its class is none")
    if not found:
        losses.add("ft-class-missing", "the item")
    elif expected.message_class and found.lower() != expected.message_class.lower():
        losses.add("ft-class-differs", "the listing names another class")
    for tag in _TIMES:
        when = properties.get(tag >> 16)
        if when is not None and when.kind == TIME and isinstance(when.value, int) and when.value > LAST_PLAUSIBLE:
            raise StreamImplausible(f"its date 0x{tag:08X} is after the year 4500")
    for what, wanted, there in (
        ("recipients", expected.recipients, len(content.recipients)),
        ("attachments", expected.attachments, len(content.attachments)),
    ):
        if wanted is not None and there < wanted:
            raise StreamImplausible(f"it has {there} {what} of {wanted}")


def _is_class(name: str) -> bool:
    return name.isprintable() and name[0].isalpha() and len(name) <= _MAX_CLASS


# ------------------------------------------------------------------------------------------------------ message


class _Item:
    """Makes the messages of one stream."""

    def __init__(self, parsed: Parsed, losses: Losses) -> None:
        self._parsed = parsed
        self._losses = losses

    def message(self, label: str, created: datetime | None) -> Message:
        return self._message(self._parsed.content, 0, label, created or headers.EPOCH)

    def _message(self, content: Content, depth: int, label: str, fallback: Value) -> Message:
        converter = Converter(content.properties, self._losses)
        properties = converter.converted(content.properties.values(), _STORE_LOCAL)
        flags = properties.get(_FLAGS, 0)
        flags = flags if isinstance(flags, int) else 0
        place = label if depth == 0 else "a message inside"
        if flags & _HAS_ATTACHMENTS and not content.attachments:
            self._losses.add("ft-attachments-missing", place)
        properties[_FLAGS] = flags & ~(_SUBMITTED | _HAS_ATTACHMENTS | _ASSOCIATED)
        properties[_STATUS] = 0
        _set_subject(properties, converter.text(content.properties.get(_PREFIX)))
        properties.setdefault(_SEARCH_KEY, self._search_key(content))
        if not properties.get(_SEARCH_KEY):
            properties[_SEARCH_KEY] = self._search_key(content)
        if not any(tag in properties for tag in _TIMES):
            properties[_CREATED] = fallback
            self._losses.add("date-fallback", place)
        date = next(properties[tag] for tag in _TIMES if tag in properties)
        hint = sum(_length(value) for value in properties.values())
        attachments = []
        for number, part in enumerate(content.attachments, 1):
            made, size = self._attachment(converter, part, number, depth, date)
            attachments.append(made)
            hint += size
        return Message(
            properties,
            recipients(content.recipients, converter, self._losses),
            attachments,
            associated=content.is_associated or bool(flags & _ASSOCIATED),
            label=label,
            size_hint=hint,
        )

    def _search_key(self, content: Content) -> bytes:
        """16 bytes that are the same for the same stream."""
        digest = hashlib.sha256(content.start.to_bytes(8, "little"))
        for piece in Stretch(self._parsed.joined, content.start, content.end - content.start):
            digest.update(piece)
        return digest.digest()[:16]

    # -------------------------------------------------------------------------------------------------- attachments

    def _attachment(
        self, converter: Converter, part: Part, number: int, depth: int, date: Value
    ) -> tuple[Attachment, int]:
        """An attachment, and how many bytes the part limit cannot see of it."""
        properties = converter.converted(part.properties.values(), _OF_ATTACHMENT)
        place = f"attachment {number}"
        data, hint = _data(part.properties), sum(_length(value) for value in properties.values())
        if part.message is not None:
            if data is not None:
                self._losses.add("ft-attachment", f"{place}: it holds a message, and bytes that are left out")
            if depth < MAX_DEPTH:
                inner = self._message(part.message, depth + 1, "", date)
                properties[_METHOD] = _EMBEDDED
                return Attachment(properties, message=inner), hint
            self._losses.add("too-deep", f"{place}: the message in it is kept as the bytes of its stream")
            data = Stretch(self._parsed.joined, part.message.start, part.message.end - part.message.start)
            properties[_METHOD] = _BY_VALUE
            properties.setdefault(_NAMES[0], f"attachment-{number}.bin")
        method = self._method(properties, data, place)
        if method == _BY_VALUE and data is None:
            data = b""
        return Attachment(properties, data=data), hint + _length(data)

    def _method(self, properties: dict[int | NamedProperty, Value], data: bytes | Stretch | None, place: str) -> int:
        """The method that goes with what there is; set where the given one does not."""
        given = properties.get(_METHOD)
        method = given if isinstance(given, int) else _BY_VALUE if data is not None else 0
        usable = method
        if method == _EMBEDDED or (method == _OLE and not data):
            usable = _BY_VALUE
            self._losses.add("ft-attachment", f"{place}: method {method} without what belongs to it")
        properties[_METHOD] = usable
        return usable


def _data(properties: Properties) -> bytes | Stretch | None:
    found = properties.get(_DATA)
    return found.value if found is not None and isinstance(found.value, bytes | Stretch) else None


def _length(value: Value | None) -> int:
    """Bytes of a value that is read only as it is written."""
    if isinstance(value, LongText):
        return value.data.size
    return value.size if isinstance(value, Stretch) else 0


def _set_subject(properties: dict[int | NamedProperty, Value], prefix: str | None) -> None:
    """PidTagSubject in the form of PSTs, where the length of the prefix is known ([MS-PST] 2.5.3.1.1.1)."""
    subject = properties.get(_SUBJECT)
    if isinstance(subject, LongText):
        subject = "".join(subject)
    if not isinstance(subject, str):
        return
    if subject.startswith("\x01"):  # as a store has it: the writer would take it for its own mark
        subject = subject[2:]
    if prefix is not None and subject.startswith(prefix) and len(prefix) < 0x7F:
        subject = f"\x01{chr(len(prefix) + 1)}{subject}"
    properties[_SUBJECT] = subject
