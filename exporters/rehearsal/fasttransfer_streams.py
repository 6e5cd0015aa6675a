"""Items as FastTransfer streams in the container of `exportItems`, made from the rows of the data.

Rules of this file: properties in the order of their ids, strings as UTF-16LE under type 0x84B0, slices as long as Graph's; what a
row does not tell is not in the stream, and Outlook's blobs (recurrences, zones) are not either.
Source: reference/fasttransfer.md 1 to 4; reference/graph.md 4.6; MS-OXCFXICS.
"""

import struct
import uuid
from datetime import UTC, datetime

from exporters.rehearsal.content import ContentReader
from exporters.rehearsal.documents import Row

_SLICE = 31_680
_IMESSAGE = uuid.UUID("00020307-0000-0000-C000-000000000046").bytes_le
_VERSION = bytes.fromhex("140FD6918617")
_START_RECIP, _END_RECIP, _NEW_ATTACH, _END_ATTACH = 0x40030003, 0x40040003, 0x40000003, 0x400E0003
_START_EMBED, _END_EMBED, _DEL_PROP = 0x40010003, 0x40020003, 0x40160003
_KEYWORDS = (uuid.UUID("00020329-0000-0000-C000-000000000046"), "Keywords")
_APPOINTMENT = uuid.UUID("00062002-0000-0000-C000-000000000046")
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_IMPORTANCE = {"low": 0, "normal": 1, "high": 2}
_FLAGS = {"complete": 1, "flagged": 2}


def container(stream: bytes) -> bytes:
    """The records around a stream."""
    parts = [_record(1, struct.pack("<II", 0, 1))]
    parts.append(_record(3, struct.pack("<I", 1) + _IMESSAGE + struct.pack("<I", 0x80002400)))
    parts.append(_record(4, _VERSION))
    parts += [_record(2, stream[at : at + _SLICE]) for at in range(0, max(1, len(stream)), _SLICE)]
    return b"".join(parts)


def _record(opcode: int, payload: bytes) -> bytes:
    return struct.pack("<II", opcode, len(payload)) + payload


# ------------------------------------------------------------------------------------------------------- values


def _text(tag: int, value: str | None) -> bytes:
    if value is None:
        return b""
    data = value.encode("utf-16-le", "surrogatepass") + b"\0\0"
    return struct.pack("<HHI", 0x84B0, tag, len(data)) + data


def _number(tag: int, value: int | None) -> bytes:
    return b"" if value is None else struct.pack("<HHi", 3, tag, value)


def _binary(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0x0102, tag, len(value)) + value


def _time(tag: int, value: str | None) -> bytes:
    ticks = _ticks(value)
    return b"" if ticks is None else struct.pack("<HHQ", 0x0040, tag, ticks)


def _ticks(value: str | None) -> int | None:
    """A FILETIME; None for no date, and for one before 1601."""
    if not value:
        return None
    text = value[:19] + "+00:00"
    delta = datetime.fromisoformat(text) - _EPOCH
    ticks = (delta.days * 86_400 + delta.seconds) * 10_000_000
    return ticks if ticks >= 0 else None


def _marker(value: int) -> bytes:
    return struct.pack("<I", value)


def _name(kind: int, tag: int, guid: uuid.UUID, name: int | str) -> bytes:
    head = struct.pack("<HH", kind, tag) + guid.bytes_le
    if isinstance(name, int):
        return head + struct.pack("<BI", 0, name)
    return head + b"\1" + name.encode("utf-16-le") + b"\0\0"


def _keywords(categories: list[str]) -> bytes:
    if not categories:
        return b""
    values = [one.encode("utf-16-le", "surrogatepass") + b"\0\0" for one in categories]
    body = b"".join(struct.pack("<I", len(one)) + one for one in values)
    return _name(0x101F, 0x8011, *_KEYWORDS) + struct.pack("<I", len(values)) + body


# ------------------------------------------------------------------------------------------------------ messages


def message_stream(row: Row, search_key: bytes, reader: ContentReader, headers: str | None = None) -> bytes:
    """messageContent of a message row, with recipients, attachments and attached items all the way down."""
    body = row.get("body") or {}
    is_html = str(body.get("contentType")).lower() == "html"
    read, draft, attached = row.get("isRead"), row.get("isDraft"), bool(row.get("_attachments"))
    sender, said_by = _mailbox(row.get("sender")), _mailbox(row.get("from"))
    properties = [
        _number(0x0017, _IMPORTANCE.get(str(row.get("importance")))),
        _text(0x001A, str(row.get("_class", "IPM.Note"))),
        _text(0x0037, row.get("subject")),
        _time(0x0039, row.get("sentDateTime")),
        _text(0x0042, said_by[0]),
        _text(0x0065, said_by[1]),
        _text(0x007D, headers),
        _text(0x0C1A, sender[0]),
        _text(0x0C1F, sender[1]),
        _time(0x0E06, row.get("receivedDateTime")),
        _number(0x0E07, (1 if read else 0) | (8 if draft else 0) | (16 if attached else 0)),
        _text(0x1000, None if is_html or not body else str(body.get("content", ""))),
        _binary(0x1013, str(body.get("content", "")).encode("utf-8", "replace")) if is_html else b"",
        _text(0x1035, row.get("internetMessageId")),
        _number(0x1090, _FLAGS.get(str(row.get("flag", {}).get("flagStatus")))),
        _time(0x3007, row.get("createdDateTime")),
        _time(0x3008, row.get("lastModifiedDateTime")),
        _binary(0x300B, search_key),
        _number(0x3FDE, 65_001),
        _keywords(row.get("categories") or []),
    ]
    return b"".join(properties) + _recipients(row) + _attachments(row, search_key, reader)


