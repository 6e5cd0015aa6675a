"""Changed occurrences of a series as the hidden attachments in which Outlook keeps them.

Rules of this file: pure but for `open_bytes`. Times of the attachment are the wall clock of the series' zone, those of the
message inside are UTC; the message holds only what differs, and when it takes place.
Source: reference/mapi-mapping.md §3.5, §3.7; [MS-OXOCAL] 2.2.10.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from exporters.mail.compose import attendees as people
from exporters.mail.compose.event_series import EventSeries, body_differs
from exporters.mail.compose.event_texts import BUSY, attendees_of, location_of, organizer_of
from exporters.mail.compose.event_times import Place
from exporters.mail.compose.global_ids import global_object_id
from exporters.mail.compose.graph_attachments import FLAGS, HIDDEN, graph_attachments
from exporters.mail.compose.graph_body import body_of, set_body
from exporters.mail.compose.graph_item import CREATED, MODIFIED, SUBJECT, Item, Record, listing, number
from exporters.mail.compose.headers import EPOCH
from exporters.mail.compose.plain_item import CLASS, HAS_ATTACHMENTS, MESSAGE_FLAGS
from exporters.mail.compose.property_sets import (
    APPOINTMENT,
    BINARY,
    BOOLEAN,
    COMMON,
    INTEGER,
    MEETING,
    STRING,
    TIME,
    Properties,
)
from exporters.mail.compose.recurrence import Changed
from exporters.mail.compose.stored_bytes import OpenBytes
from exporters.pst import Attachment, Message, Value

_CLASS = "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"
_READ_UNSENT = 9
_REMOVED = 0x20
_IS_EXCEPTION = 2  # PidTagAttachmentFlags: afException
_ORIGINAL, _START, _END = 0x7FF90040, 0x7FFB0040, 0x7FFC0040


def exception_attachments(
    item: Item,
    found: EventSeries,
    definitions: Properties,
    files: Mapping[str, Sequence[Record]],
    open_bytes: OpenBytes,
) -> list[Attachment]:
    """One attachment a changed occurrence. `definitions`: of the zone, as the series has them. `files`: by its id."""
    made = []
    for change, row in found.exceptions:
        own = [*listing(row.get("attachments")), *files.get(str(row.get("id")), ())]
        made.append(_attachment(item, found, change, {**row, "attachments": own}, definitions, open_bytes))
    return made


def _attachment(
    item: Item, found: EventSeries, change: Changed, row: Record, definitions: Properties, open_bytes: OpenBytes
) -> Attachment:
    message = _message(item, found, change, row, definitions, open_bytes)
    title = message.properties.get(SUBJECT)
    properties: Properties = {
        0x3001001F: title if isinstance(title, str) and title else "Untitled",
        FLAGS: 0,
        HIDDEN: True,
        0x7FFD0003: _IS_EXCEPTION,
        0x7FFA0003: 0,
        0x7FFF000B: False,
        _START: _as_utc(change.start),
        _END: _as_utc(change.end),
        _ORIGINAL: _as_utc(change.original_start),
    }
    return Attachment(properties, message=message)


def _as_utc(wall: datetime) -> datetime:
    return wall.replace(tzinfo=UTC, fold=0)


def _message(
    item: Item, found: EventSeries, change: Changed, row: Record, definitions: Properties, open_bytes: OpenBytes
) -> Message:
    inner = Item({"graph": row, "attachments": row.get("attachments")}, item.box, item.losses)
    properties = inner.properties
    properties.update({CLASS: _CLASS, MESSAGE_FLAGS: _READ_UNSENT})
    for tag, name in ((CREATED, "createdDateTime"), (MODIFIED, "lastModifiedDateTime")):
        inner.tag(tag, inner.time(row.get(name), name) or item.properties.get(tag))
    if CREATED not in properties and MODIFIED not in properties:
        properties[MODIFIED] = item.properties.get(MODIFIED, EPOCH)
    _set_times(inner, found.place, change, definitions)
    _set_differences(inner, item, change, row)
    uid = item.line(item.graph.get("iCalUId")) or item.line(item.graph.get("uid"))
    if uid:
        inner.put(MEETING, 0x0003, BINARY, global_object_id(uid, change.original_start.date()))
        inner.put(MEETING, 0x0023, BINARY, global_object_id(uid))
    body = body_of(inner, row.get("body"))
    if body_differs(item, row):
        set_body(inner, body)
        inner.put(APPOINTMENT, 0x8206, BOOLEAN, True)
    files = graph_attachments(inner, open_bytes, body.html, EPOCH, depth=2)
    if row.get("hasAttachments") is True and not files:
        item.losses.add("event-exception", f"files of the occurrence of {change.original_start.date()} are not here")
    properties[HAS_ATTACHMENTS] = bool(files)
    return Message(properties, _rows(item, row), files)


def _set_times(inner: Item, place: Place, change: Changed, definitions: Properties) -> None:
    start, end = place.at(change.start).utc, place.at(change.end).utc
    for name, value in ((0x820D, start), (0x820E, end), (0x8235, start), (0x8236, end)):
        inner.put(APPOINTMENT, name, TIME, value)
    inner.put(COMMON, 0x8516, TIME, start)
    inner.put(COMMON, 0x8517, TIME, end)
    inner.tag(0x00600040, start)
    inner.tag(0x00610040, end)
    inner.put(APPOINTMENT, 0x8213, INTEGER, int((end - start).total_seconds()) // 60)
    inner.put(APPOINTMENT, 0x8228, TIME, place.at(change.original_start).utc)
    inner.put(APPOINTMENT, 0x8223, BOOLEAN, False)
    inner.put(MEETING, 0x0005, BOOLEAN, True)
    inner.put(MEETING, 0x000A, BOOLEAN, True)
    inner.properties.update(definitions)


def _set_differences(inner: Item, item: Item, change: Changed, row: Record) -> None:
    if change.subject is not None:
        inner.tag(SUBJECT, inner.title(row.get("subject")))
    if change.location is not None:
        inner.put(APPOINTMENT, 0x8208, STRING, location_of(inner, row))
    inner.put(APPOINTMENT, 0x8205, INTEGER, BUSY.get(inner.line(row.get("showAs")).lower(), _busy(item)))
    if change.all_day is not None:
        inner.put(APPOINTMENT, 0x8215, BOOLEAN, change.all_day)
    if change.reminder_set is not None:
        inner.put(COMMON, 0x8503, BOOLEAN, change.reminder_set)
    if change.reminder_minutes is not None:
        inner.put(COMMON, 0x8501, INTEGER, number(row.get("reminderMinutesBeforeStart")))
    if row.get("isCancelled") is True and item.graph.get("isCancelled") is not True:
        inner.put(APPOINTMENT, 0x8217, INTEGER, 5 if item.graph.get("isOrganizer") is not False else 7)


def _busy(item: Item) -> int:
    return BUSY.get(item.line(item.graph.get("showAs")).lower(), 2)


def _rows(item: Item, row: Record) -> list[dict[int, Value]]:
    """Who attends this occurrence, if others than the series': those who do not are marked as removed."""
    if not listing(row.get("attendees")):
        return []
    own, usual = attendees_of(item, row), attendees_of(item, item.graph)
    if [(one.shown, one.address, one.kind, one.status) for one in own] == [
        (one.shown, one.address, one.kind, one.status) for one in usual
    ]:
        return []
    found = people.rows(organizer_of(item, row) or organizer_of(item, item.graph), own)
    present = {one.address.lower() for one in own if one.address}
    for gone in people.rows(None, [one for one in usual if one.address and one.address.lower() not in present]):
        found.append({**gone, people.FLAGS: people.SENDABLE | _REMOVED})
    return found
