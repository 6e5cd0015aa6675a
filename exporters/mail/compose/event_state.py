"""What an event is beside when it takes place: who is in it, what they answered, by what it is known, when it reminds.

Rules of this file: pure. Source: reference/mapi-mapping.md §3.1, §3.6 to §3.8; [MS-OXOCAL] 2.2.1.
"""

from dataclasses import dataclass
from datetime import timedelta

from exporters.mail.compose import attendees as people
from exporters.mail.compose.addresses import Address
from exporters.mail.compose.event_texts import BUSY, RESPONSES, attendees_of, location_of, organizer_of
from exporters.mail.compose.event_times import Span
from exporters.mail.compose.global_ids import global_object_id
from exporters.mail.compose.graph_item import Item, mapping, number
from exporters.mail.compose.people import set_people
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
    Properties,
)
from exporters.pst import NamedProperty, Value

_MEETING, _RECEIVED, _CANCELLED = 1, 2, 4
_LONGEST_REMINDER = 10 * 366 * 1440  # minutes; beyond it a reminder is none that anybody set


@dataclass(frozen=True)
class Meeting:
    """Whether an event is one with others, whether it is the mailbox's own, and its rows of recipients."""

    is_meeting: bool
    is_own: bool
    rows: list[dict[int, Value]]


def set_persons(item: Item) -> Meeting:
    """Organizer and attendees: the groups of properties, the names shown, the rows."""
    graph = item.graph
    organizer, attendees = organizer_of(item, graph), attendees_of(item, graph)
    given = graph.get("isOrganizer")
    is_own = given if isinstance(given, bool) else organizer is None or item.box.owns(organizer.address)
    is_meeting = bool(attendees) or not is_own
    by_kind = {kind: [one for one in attendees if one.kind == kind] for kind in (1, 2, 3)}
    found = {
        field: [Address(one.name, one.address, one.address_type) for one in by_kind[kind]]
        for field, kind in (("to", people.REQUIRED), ("cc", people.OPTIONAL), ("bcc", people.RESOURCE))
    }
    if organizer is not None:
        found["from"] = [Address(organizer.name, organizer.address, organizer.address_type)]
    set_people(found, item.box.own_addresses, is_draft=False, properties=item.properties, losses=item.losses)
    for name, kind in ((0x8238, None), (0x823B, people.REQUIRED), (0x823C, people.OPTIONAL)):
        item.put(APPOINTMENT, name, STRING, people.names(attendees, kind))
    return Meeting(is_meeting, is_own, people.rows(organizer, attendees) if is_meeting else [])


def set_state(item: Item, meeting: Meeting) -> None:
    """Place, busy state, flags of the appointment, own answer, online meeting."""
    graph = item.graph
    item.put(APPOINTMENT, 0x8208, STRING, location_of(item, graph))
    item.put(APPOINTMENT, 0x8205, INTEGER, BUSY.get(item.line(graph.get("showAs")).lower(), BUSY["busy"]))
    state = (
        _MEETING * meeting.is_meeting
        | _RECEIVED * (not meeting.is_own)
        | _CANCELLED * (graph.get("isCancelled") is True)
    )
    item.put(APPOINTMENT, 0x8217, INTEGER, state)
    answer = mapping(graph.get("responseStatus"))
    usual = people.ORGANIZER if meeting.is_meeting and meeting.is_own else people.NONE
    item.put(APPOINTMENT, 0x8218, INTEGER, RESPONSES.get(item.line(answer.get("response")).lower(), usual))
    item.put(APPOINTMENT, 0x8220, TIME, item.time(answer.get("time"), "responseStatus"))
    item.put(APPOINTMENT, 0x8229, BOOLEAN, meeting.is_meeting and graph.get("isDraft") is not True)
    item.put(APPOINTMENT, 0x8201, INTEGER, 0)
    wanted = graph.get("responseRequested")
    if isinstance(wanted, bool):
        item.tag(0x0063000B, wanted)
        item.tag(0x0C17000B, wanted)
    if isinstance(proposals := graph.get("allowNewTimeProposals"), bool):
        item.put(APPOINTMENT, 0x825A, BOOLEAN, not proposals)
    item.put(PUBLIC, "SkypeTeamsMeetingUrl", STRING, link_of(item))


def link_of(item: Item) -> str:
    """The address of the online meeting, "" without one."""
    graph = item.graph
    joined = item.line(mapping(graph.get("onlineMeeting")).get("joinUrl"), "link")
    return joined or item.line(graph.get("onlineMeetingUrl"), "link")


def set_identity(item: Item, more: Properties, *, is_series: bool) -> None:
    """By what the event and its occurrences are known."""
    uid = item.line(item.graph.get("iCalUId")) or item.line(item.graph.get("uid"))
    if uid:
        item.put(MEETING, 0x0003, BINARY, global_object_id(uid))
        item.put(MEETING, 0x0023, BINARY, global_object_id(uid))
    elif NamedProperty(MEETING, 0x0003, BINARY) not in more:
        item.losses.add("event-without-uid", "the event has no iCalUId: Outlook cannot join its updates")
    item.put(MEETING, 0x0005, BOOLEAN, is_series)
    item.put(MEETING, 0x000A, BOOLEAN, False)


def set_reminder(item: Item, span: Span | None) -> None:
    """The reminder, relative to the start (of a series, to its first occurrence)."""
    graph = item.graph
    item.put(COMMON, 0x8503, BOOLEAN, graph.get("isReminderOn") is True)
    minutes = number(graph.get("reminderMinutesBeforeStart"))
    if minutes is None or span is None:
        return
    item.put(COMMON, 0x8501, INTEGER, minutes)
    item.put(COMMON, 0x8502, TIME, span.start.utc)
    if abs(minutes) <= _LONGEST_REMINDER:
        item.put(COMMON, 0x8560, TIME, span.start.utc - timedelta(minutes=minutes))
    else:
        item.losses.add("event-detail", f"a reminder {minutes} minutes before the start")
