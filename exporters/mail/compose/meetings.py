"""Invitations and their answers (`text/calendar` in a mail): the classes and properties of Outlook's meeting mails.

Rules of this file: pure; what iCalendar says and Outlook has a property for is set, what a meeting mail cannot hold is a loss.
Encoders of blobs are in recurrence.py, timezones.py and global_ids.py and know nothing of iCalendar.
Source: [MS-OXCICAL] 2.1.3.1; [MS-OXOCAL] 2.2.1, 2.2.5 to 2.2.7; RFC 5546; reference/mapi-mapping.md §1.9, §3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from exporters.mail.compose import attendees as people
from exporters.mail.compose.calendar_text import Component, Line, parse
from exporters.mail.compose.calendar_times import Zones, duration, parsed
from exporters.mail.compose.global_ids import global_object_id, occurrence_of
from exporters.mail.compose.losses import Loss
from exporters.mail.compose.meeting_series import add_series, wall_of
from exporters.mail.compose.meeting_work import BUSY, Work, busy_status, end_of, outlook_zone
from exporters.mail.compose.property_sets import (
    APPOINTMENT,
    BINARY,
    BOOLEAN,
    COMMON,
    INTEGER,
    MEETING,
    PUBLIC,
    STRING,
    TIME,
)
from exporters.mail.compose.recurrence import Series
from exporters.mail.compose.timezones import encode_definition
from exporters.pst import NamedProperty, Value

_SIDE_EFFECTS = 7265
_REQUEST, _FULL_UPDATE = 1, 0x10000
_CLASSES = {"REQUEST": "Request", "CANCEL": "Canceled", "COUNTER": "Resp.Tent"}
_RESPONSES = {people.ACCEPTED: "Resp.Pos", people.DECLINED: "Resp.Neg", people.TENTATIVE: "Resp.Tent"}
_ICONS = {"Request": 0x404, "Resp.Pos": 0x405, "Resp.Neg": 0x406, "Resp.Tent": 0x407, "Canceled": 0x408}


@dataclass(frozen=True)
class MeetingContent:
    """What an invitation or answer has beside an ordinary mail.

    `recipients`: rows of organizer and attendees with flags and answers. They complete the rows of the mail's own recipients
    with the same address; persons whom the mail was not sent to are named in the properties (PidLidAllAttendeesString), and
    get a row only where the caller wants one. `description` is the text of the event, for mails that have no other body.
    """

    message_class: str
    properties: dict[int | NamedProperty, Value]
    recipients: list[dict[int, Value]]
    losses: tuple[Loss, ...]
    description: str = ""


def meeting(calendar: bytes, *, method: str) -> MeetingContent | None:
    """The meeting mail that a calendar part makes of its mail.

    `calendar` without its transfer encoding, in UTF-8 (else it is read as windows-1252). `method` is that of the part's
    Content-Type; "" to take the calendar's own. None for calendars that invite, cancel and answer nothing (PUBLISH, ADD, REFRESH,
    DECLINECOUNTER, free/busy, tasks, an answer that is none): the mail stays an ordinary one.
    """
    text = parse(calendar)
    found = next((one for one in text.components if one.name == "VCALENDAR" and one.components("VEVENT")), None)
    if found is None:
        return None
    events = found.components("VEVENT")
    event = next((one for one in events if one.first("RECURRENCE-ID") is None), events[0])
    kind = _kind((method or found.text("METHOD")).strip().upper(), event)
    if kind is None:
        return None
    uid = event.text("UID")
    same = [one for one in events if one is not event and one.text("UID") == uid]
    work = Work(event, Zones(found), same, kind)
    if text.broken_lines:
        work.lose("calendar-line", f"{text.broken_lines} lines of the calendar are none")
    if text.replaced:
        work.lose("text-replaced", "characters of the calendar that cannot be stored were replaced")
    if len(same) + 1 < len(events):
        work.lose("calendar-several", f"{len(events) - len(same) - 1} further events of the calendar are not shown")
    for line in event.all("ATTACH"):
        if line.parameter("ENCODING").upper() == "BASE64":
            work.lose(
                "calendar-attachment", f"a file of {len(line.value)} characters inside the calendar is not taken out"
            )
    set_times(work)
    series = add_series(work)
    set_identity(work, series)
    _state(work)
    set_persons_and_texts(work)
    set_reminder(work)
    if (method or found.text("METHOD")).strip().upper() == "COUNTER":
        _counter(work)
    for name in work.zones.unknown:
        work.lose("timezone-approximate", f"time zone {name[:80]!r} is unknown; UTC was used")
    organizer, attendees = persons(event)
    return MeetingContent(
        f"IPM.Schedule.Meeting.{kind}",
        work.properties,
        people.rows(organizer, attendees),
        tuple(dict.fromkeys(work.losses)),
        event.text("DESCRIPTION"),
    )


def _kind(method: str, event: Component) -> str | None:
    if method == "REPLY":
        return next((_RESPONSES[one.status] for one in persons(event)[1] if one.status in _RESPONSES), None)
    return _CLASSES.get(method)


def persons(event: Component) -> tuple[people.Person | None, list[people.Person]]:
    """The organizer, if one is named, and the attendees."""
    organizer = event.first("ORGANIZER")
    return people.person(organizer) if organizer else None, [people.person(line) for line in event.all("ATTENDEE")]


def set_times(work: Work) -> None:
    """Start, end, duration and all-day ([MS-OXOCAL] 2.2.1.5 to 2.2.1.9)."""
    event = work.event
    work.start = start = work.moment(event.first("DTSTART"))
    if start is None:
        if event.first("DTSTART") is None:
            work.lose("event-without-start", "the event says no start")
        return
    work.end = end = end_of(work, event, start)
    whole_days = (
        (end.wall - start.wall) % timedelta(1) == timedelta() and start.wall.time() == time() and end.wall > start.wall
    )
    work.all_day = whole_days and (
        start.is_date or work.flag("X-MICROSOFT-CDO-ALLDAYEVENT") or work.flag("X-MICROSOFT-MSNCALENDAR-ALLDAYEVENT")
    )
    first, last = start.utc, end.utc
    minutes = int((last - first).total_seconds()) // 60
    for name, value in ((0x820D, first), (0x820E, last), (0x8235, first), (0x8236, last)):
        work.put(APPOINTMENT, name, TIME, value)
    work.put(COMMON, 0x8516, TIME, first)
    work.put(COMMON, 0x8517, TIME, last)
    work.tag(0x00600040, first)
    work.tag(0x00610040, last)
    work.put(APPOINTMENT, 0x8213, INTEGER, minutes)
    work.put(APPOINTMENT, 0x8215, BOOLEAN, work.all_day)
    for name, moment in ((0x825E, start), (0x825F, end)):
        work.put(APPOINTMENT, name, BINARY, encode_definition(outlook_zone(work, moment)))


def set_identity(work: Work, series: Series | None) -> None:
    """By what the meeting, its updates and its occurrences are known ([MS-OXOCAL] 2.2.1.26 to 2.2.1.30)."""
    event = work.event
    uid = event.text("UID")
    replaced = event.first("RECURRENCE-ID")
    original = work.moment(replaced)
    day = original.wall.date() if original else occurrence_of(uid) if uid else None
    if original is not None and work.start is not None and not original.is_date:
        day = wall_of(original, work.start).date()
    if uid:
        work.put(MEETING, 0x0003, BINARY, global_object_id(uid, day))
        work.put(MEETING, 0x0023, BINARY, global_object_id(uid))
    else:
        work.lose("event-without-uid", "the event has no UID: Outlook cannot join its updates")
    work.put(MEETING, 0x0005, BOOLEAN, series is not None or day is not None)
    work.put(MEETING, 0x000A, BOOLEAN, day is not None)
    if replaced is not None and replaced.parameter("RANGE"):
        work.lose("event-exception", f"the change applies from {replaced.value[:40]} on; one occurrence is shown")
    if original is not None:
        work.put(APPOINTMENT, 0x8228, TIME, original.utc)
    outlooks = event.first("X-MICROSOFT-CDO-APPT-SEQUENCE") is not None
    sequence = _number(work, "X-MICROSOFT-CDO-APPT-SEQUENCE" if outlooks else "SEQUENCE")
    work.put(APPOINTMENT, 0x8201, INTEGER, sequence if sequence is not None else 0)
    work.tag(0x00620003, _number(work, "X-MICROSOFT-CDO-OWNERAPPTID"))


def _number(work: Work, name: str) -> int | None:
    text = work.event.text(name)
    if not text:
        return None
    try:
        value = int(text[:20])
    except ValueError:
        value = 1 << 40
    if -(1 << 31) <= value < 1 << 32:
        return value - (1 << 32) if value >= 1 << 31 else value
    work.lose("calendar-number", f"{name}: {text[:40]!r}")
    return None


def _state(work: Work) -> None:
    """Flags, answers and busy states, by the kind of mail ([MS-OXOCAL] 2.2.5.1, 2.2.6, 2.2.7)."""
    event, kind = work.event, work.kind
    stamp = work.moment(event.first("DTSTAMP"))
    when = stamp.utc if stamp else None
    response = next((status for status, name in _RESPONSES.items() if name == kind), None)
    busy = busy_status(event)
    if kind == "Request":
        intended = BUSY.get(event.text("X-MICROSOFT-CDO-INTENDEDSTATUS").upper(), busy)
        update = bool(work.properties.get(NamedProperty(APPOINTMENT, 0x8201, INTEGER)))
        work.put(APPOINTMENT, 0x8224, INTEGER, intended)
        work.put(APPOINTMENT, 0x8229, BOOLEAN, True)
        work.put(MEETING, 0x0026, INTEGER, _FULL_UPDATE if update else _REQUEST)
        busy = min(intended, BUSY["TENTATIVE"])
    elif kind == "Canceled":
        busy = BUSY["FREE"]
    work.put(APPOINTMENT, 0x8205, INTEGER, busy)
    work.put(APPOINTMENT, 0x8217, INTEGER, 7 if kind == "Canceled" else 3)
    work.put(APPOINTMENT, 0x8218, INTEGER, response or (people.NOT_RESPONDED if kind == "Request" else people.NONE))
    if response is None:
        work.put(MEETING, 0x001A, TIME, _stamp(work, "X-MICROSOFT-CDO-OWNER-CRITICAL-CHANGE") or when)
    else:
        change = _stamp(work, "X-MICROSOFT-CDO-ATTENDEE-CRITICAL-CHANGE") or when
        work.put(MEETING, 0x0001, TIME, change)
        work.put(APPOINTMENT, 0x8220, TIME, _stamp(work, "X-MICROSOFT-CDO-REPLYTIME") or change)
    work.tag(0x7D01000B, True)  # processed: or Outlook would act on an old invitation
    work.tag(0x10800003, _ICONS[kind])
    work.put(COMMON, 0x8510, INTEGER, _SIDE_EFFECTS)


def _stamp(work: Work, name: str) -> datetime | None:
    found = parsed(work.event.text(name))
    return found[0].replace(tzinfo=UTC) if found else None


def set_persons_and_texts(work: Work) -> None:
    """Names of the attendees, place, sensitivity, categories ([MS-OXOCAL] 2.2.1.4, 2.2.1.16 to 2.2.1.18)."""
    event = work.event
    _, attendees = persons(event)
    for name, kind in ((0x8238, None), (0x823B, people.REQUIRED), (0x823C, people.OPTIONAL)):
        work.put(APPOINTMENT, name, STRING, people.names(attendees, kind))
    for name, kind in ((0x0006, people.REQUIRED), (0x0007, people.OPTIONAL), (0x0008, people.RESOURCE)):
        work.put(MEETING, name, STRING, people.names(attendees, kind))
    wants = any(one.wants_answer for one in attendees)
    work.tag(0x0063000B, wants)
    work.tag(0x0C17000B, wants)
    location = event.text("LOCATION")
    work.put(APPOINTMENT, 0x8208, STRING, location)
    work.put(MEETING, 0x0002, STRING, location)
    if event.first("X-MICROSOFT-DISALLOW-COUNTER") is not None:
        work.put(APPOINTMENT, 0x825A, BOOLEAN, work.flag("X-MICROSOFT-DISALLOW-COUNTER"))
    work.put(PUBLIC, "SkypeTeamsMeetingUrl", STRING, event.text("X-MICROSOFT-SKYPETEAMSMEETINGURL"))
    sensitivity = {"PRIVATE": 2, "CONFIDENTIAL": 3}.get(event.text("CLASS").upper())
    if sensitivity is not None:
        work.tag(0x00360003, sensitivity)
        work.put(COMMON, 0x8506, BOOLEAN, True)
    keywords = [word.strip() for line in event.all("CATEGORIES") for word in _split(line.value)]
    keywords = list(dict.fromkeys(word for word in keywords if word))
    work.put(PUBLIC, "Keywords", 0x101F, tuple(keywords) or None)


def _split(value: str) -> Sequence[str]:
    """The parts of a list of TEXT: commas that are not escaped divide."""
    marked = value.replace("\\\\", "\ue000").replace("\\,", "\ue001").split(",")
    return [Line("", {}, part.replace("\ue001", "\\,").replace("\ue000", "\\\\")).text for part in marked]


def set_reminder(work: Work) -> None:
    """The first alarm that is relative to the start ([MS-OXOCAL] 2.2.1.40; reference/mapi-mapping.md §3.8)."""
    if work.start is None or work.kind != "Request":
        return
    for alarm in work.event.components("VALARM"):
        line = alarm.first("TRIGGER")
        before = duration(line.value) if line else None
        if line is None or before is None or before > timedelta() or line.parameter("RELATED").upper() == "END":
            work.lose("event-detail", f"an alarm at {line.value[:40] if line else 'no time'!r}")
            continue
        minutes = int(-before.total_seconds()) // 60
        start = work.start.utc
        if NamedProperty(COMMON, 0x8503, BOOLEAN) in work.properties or start + before < datetime(
            1601, 1, 2, tzinfo=UTC
        ):
            work.lose("event-detail", f"a further alarm {minutes} minutes before the start")
            continue
        work.put(COMMON, 0x8503, BOOLEAN, True)
        work.put(COMMON, 0x8501, INTEGER, minutes)
        work.put(COMMON, 0x8502, TIME, start)
        work.put(COMMON, 0x8560, TIME, start + before)


def _counter(work: Work) -> None:
    """A proposal of another time: it is the event's own; the original one stands beside it ([MS-OXOCAL] 2.2.7.3 to 2.2.7.6)."""
    work.put(APPOINTMENT, 0x8257, BOOLEAN, True)
    start, end = work.start, work.end
    if start is None or end is None:
        return
    work.put(APPOINTMENT, 0x8250, TIME, start.utc)
    work.put(APPOINTMENT, 0x8251, TIME, end.utc)
    work.put(APPOINTMENT, 0x8256, INTEGER, int((end.utc - start.utc).total_seconds()) // 60)
    originals = (
        work.moment(work.event.first("X-MS-OLK-ORIGINALSTART")),
        work.moment(work.event.first("X-MS-OLK-ORIGINALEND")),
    )
    for moment, names, tag in zip(
        originals, ((0x820D, 0x8516), (0x820E, 0x8517)), (0x00600040, 0x00610040), strict=True
    ):
        if moment is not None:
            work.put(APPOINTMENT, names[0], TIME, moment.utc)
            work.put(COMMON, names[1], TIME, moment.utc)
            work.tag(tag, moment.utc)
