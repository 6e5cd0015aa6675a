"""An event of Graph as an IPM.Appointment: a single one, or a whole series with its exceptions.

Rules of this file: pure but for `open_bytes`. One message an event, never one an occurrence. Blobs that the service served
(recurrence, zones, global ids) are Outlook's own and win over those that are built here.
Source: reference/mapi-mapping.md §1.10, §3; [MS-OXOCAL] 2.2.1; quirks.md Q-078 to Q-080.
"""

from datetime import datetime

from exporters.mail.compose.attached_calendar import EVENT_SIDE_EFFECTS
from exporters.mail.compose.box import Box
from exporters.mail.compose.event_exceptions import exception_attachments
from exporters.mail.compose.event_series import EventSeries, files_by_owner, moment_of, series_of
from exporters.mail.compose.event_state import link_of, set_identity, set_persons, set_reminder, set_state
from exporters.mail.compose.event_times import Place, Span, places_of, span_of
from exporters.mail.compose.extended_properties import extended
from exporters.mail.compose.graph_attachments import graph_attachments, size_hint
from exporters.mail.compose.graph_body import body_of, set_body
from exporters.mail.compose.graph_item import SUBJECT, Item, Record
from exporters.mail.compose.headers import EPOCH, without_prefix
from exporters.mail.compose.mime import Converted
from exporters.mail.compose.plain_item import finished
from exporters.mail.compose.property_sets import APPOINTMENT, BINARY, BOOLEAN, COMMON, INTEGER, STRING, TIME, Properties
from exporters.mail.compose.recurrence import Frequency, RecurrenceRefused, described, encode
from exporters.mail.compose.stored_bytes import OpenBytes
from exporters.mail.compose.timezones import Zone, encode_definition, encode_struct, zone_of
from exporters.mail.compose.timezones import described as zone_described
from exporters.pst import NamedProperty

_ICON = 1024
_READ, _DRAFT = 0x01, 0x08
_RECURRENCE_TYPES = {Frequency.DAILY: 1, Frequency.WEEKLY: 2, Frequency.MONTHLY: 3, Frequency.YEARLY: 4}
_RECURRENCE = NamedProperty(APPOINTMENT, 0x8216, BINARY)
_TODAY = 2037  # up to this year the rules of the zone of a series without end are written
_NO_END = datetime(4500, 8, 31, 23, 59)  # noqa: DTZ001 - wall clock


def event_message(record: Record, box: Box, open_bytes: OpenBytes, *, search_key: bytes | None = None) -> Converted:
    """The IPM.Appointment of a line of `events-….jsonl`. `search_key`: 16 bytes, where the service names none.

    Raises what `open_bytes` raises for the bytes of an attached item; MimeRefused. Files are read when the message is written.
    """
    item = Item(record, box)
    graph = item.graph
    more = extended(graph, item.losses)
    series, blob = _series(item, more)
    files_of = files_by_owner(item) if series is not None else {}
    if series is not None:
        item.record = {**record, "attachments": files_of.pop(item.id, [])}
    is_series = bool(blob) or _RECURRENCE in more
    meeting = set_persons(item)
    item.set_common(side_effects=EVENT_SIDE_EFFECTS, icon=_ICON + is_series + 2 * meeting.is_meeting)
    title = item.title(graph.get("subject"))
    item.tag(SUBJECT, title)
    item.tag(0x0070001F, without_prefix(title))
    item.put(APPOINTMENT, 0x8223, BOOLEAN, is_series)
    item.put(APPOINTMENT, 0x8231, INTEGER, 0)
    span, definitions = _single(item, more) if series is None else _repeated(item, series, blob)
    set_state(item, meeting)
    set_identity(item, more, is_series=is_series)
    set_reminder(item, span)
    body = body_of(item, graph.get("body"))
    link = link_of(item)
    body = body.with_lines([link]) if link and link not in body.html + body.text else body
    set_body(item, body)
    files = graph_attachments(item, open_bytes, body.html, EPOCH)
    hidden = [] if series is None else exception_attachments(item, series, definitions, files_of, open_bytes)
    item.put(COMMON, 0x8514, BOOLEAN, bool(hidden) and not files)
    if graph.get("hasAttachments") is True and not files:
        item.losses.add("event-detail", "the files of the event are not in its record")
    message = finished(
        item,
        more,
        message_class="IPM.Appointment",
        flags=_READ | _DRAFT * (graph.get("isDraft") is True),
        attachments=[*files, *hidden],
        recipients=meeting.rows,
        search_key=search_key,
        size_hint=size_hint(item),
    )
    return Converted(message, item.losses.all())


