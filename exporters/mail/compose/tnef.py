"""winmail.dat (`application/ms-tnef`): a message with its recipients and attachments, as MAPI properties.

Rules of this file: pure. What MAPI properties say wins over legacy attributes. A stream that is cut off, or has wrong
checksums, gives what could be read of it, with losses; one that gives nothing is refused.
Source: [MS-OXTNEF] 2.1.1 (stream), 2.1.3 (attributes), 2.1.3.4 (properties, objects); reference/mapi-mapping.md §1.7, §1.8.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from exporters.mail.compose import tnef_legacy
from exporters.mail.compose.losses import Loss
from exporters.mail.compose.tnef_recipients import row
from exporters.mail.compose.tnef_values import (
    DATA_BINARY,
    DATA_OBJECT,
    Findings,
    ListReader,
    Properties,
    Truncated,
    codec_of,
)
from exporters.pst import Attachment, Message, NamedProperty, Value, filetime

MAX_DEPTH = 30  # messages inside each other, as in the writer
SIGNATURE = 0x223E9F78
_OWNER, _VERSION, _CODE_PAGE = 0x00060000, 0x00089006, 0x00069007
_MSG_PROPS, _RECIP_TABLE, _ATTACHMENT = 0x00069003, 0x00069004, 0x00069005
_RENDERING, _ATTACH_DATA = 0x00069002, 0x0006800F
_MESSAGE, _FILE, _MAC_BINARY = 1, 2, 1
_IID_MESSAGE = UUID("00020307-0000-0000-c000-000000000046").bytes_le
_IID_STORAGE, _IID_STREAM = (UUID(f"0000000{n}-0000-0000-c000-000000000046").bytes_le for n in "bc")
_METHOD, _POSITION, _FLAGS, _CLASS = 0x37050003, 0x370B0003, tnef_legacy.MESSAGE_FLAGS, tnef_legacy.MESSAGE_CLASS
_LONG_NAME, _NAME, _SHOWN, _LONG_PATH = 0x3707001F, 0x3704001F, 0x3001001F, 0x370D001F
_BY_VALUE, _WEB, _EMBEDDED, _OLE = 1, 7, 5, 6
_COMPARED = (tnef_legacy.SUBMIT_TIME, tnef_legacy.DELIVERY_TIME, tnef_legacy.MODIFICATION_TIME)
_CANNOT_BE_NAMED = re.compile(r'[\\/:*?"<>|\x00-\x1f]')


class TnefRefused(Exception):
    """Not TNEF, or nothing in it can be read. `code` for programs; the argument says why."""

    code = "tnef"


@dataclass(frozen=True)
class TnefContent:
    """What a TNEF stream holds, in the form in which `exporters.pst` takes it.

    `properties` are those of the message: flags without 0x04, 0x10 and 0x40; perhaps no time at all. `recipients` are whole rows
    of a recipient table, in the stream's order. `attachments` hold their data in memory.
    """

    properties: dict[int | NamedProperty, Value]
    recipients: list[dict[int, Value]]
    attachments: list[Attachment]
    losses: tuple[Loss, ...]


@dataclass
class _Part:
    """One attachment as its attributes come in."""

    number: int
    legacy: dict[int, Value] = field(default_factory=dict)
    dates: dict[int, datetime] = field(default_factory=dict)
    lists: list[bytes] = field(default_factory=list)
    data: bytes | None = None
    is_ole: bool = False


@dataclass
class _Stream:
    """The attributes of one stream, sorted by what they belong to."""

    findings: Findings
    codec: str | None = None
    lists: list[bytes] = field(default_factory=list)
    tables: list[bytes] = field(default_factory=list)
    others: list[tuple[int, bytes]] = field(default_factory=list)
    parts: list[list[tuple[int, bytes]]] = field(default_factory=list)


def read(data: bytes, *, depth: int = 0) -> TnefContent:
    """Read a whole TNEF stream. `depth`: how many messages already enclose the one that it belongs to.

    Raises TnefRefused when it does not begin as TNEF or holds neither properties nor recipients nor attachments.
    """
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != SIGNATURE:
        raise TnefRefused("it does not begin with the signature of TNEF")
    stream = _sorted(data)
    findings = stream.findings
    codec = stream.codec or _codec_of_lists(stream) or "cp1252"
    message, dates = _message(stream, codec)
    recipients = _recipients(stream, codec)
    offset = _zone_offset(message, dates)
    _add_dates(message, dates, offset)
    parts = [_part(number, attributes, codec, findings) for number, attributes in enumerate(stream.parts, 1)]
    attachments = [_attachment(part, codec, offset, depth, message, findings) for part in parts]
    if not (message.values or recipients or attachments):
        raise TnefRefused("it holds nothing that can be read")
    return TnefContent(message.values, recipients, attachments, tuple(findings.losses))


def _attributes(data: bytes, findings: Findings) -> Iterator[tuple[int, int, bytes]]:
    """Level, id and data of each attribute; the last may be cut."""
    at = 6
    while at < len(data):
        if data[at] not in (_MESSAGE, _FILE):
            if data[at:].strip(b"\0\r\n \x1a"):
                findings.add("tnef-garbage", f"{len(data) - at} bytes after the last attribute are not TNEF")
            return
        if len(data) - at < 9:
            findings.add("tnef-truncated", "the stream ends inside the head of an attribute")
            return
        level, attribute, size = struct.unpack_from("<BII", data, at)
        body = data[at + 9 : at + 9 + size]
        at += 9 + size + 2
        if len(body) < size:
            findings.add("tnef-truncated", f"attribute 0x{attribute:08X} has {len(body)} bytes of {size}")
        elif at > len(data):
            findings.add("tnef-truncated", f"attribute 0x{attribute:08X} has no checksum")
        elif sum(body) & 0xFFFF != int.from_bytes(data[at - 2 : at], "little"):
            findings.add("tnef-checksum", f"attribute 0x{attribute:08X} has a wrong checksum")
        yield level, attribute, body


def _sorted(data: bytes) -> _Stream:
    stream = _Stream(Findings())
    for level, attribute, body in _attributes(data, stream.findings):
        if level == _FILE:
            if attribute == _RENDERING or not stream.parts:
                stream.parts.append([])
            stream.parts[-1].append((attribute, body))
        elif attribute == _CODE_PAGE:
            page = int.from_bytes(body[:4], "little")
            stream.codec = codec_of(page) if page else None
            if page and not stream.codec:
                stream.findings.add("charset-unknown", f"code page {page}")
        elif attribute == _MSG_PROPS:
            stream.lists.append(body)
        elif attribute == _RECIP_TABLE:
            stream.tables.append(body)
        elif attribute != _VERSION:
            stream.others.append((attribute, body))
    return stream


def _codec_of_lists(stream: _Stream) -> str | None:
    """The codec by PidTagMessageCodepage, else PidTagInternetCodepage, for a stream without attOemCodepage."""
    trial = Properties("", Findings())
    for data in stream.lists:
        _read_list(data, "cp1252", trial)
    for tag in (0x3FFD0003, 0x3FDE0003):
        page = trial.values.get(tag)
        if isinstance(page, int) and (codec := codec_of(page)):
            return codec
    return None


def _read_list(data: bytes, codec: str, properties: Properties) -> None:
    try:
        ListReader(data, codec, properties.findings).into(properties)
    except Truncated as error:
        properties.findings.add("tnef-truncated", f"{properties.place}: the list of properties breaks off: {error}")


def _message(stream: _Stream, codec: str) -> tuple[Properties, dict[int, datetime]]:
    """The message's properties but for legacy dates, and those dates by property."""
    findings = stream.findings
    message = Properties("the message", findings)
    for data in stream.lists:
        _read_list(data, codec, message)
    legacy: dict[int, Value] = {}
    dates: dict[int, datetime] = {}
    owner: bytes | None = None
    for attribute, body in stream.others:
        if attribute == _OWNER:
            owner = body
        else:
            _read_legacy(attribute, body, codec, legacy, dates, findings)
    for tag, value in legacy.items():
        message.offer(tag, value)
    if owner is not None:
        try:
            found = tnef_legacy.owner(owner, str(message.values.get(_CLASS, "")), codec, findings)
        except tnef_legacy.Unreadable as error:
            findings.add("tnef-attribute", str(error))
        else:
            for tag, value in found.items():
                message.offer(tag, value)
    _mend(message)
    return message, dates


