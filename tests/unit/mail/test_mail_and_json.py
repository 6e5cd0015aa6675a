"""Where the JSON of a mail or event knows more than its MIME or says it twice: senders, dates that are none, attendees, lists."""

from datetime import UTC, datetime
from typing import Any

import pytest

from exporters.mail.compose.box import Box
from exporters.mail.compose.event import event_message
from exporters.mail.compose.folders import Tree
from exporters.mail.compose.message_facts import message_facts
from exporters.mail.compose.mime import convert
from exporters.pst import NamedProperty
from tests.independent.recurrence_reading import moment, read_definition, read_recurrence

BOX = Box(("me@own.example",), "Me", "Europe/Berlin")
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
MIME = b"From: Boss <boss@own.example>\r\nDate: Tue, 6 May 2025 07:08:09 +0000\r\nSubject: x\r\n\r\nhello\r\n"
SENDER_NAME, SENDER, FROM, DELIVERED = 0x0C1A001F, 0x0C1F001F, 0x0065001F, 0x0E060040


def person(name: str, address: str) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": address}}


def properties(raw: bytes, **graph: Any) -> dict[Any, Any]:
    return dict(convert(raw, facts=message_facts(graph, BOX)).message.properties)


def test_who_sent_for_another_is_the_sender() -> None:
    found = properties(
        MIME, **{"from": person("Boss", "boss@own.example"), "sender": person("Aide", "aide@own.example")}
    )
    assert (found[SENDER_NAME], found[SENDER], found[FROM]) == ("Aide", "aide@own.example", "boss@own.example")


def test_a_sender_in_the_headers_stays() -> None:
    raw = b"Sender: Other <other@own.example>\r\n" + MIME
    found = properties(
        raw, **{"from": person("Boss", "boss@own.example"), "sender": person("Aide", "aide@own.example")}
    )
    assert found[SENDER] == "other@own.example"


@pytest.mark.parametrize("address", ["BOSS@own.example", "", "/o=old/cn=recipients/cn=aide"])
def test_a_sender_that_is_no_other_is_the_author(address: str) -> None:
    found = properties(MIME, **{"from": person("Boss", "boss@own.example"), "sender": person("Aide", address)})
    assert found[SENDER] == "boss@own.example"


@pytest.mark.parametrize("unset", ["0001-01-01T00:00:00Z", "1601-01-01T00:00:00Z"])
@pytest.mark.parametrize("named", [True, False])
def test_q076_a_date_that_is_none_falls_back(unset: str, *, named: bool) -> None:
    """Not even the header `Date` is one: the topmost `Received` is."""
    raw = MIME.replace(b"Tue, 6 May 2025 07:08:09", b"Mon, 1 Jan 1601 00:00:00")
    raw = b"Received: from a by b; Wed, 7 May 2025 01:02:03 +0000\r\n" + raw
    graph: dict[str, Any] = {"receivedDateTime": unset, "sentDateTime": unset}
    if named:
        graph["singleValueExtendedProperties"] = [
            {"id": "SystemTime 0xe06", "value": unset},
            {"id": "SystemTime 0x39", "value": unset},
        ]
    assert properties(raw, **graph)[DELIVERED] == datetime(2025, 5, 7, 1, 2, 3, tzinfo=UTC)


def test_who_attends_in_two_ways_has_two_rows() -> None:
    """The organizer may be required too, which is the same row; a room and a person may have one address."""
    attendees = [
        {"type": kind, "status": {"response": "none"}, **person("A", address)}
        for kind, address in (
            ("required", "me@own.example"), ("resource", "me@own.example"), ("optional", "b@own.example"),
            ("required", "b@own.example"), ("required", "B@own.example"),
        )
    ]  # fmt: skip
    at = {"dateTime": "2026-03-02T10:00:00.0000000", "timeZone": "UTC"}
    graph = {
        "id": "e", "type": "singleInstance", "subject": "x", "start": at, "end": at, "organizer": person("Me", "me@own.example"),
        "isOrganizer": True, "attendees": attendees,
    }  # fmt: skip
    made = event_message({"id": "e", "kind": "event", "graph": graph}, BOX, lambda key: [])
    rows = sorted((int(str(row[0x0C150003])), str(row[0x3003001F]).lower()) for row in made.message.recipients)
    assert rows == [(1, "b@own.example"), (1, "me@own.example"), (2, "b@own.example"), (3, "me@own.example")]


ICS = (
    b"From: Boss <boss@own.example>\r\nDate: Tue, 6 May 2025 07:08:09 +0000\r\nContent-Type: text/calendar; method=REQUEST\r\n"
    b"Content-Disposition: attachment; filename=x.ics\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\n"
    b"DTSTART:20260302T100000Z\r\nDTEND:20260302T110000Z\r\nDESCRIPTION:Agenda\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.mark.parametrize(
    ("told", "is_meeting"), [("IPM.Note", False), ("IPM.Schedule.Meeting.Request", True), (None, True)]
)
def test_a_calendar_file_makes_no_meeting_of_a_mail_that_is_none(told: str | None, *, is_meeting: bool) -> None:
    graph = {"singleValueExtendedProperties": [{"id": "String 0x1a", "value": told}]} if told else {}
    found = properties(ICS, **graph)
    assert found[0x001A001F].startswith("IPM.Schedule.") is is_meeting
    assert (found.get(0x1000001F) == "Agenda") is is_meeting


def test_an_occurrence_that_is_moved_behind_the_end_of_its_series_has_the_rules_of_its_year() -> None:
    """Paraguay has stayed at UTC-3 since October 2024."""
    zone = "Paraguay Standard Time"
    at = {"dateTime": "2023-07-31T13:00:00.0000000", "timeZone": "UTC"}
    moved = {"dateTime": "2025-07-18T12:00:00.0000000", "timeZone": "UTC"}
    recurrence = {
        "pattern": {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
        "range": {"type": "numbered", "startDate": "2023-07-31", "numberOfOccurrences": 3, "recurrenceTimeZone": zone},
    }
    other = {"id": "x", "type": "exception", "subject": "x", "start": moved, "end": moved,
             "originalStart": "2023-08-31T13:00:00Z",
             "originalStartTimeZone": zone, "originalEndTimeZone": zone}  # fmt: skip
    graph = {"id": "e", "type": "seriesMaster", "subject": "x", "start": at, "end": at, "originalStartTimeZone": zone,
             "originalEndTimeZone": zone, "recurrence": recurrence, "exceptionOccurrences": [other]}  # fmt: skip
    made = event_message({"id": "e", "kind": "event", "graph": graph}, BOX, lambda key: [])
    named = {key.name: value for key, value in made.message.properties.items() if isinstance(key, NamedProperty)}
    series, rules = read_recurrence(bytes(named[0x8216])), read_definition(bytes(named[0x8260]))
    (changed,) = series.exceptions
    assert rules.instant(moment(changed.start)) == datetime(2025, 7, 18, 12, tzinfo=UTC)


def test_the_list_of_flagged_mails_is_no_folder() -> None:
    rows: list[dict[str, Any]] = [
        {
            "kind": "folder",
            "scope": "",
            "id": name,
            "name": name,
            "parent": above,
            "path": f"/{name}",
            "service": {"class": of},
        }
        for name, above, of in (("Tasks", None, "tasks"), ("Flagged", None, "flagged"), ("Search", None, "search"))
    ]
    tree = Tree(rows)
    assert {place.path[-1] for place in tree.places if place.path} & {"Tasks", "Flagged", "Search"} == {"Tasks"}