def _mailbox(recipient: Row | None) -> tuple[str | None, str | None]:
    found = (recipient or {}).get("emailAddress", {})
    return found.get("name"), found.get("address")


def _recipients(row: Row) -> bytes:
    parts = [struct.pack("<II", _DEL_PROP, 0x0E12000D)]
    number = 0
    for kind, key in ((1, "toRecipients"), (2, "ccRecipients"), (3, "bccRecipients")):
        for one in row.get(key) or ():
            name, address = _mailbox(one)
            properties = [_number(0x0C15, kind), _number(0x3000, number), _text(0x3001, name), _text(0x3002, "SMTP")]
            properties += [_text(0x3003, address), _text(0x39FE, address)]
            parts += [_marker(_START_RECIP), *properties, _marker(_END_RECIP)]
            number += 1
    return b"".join(parts)


def _attachments(row: Row, search_key: bytes, reader: ContentReader) -> bytes:
    parts = [struct.pack("<II", _DEL_PROP, 0x0E13000D)]
    for number, one in enumerate(row.get("_attachments") or ()):
        head = [_marker(_NEW_ATTACH), _number(0x0E21, number)]
        names = [_text(0x3001, one.get("name")), _text(0x3707, one.get("name")), _text(0x370E, one.get("contentType"))]
        names += [_text(0x3712, one.get("contentId"))]
        if "item" in one:
            method, content = 5, _embedded(one["item"], search_key, reader)
        elif one.get("_c") is not None:
            data = reader.read(one["_c"], 0, int(one["_c"]["len"]))
            method, content = 1, _binary(0x3701, data)
        else:
            method, content = 7, _text(0x370D, one.get("sourceUrl"))
        parts += [*head, _number(0x3705, method), *names, content, _marker(_END_ATTACH)]
    return b"".join(parts)


def _embedded(item: Row, search_key: bytes, reader: ContentReader) -> bytes:
    kind = str(item.get("@odata.type", "")).rpartition(".")[2]
    own = {"event": "IPM.Appointment", "contact": "IPM.Contact"}.get(kind)
    row = item if own is None else {"_class": own, "subject": item.get("subject") or item.get("displayName")}
    content = struct.pack("<HHQ", 0x0014, 0x674A, 0x742B) + message_stream(row, search_key, reader)
    return _marker(_START_EMBED) + content + _marker(_END_EMBED)


# ------------------------------------------------------------------------------------- events, contacts, tasks


def other_stream(kind: str, row: Row, search_key: bytes, times: tuple[datetime | None, datetime | None]) -> bytes:
    """messageContent of an event, contact or task. times: start and end of an event, in UTC."""
    classes = {"event": "IPM.Appointment", "contact": "IPM.Contact", "task": "IPM.Task"}
    subject = row.get("subject") or row.get("displayName") or row.get("title")
    body = row.get("body") or {"content": row.get("personalNotes")}
    addresses = [str(one.get("address")) for one in row.get("emailAddresses") or ()]
    properties = [
        _text(0x001A, classes[kind]),
        _text(0x0037, subject),
        _text(0x1000, str(body["content"]) if body.get("content") else None),
        _text(0x3001, row.get("displayName")),
        _time(0x3007, row.get("createdDateTime")),
        _time(0x3008, row.get("lastModifiedDateTime")),
        _binary(0x300B, search_key),
        _text(0x3A06, row.get("givenName")),
        _text(0x3A11, row.get("surname")),
        _text(0x3A16, row.get("companyName")),
        _keywords(row.get("categories") or []),
    ]
    for at, number in zip(times, (0x820D, 0x820E), strict=True):
        ticks = _ticks(at.isoformat()) if at is not None else None
        if ticks is not None:
            properties.append(_name(0x0040, 0x8012, _APPOINTMENT, number) + struct.pack("<Q", ticks))
    if addresses:
        guid = uuid.UUID("00062004-0000-0000-C000-000000000046")
        data = addresses[0].encode("utf-16-le") + b"\0\0"
        properties.append(_name(0x84B0, 0x8013, guid, 0x8083) + struct.pack("<I", len(data)) + data)
    return b"".join(properties) + struct.pack("<II", _DEL_PROP, 0x0E12000D) + struct.pack("<II", _DEL_PROP, 0x0E13000D)