def _read_legacy(
    attribute: int, body: bytes, codec: str, legacy: dict[int, Value], dates: dict[int, datetime], findings: Findings
) -> None:
    if not tnef_legacy.is_known(attribute):
        findings.add("tnef-attribute", f"attribute 0x{attribute:08X} is unknown: {len(body)} bytes")
        return
    try:
        if attribute in tnef_legacy.DATES:
            when = tnef_legacy.date(attribute, body)
            if when is not None:
                dates.setdefault(tnef_legacy.DATES[attribute], when)
        else:
            for tag, value in tnef_legacy.read(attribute, body, codec, findings).items():
                legacy.setdefault(tag, value)
    except tnef_legacy.Unreadable as error:
        findings.add("tnef-attribute", str(error))


def _mend(message: Properties) -> None:
    """Bring what MAPI allows in two forms into the one that PSTs use."""
    flags = message.values.get(_FLAGS)
    if isinstance(flags, int):
        message.values[_FLAGS] = flags & ~0x54
    subject = message.values.get(0x0037001F)
    if isinstance(subject, str) and subject.startswith("\x01"):  # as stored; the writer puts the prefix in front itself
        message.values[0x0037001F] = subject[2:]
    name = message.values.get(_CLASS)
    if isinstance(name, str):
        message.values[_CLASS] = tnef_legacy.modern_class(name)
        if not name:
            message.take(_CLASS)
    html = message.take(0x1013001F)
    if isinstance(html, str):
        message.add(0x10130102, html.encode("utf-8"))
        message.take(0x3FDE0003)
        message.add(0x3FDE0003, 65001)
    if message.take(DATA_OBJECT) is not None:
        message.findings.add("tnef-property", f"{message.place}: an object that belongs to an attachment is left out")


