"""An attached event (`/$value` of an attached item gives iCalendar) as an IPM.Appointment.

Rules of this file: pure; reads lines as meetings.py does, for a calendar that invites nobody. None for what holds no event.
Source: reference/mapi-mapping.md §1.7 (embedded message), §3.1; [MS-OXCICAL] 2.1.3.1.
"""

from exporters.mail.compose import attendees as people
from exporters.mail.compose.box import Box
from exporters.mail.compose.calendar_text import parse
from exporters.mail.compose.calendar_times import Zones
from exporters.mail.compose.charsets import storable
from exporters.mail.compose.graph_body import BODY, CODEPAGE, NATIVE
from exporters.mail.compose.graph_item import CREATED, MODIFIED, SUBJECT
from exporters.mail.compose.headers import EPOCH, with_crlf
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.meeting_series import add_series
from exporters.mail.compose.meeting_work import Work, busy_status
from exporters.mail.compose.meetings import persons, set_identity, set_persons_and_texts, set_reminder, set_times
from exporters.mail.compose.plain_item import CLASS, MESSAGE_FLAGS
from exporters.mail.compose.property_sets import APPOINTMENT, BOOLEAN, INTEGER, SIDE_EFFECTS
from exporters.pst import Message

EVENT_SIDE_EFFECTS = 369
_READ = 1


def attached_event(data: bytes, box: Box, losses: Losses) -> Message | None:
    """The first event of a calendar, with its series."""
    text = parse(data)
    found = next((one for one in text.components if one.name == "VCALENDAR" and one.components("VEVENT")), None)
    if found is None:
        return None
    events = found.components("VEVENT")
    event = next((one for one in events if one.first("RECURRENCE-ID") is None), events[0])
    same = [one for one in events if one is not event and one.text("UID") == event.text("UID")]
    work = Work(event, Zones(found), same, "Request")
    if len(same) + 1 < len(events):
        work.lose("calendar-several", f"{len(events) - len(same) - 1} further events of the calendar are not shown")
    set_times(work)
    series = add_series(work)
    set_identity(work, series)
    set_persons_and_texts(work)
    set_reminder(work)
    for name in work.zones.unknown:
        work.lose("timezone-approximate", f"time zone {name[:80]!r} is unknown; UTC was used")
    _set_state(work, box, is_series=series is not None)
    description = storable(event.text("DESCRIPTION"), losses, "description")
    if description:
        work.tag(BODY, with_crlf(description))
    work.tag(CODEPAGE, 65001)
    work.tag(NATIVE, 1)
    subject = storable(event.text("SUMMARY"), losses, "subject")
    work.tag(SUBJECT, "\ufffd" + subject[1:] if subject.startswith("\x01") else subject)
    losses.extend(tuple(work.losses))
    organizer, attendees = persons(event)
    rows = people.rows(organizer, attendees) if attendees else []
    return Message(work.properties, rows)


def _set_state(work: Work, box: Box, *, is_series: bool) -> None:
    organizer, attendees = persons(work.event)
    is_own = organizer is None or box.owns(organizer.address)
    is_meeting = bool(attendees) or not is_own
    cancelled = 4 if work.event.text("STATUS").upper() == "CANCELLED" else 0
    work.tag(CLASS, "IPM.Appointment")
    work.tag(MESSAGE_FLAGS, _READ)
    work.tag(0x10800003, 1024 + is_series + 2 * is_meeting)
    work.properties[SIDE_EFFECTS] = EVENT_SIDE_EFFECTS
    work.put(APPOINTMENT, 0x8205, INTEGER, busy_status(work.event))
    work.put(APPOINTMENT, 0x8217, INTEGER, is_meeting + 2 * (not is_own) + cancelled)
    work.put(APPOINTMENT, 0x8218, INTEGER, people.ORGANIZER if is_meeting and is_own else people.NONE)
    work.put(APPOINTMENT, 0x8229, BOOLEAN, is_meeting)
    stamp = work.moment(work.event.first("DTSTAMP"))
    for name, tag in (("CREATED", CREATED), ("LAST-MODIFIED", MODIFIED)):
        moment = work.moment(work.event.first(name)) or stamp
        if moment is not None:
            work.tag(tag, moment.utc)
    if CREATED not in work.properties and MODIFIED not in work.properties:
        work.tag(MODIFIED, work.start.utc if work.start is not None else EPOCH)