def _series(item: Item, more: Properties) -> tuple[EventSeries | None, bytes]:
    """The series and its blob; None for a single event."""
    series = series_of(item, more, all_day=item.graph.get("isAllDay") is True)
    if series is None:
        return None, b""
    try:
        return series, encode(series.series)
    except RecurrenceRefused as error:
        item.losses.add("event-recurrence", f"a series is shown as a single event: {error}")
        return None, b""


def _single(item: Item, more: Properties) -> tuple[Span | None, Properties]:
    """Set when a single event takes place; its zones."""
    graph = item.graph
    names = (graph.get("originalStartTimeZone"), graph.get("originalEndTimeZone"))
    place = places_of(item, more, names)[0]
    until = places_of(item, more, (names[1], names[0]))[0]
    all_day = graph.get("isAllDay") is True
    span = span_of(item, graph, place, all_day=all_day, until=until)
    item.put(APPOINTMENT, 0x8215, BOOLEAN, all_day)
    if span is None:
        item.losses.add("event-without-start", "the event says no start")
        return None, {}
    _set_span(item, span)
    item.put(APPOINTMENT, 0x8235, TIME, span.start.utc)
    item.put(APPOINTMENT, 0x8236, TIME, span.end.utc)
    first = _zone(item, Place(span.start.zone, span.start.key), span, span.start.wall.year)
    last = _zone(item, Place(span.end.zone, span.end.key), span, span.start.wall.year)
    return span, _set_definitions(item, first, last)


def _set_span(item: Item, span: Span) -> None:
    start, end = span.start.utc, span.end.utc
    item.put(APPOINTMENT, 0x820D, TIME, start)
    item.put(APPOINTMENT, 0x820E, TIME, end)
    item.put(COMMON, 0x8516, TIME, start)
    item.put(COMMON, 0x8517, TIME, end)
    item.put(APPOINTMENT, 0x8213, INTEGER, int((end - start).total_seconds()) // 60)


def _zone(item: Item, place: Place, span: Span, last_year: int) -> Zone:
    """The rules of a zone from the start of an event to its last year."""
    zone = zone_of(place.zone, place.key[:255], span.start.wall, last_year)
    if zone.approximate:
        item.losses.add("timezone-approximate", f"the clocks of {place.key!r} change otherwise than twice a year")
    return zone


def _set_definitions(item: Item, first: Zone, last: Zone) -> Properties:
    """Set the zones in which start and end are shown."""
    found: Properties = {
        NamedProperty(APPOINTMENT, 0x825E, BINARY): encode_definition(first),
        NamedProperty(APPOINTMENT, 0x825F, BINARY): encode_definition(last),
    }
    item.properties.update(found)
    return found


def _repeated(item: Item, found: EventSeries, blob: bytes) -> tuple[Span, Properties]:
    """Set when a series takes place: blob, words, zone, and where it is clipped (§3.3, §3.4); its first span and its zones."""
    series, place = found.series, found.place
    _set_span(item, found.first)
    item.put(APPOINTMENT, 0x8215, BOOLEAN, found.first.all_day)
    last = series.last_date()
    final = last.year if last else max(series.start.year + 10, _TODAY)
    final = max(
        final, *(changed.end.year for changed, _ in found.exceptions), series.start.year
    )  # some move beyond its end
    zone = _zone(item, place, found.first, final)
    item.put(APPOINTMENT, 0x8231, INTEGER, _RECURRENCE_TYPES[series.pattern.frequency])
    item.put(APPOINTMENT, 0x8216, BINARY, blob)
    item.put(APPOINTMENT, 0x8232, STRING, described(series))
    item.put(APPOINTMENT, 0x8233, BINARY, encode_struct(zone.rules[-1]))
    item.put(APPOINTMENT, 0x8234, STRING, zone_described(zone))
    item.put(APPOINTMENT, 0x8260, BINARY, encode_definition(zone, recurrence=True))
    item.put(APPOINTMENT, 0x8235, TIME, moment_of(place, series.start.date()).utc)
    until = moment_of(place, last).utc if last is not None else place.at(_NO_END).utc
    item.put(APPOINTMENT, 0x8236, TIME, until)
    return found.first, _set_definitions(item, zone, zone)