def _zone_offset(message: Properties, dates: dict[int, datetime]) -> timedelta | None:
    """How far the writer's wall clock was ahead of UTC: by a date given both ways, in quarters of an hour, under a day."""
    for tag in _COMPARED:
        exact, local = message.values.get(tag), dates.get(tag)
        if isinstance(exact, int) and local is not None:
            minutes = round(((filetime(local.replace(tzinfo=UTC)) - exact) // 10_000_000) / 900) * 15
            if abs(minutes) < 24 * 60:
                return timedelta(minutes=minutes)
    return None


def _add_dates(properties: Properties, dates: dict[int, datetime], offset: timedelta | None) -> None:
    for tag, local in dates.items():
        if tag in properties.values:
            continue
        properties.offer(tag, local.replace(tzinfo=UTC) - (offset or timedelta()))
        if offset is None:
            properties.findings.add("date-without-zone", f"{properties.place}: {local.isoformat()} is taken as UTC")


def _recipients(stream: _Stream, codec: str) -> list[dict[int, Value]]:
    """The rows of attRecipTable."""
    rows: list[dict[int, Value]] = []
    kinds: dict[int, int] = {}
    for data in stream.tables:
        reader = ListReader(data, codec, stream.findings)
        try:
            for _ in range(reader.u32()):
                properties = Properties(f"recipient {len(rows) + 1}", stream.findings)
                try:
                    reader.into(properties)
                finally:
                    if properties.values:
                        rows.append(row(properties, kinds))
        except Truncated as error:
            stream.findings.add("tnef-truncated", f"the list of recipients breaks off: {error}")
    return rows


def _part(number: int, attributes: list[tuple[int, bytes]], codec: str, findings: Findings) -> _Part:
    part = _Part(number)
    for attribute, body in attributes:
        if attribute == _RENDERING:
            part.is_ole = body[:2] == b"\2\0"
            if len(body) >= 6:
                part.legacy[_POSITION] = struct.unpack_from("<i", body, 2)[0]
            if len(body) >= 14 and struct.unpack_from("<I", body, 10)[0] & _MAC_BINARY:
                part.legacy[0x37020102] = bytes.fromhex("2A864886F714030B01")
        elif attribute == _ATTACH_DATA:
            if part.data is not None:
                findings.add("tnef-attribute", f"attachment {number} has data twice, the second of {len(body)} bytes")
            part.data = body if part.data is None else part.data
        elif attribute == _ATTACHMENT:
            part.lists.append(body)
        else:
            _read_legacy(attribute, body, codec, part.legacy, part.dates, findings)
    return part


def _attachment(
    part: _Part, codec: str, offset: timedelta | None, depth: int, outer: Properties, findings: Findings
) -> Attachment:
    properties = Properties(f"attachment {part.number}", findings)
    for data in part.lists:
        _read_list(data, codec, properties)
    value, stored = properties.take(DATA_OBJECT), properties.take(DATA_BINARY)
    for tag, legacy in part.legacy.items():
        properties.offer(tag, legacy)
    _add_dates(properties, part.dates, offset)
    method = properties.take(_METHOD)
    if not isinstance(method, int):
        storage = isinstance(value, bytes) and value[:16] == _IID_STORAGE
        method = _OLE if part.is_ole or storage else _BY_VALUE
    message: Message | None = None
    content = part.data if part.data or not isinstance(stored, bytes) else stored
    if isinstance(value, bytes):
        interface, inner = value[:16], value[16:]
        if interface == _IID_MESSAGE:
            message = _embedded(inner, depth, outer, properties)
            method, content = (_EMBEDDED, None) if message else (_BY_VALUE, inner)
        elif interface in (_IID_STORAGE, _IID_STREAM):
            content = inner
        else:
            findings.add(
                "tnef-property", f"{properties.place}: its data are an object {{{interface.hex()}}} of an unknown kind"
            )
            content = content or value
    method = _usable_method(method, content, message, properties)
    properties.values[_METHOD] = method
    _name(
        properties,
        part.number,
        "" if message is None else str(message.properties.get(0x0037001F, "")),
        message is not None,
    )
    if method == _BY_VALUE:
        content = content or b""
    return Attachment(properties.values, data=content if method in (_BY_VALUE, _OLE) else None, message=message)


def _usable_method(method: int, content: bytes | None, message: Message | None, properties: Properties) -> int:
    """A method that goes with what there is; every change but that of a number without meaning is a loss."""
    if message is not None:
        return _EMBEDDED
    if method == _OLE and content:
        return _OLE
    if method == _WEB and not content:
        return _WEB
    if method not in (0, _BY_VALUE):
        code = "attachment-by-reference" if method in (2, 3, 4) else "attachment-method"
        path = properties.values.get(_LONG_PATH) or properties.values.get(0x3708001F) or "no path"
        properties.findings.add(code, f"{properties.place}: method {method} ({path}) is stored by value")
    return _BY_VALUE


def _embedded(data: bytes, depth: int, outer: Properties, place: Properties) -> Message | None:
    """The message in an attachment; None, with a loss, if it cannot be read or lies too deep."""
    if depth >= MAX_DEPTH:
        place.findings.add(
            "embedded-raw", f"{place.place}: more than {MAX_DEPTH} messages inside each other; kept as TNEF"
        )
        return None
    try:
        content = read(data, depth=depth + 1)
    except TnefRefused as error:
        place.findings.add("embedded-raw", f"{place.place}: its message cannot be read and is kept as TNEF: {error}")
        return None
    for loss in content.losses:
        place.findings.add(loss.code, f"{place.place}, {loss.detail}")
    properties = content.properties
    if not any(tag in properties for tag in (*_COMPARED, tnef_legacy.CREATION_TIME)):
        times = (outer.values.get(tag) for tag in (*_COMPARED, tnef_legacy.CREATION_TIME))
        properties[tnef_legacy.CREATION_TIME] = next(
            (t for t in times if t is not None), datetime(1970, 1, 1, tzinfo=UTC)
        )
        place.findings.add("date-fallback", f"{place.place}: its message has no date")
    return Message(properties, content.recipients, content.attachments, label=place.place)


def _name(properties: Properties, number: int, subject: str, is_message: bool) -> None:
    """File names as Windows can hold them; a message is named by its subject (reference/mapi-mapping.md §1.7)."""
    values = properties.values

    def text(tag: int) -> str:
        value = values.get(tag)
        return value if isinstance(value, str) else ""

    given = text(_LONG_NAME) or text(_NAME) or text(_SHOWN)
    if is_message:
        values.setdefault(_SHOWN, subject or given)
        if not given:
            return
    name = _CANNOT_BE_NAMED.sub("_", given) or f"attachment-{number}"
    if name != given:
        properties.findings.add("attachment-renamed", f"{properties.place}: {given!r} is stored as {name!r}")
    values[_LONG_NAME] = name
    values[_NAME] = _CANNOT_BE_NAMED.sub("_", text(_NAME)) or name
    values.setdefault(_SHOWN, given or name)
