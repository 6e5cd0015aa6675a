"""Invitations and answers: classes, times, series, persons; against hand-written calendars and an RRULE library."""

# ruff: noqa: DTZ001 - the wall clock names no zone
import io
import random
import struct
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from exporters.mail.compose.calendar_rules import Source, series_of
from exporters.mail.compose.calendar_text import parse
from exporters.mail.compose.calendar_times import Zones, duration
from exporters.mail.compose.meetings import MeetingContent, meeting
from exporters.mail.compose.property_sets import APPOINTMENT, COMMON, MEETING, PUBLIC
from exporters.mail.compose.recurrence import RecurrenceRefused, encode
from exporters.pst import FileSink, Message, NamedProperty, Writer
from tests.unit.mail.test_recurrence import decode, wall
from tests.unit.pst.judges import Checked

SAMPLES = Path(__file__).parents[3].parent / "shared" / "data" / "mail" / "ics"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the calendars of ../shared/data/mail")
BERLIN = """BEGIN:VTIMEZONE
TZID:Berlin of old
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
END:VTIMEZONE
"""
TIMES = "DTSTART;TZID=Europe/Berlin:20240305T090000\nDTEND;TZID=Europe/Berlin:20240305T103000\n"
PEOPLE = """ORGANIZER;CN="Bo, Ann":mailto:ann@example.com
ATTENDEE;CN=Bob;ROLE=REQ-PARTICIPANT;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:MAILTO:bob@example.com
ATTENDEE;CN=Cy;ROLE=OPT-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:cy@example.com
ATTENDEE;CUTYPE=ROOM;CN=Room 1:mailto:room@example.com
"""


def calendar(event: str, method: str = "REQUEST", more: str = "") -> bytes:
    head = f"BEGIN:VCALENDAR\nMETHOD:{method}\nVERSION:2.0\n{more}BEGIN:VEVENT\nUID:u1@example.com\nDTSTAMP:20240301T120000Z\n"
    return (head + event + "END:VEVENT\nEND:VCALENDAR\n").replace("\n", "\r\n").encode()


def read(event: str, method: str = "REQUEST", more: str = "") -> MeetingContent:
    found = meeting(calendar(event, method, more), method="")
    assert found is not None
    return found


def value(found: MeetingContent, property_set: UUID, name: int | str) -> Any:
    values = [
        v
        for k, v in found.properties.items()
        if isinstance(k, NamedProperty) and (k.property_set, k.name) == (property_set, name)
    ]
    assert len(values) <= 1
    return values[0] if values else None


def codes(found: MeetingContent) -> list[str]:
    return [loss.code for loss in found.losses]


def test_an_invitation_has_everything() -> None:
    found = read(
        TIMES + PEOPLE + "SUMMARY:Talk\nLOCATION:Room 1\\, second floor\nSEQUENCE:0\nX-MICROSOFT-CDO-OWNERAPPTID:-5\n"
        "X-MICROSOFT-CDO-INTENDEDSTATUS:OOF\nX-MICROSOFT-DISALLOW-COUNTER:TRUE\nCLASS:PRIVATE\nCATEGORIES:red\\, dark,blue\n"
        "DESCRIPTION:one\\ntwo\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT15M\nEND:VALARM\n"
    )
    start, end = datetime(2024, 3, 5, 8, tzinfo=UTC), datetime(2024, 3, 5, 9, 30, tzinfo=UTC)
    assert found.message_class == "IPM.Schedule.Meeting.Request"
    assert found.losses == ()
    assert found.description == "one\ntwo"
    expected = {
        (APPOINTMENT, 0x820D): start, (APPOINTMENT, 0x820E): end, (APPOINTMENT, 0x8235): start, (APPOINTMENT, 0x8236): end,
        (COMMON, 0x8516): start, (COMMON, 0x8517): end, (APPOINTMENT, 0x8213): 90, (APPOINTMENT, 0x8215): False,
        (APPOINTMENT, 0x8208): "Room 1, second floor", (MEETING, 0x0002): "Room 1, second floor", (APPOINTMENT, 0x8205): 1,
        (APPOINTMENT, 0x8224): 3, (APPOINTMENT, 0x8217): 3, (APPOINTMENT, 0x8218): 5, (APPOINTMENT, 0x8229): True,
        (APPOINTMENT, 0x8201): 0, (APPOINTMENT, 0x825A): True, (APPOINTMENT, 0x8238): "Bob; Cy; Room 1",
        (APPOINTMENT, 0x823B): "Bob", (APPOINTMENT, 0x823C): "Cy", (APPOINTMENT, 0x8223): False, (APPOINTMENT, 0x8231): 0,
        (MEETING, 0x0006): "Bob", (MEETING, 0x0007): "Cy", (MEETING, 0x0008): "Room 1",
        (MEETING, 0x0026): 1, (MEETING, 0x001A): datetime(2024, 3, 1, 12, tzinfo=UTC), (MEETING, 0x0005): False,
        (MEETING, 0x000A): False, (COMMON, 0x8510): 7265, (COMMON, 0x8503): True, (COMMON, 0x8501): 15, (COMMON, 0x8502): start,
        (COMMON, 0x8560): start - timedelta(minutes=15), (COMMON, 0x8506): True, (PUBLIC, "Keywords"): ("red, dark", "blue"),
        (APPOINTMENT, 0x8216): None, (APPOINTMENT, 0x8260): None, (APPOINTMENT, 0x8257): None,
    }  # fmt: skip
    assert {key: value(found, *key) for key in expected} == expected
    tags = {key: v for key, v in found.properties.items() if isinstance(key, int)}
    assert tags == {
        0x00600040: start, 0x00610040: end, 0x00620003: -5, 0x0063000B: True, 0x0C17000B: True, 0x7D01000B: True,
        0x10800003: 0x404, 0x00360003: 2,
    }  # fmt: skip
    assert value(found, MEETING, 0x0003) == value(found, MEETING, 0x0023)
    assert value(found, MEETING, 0x0003).endswith(b"vCal-Uid\1\0\0\0u1@example.com\0")
    assert "W. Europe Standard Time".encode("utf-16-le") in value(found, APPOINTMENT, 0x825E)
    rows = [(r[0x3001001F], r[0x3003001F], r[0x0C150003], r[0x5FFD0003], r[0x5FFF0003]) for r in found.recipients]
    assert rows == [
        ("Bo, Ann", "ann@example.com", 1, 3, 1), ("Bob", "bob@example.com", 1, 1, 0), ("Cy", "cy@example.com", 2, 1, 3),
        ("Room 1", "room@example.com", 3, 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "status", "kind", "response", "icon"),
    [
        ("CANCEL", "NEEDS-ACTION", "Canceled", 0, 0x408), ("REPLY", "ACCEPTED", "Resp.Pos", 3, 0x405),
        ("REPLY", "DECLINED", "Resp.Neg", 4, 0x406), ("REPLY", "TENTATIVE", "Resp.Tent", 2, 0x407),
        ("COUNTER", "TENTATIVE", "Resp.Tent", 2, 0x407), ("request", "X", "Request", 5, 0x404),
    ],
)  # fmt: skip
def test_the_method_names_the_class(method: str, status: str, kind: str, response: int, icon: int) -> None:
    found = read(TIMES + f"ATTENDEE;PARTSTAT={status}:mailto:bob@example.com\n", method)
    assert found.message_class == f"IPM.Schedule.Meeting.{kind}"
    assert (value(found, APPOINTMENT, 0x8218), found.properties[0x10800003]) == (response, icon)
    assert value(found, APPOINTMENT, 0x8217) == (7 if kind == "Canceled" else 3)
    stamp, answer = datetime(2024, 3, 1, 12, tzinfo=UTC), kind.startswith("Resp")
    assert (value(found, MEETING, 0x0001), value(found, MEETING, 0x001A)) == (
        (stamp, None) if answer else (None, stamp)
    )
    assert value(found, APPOINTMENT, 0x8257) == (True if method == "COUNTER" else None)


def test_what_invites_and_answers_nothing_stays_a_mail() -> None:
    for method in ("PUBLISH", "ADD", "REFRESH", "DECLINECOUNTER", "", "NONSENSE"):
        assert meeting(calendar(TIMES, method), method="") is None
    assert meeting(calendar(TIMES, "REQUEST"), method="PUBLISH") is None
    assert meeting(calendar(TIMES, "PUBLISH"), method="request") is not None
    for status in ("NEEDS-ACTION", "DELEGATED", "X"):
        assert meeting(calendar(TIMES + f"ATTENDEE;PARTSTAT={status}:mailto:b@b.c\n", "REPLY"), method="") is None
    for data in (b"", b"hello", b"BEGIN:VCALENDAR\nBEGIN:VTODO\nEND:VTODO\nEND:VCALENDAR", b"BEGIN:VEVENT\nEND:VEVENT"):
        assert meeting(data, method="REQUEST") is None


def test_a_proposal_stands_beside_the_original_time() -> None:
    found = read(
        TIMES + "ATTENDEE;PARTSTAT=TENTATIVE:mailto:b@b.c\nX-MS-OLK-ORIGINALSTART:20240305T100000Z\n"
        "X-MS-OLK-ORIGINALEND:20240305T110000Z\n",
        "COUNTER",
    )
    assert value(found, APPOINTMENT, 0x8250) == datetime(2024, 3, 5, 8, tzinfo=UTC)
    assert value(found, APPOINTMENT, 0x8251) == datetime(2024, 3, 5, 9, 30, tzinfo=UTC)
    assert value(found, APPOINTMENT, 0x8256) == 90
    assert value(found, APPOINTMENT, 0x820D) == found.properties[0x00600040] == datetime(2024, 3, 5, 10, tzinfo=UTC)
    assert value(found, APPOINTMENT, 0x820E) == value(found, COMMON, 0x8517) == datetime(2024, 3, 5, 11, tzinfo=UTC)


def test_all_day_events_begin_at_midnight_of_their_zone() -> None:
    dates = "DTSTART;VALUE=DATE:20240305\nDTEND;VALUE=DATE:20240307\n"
    found = read(dates, more="X-WR-TIMEZONE:Europe/Berlin\n")
    assert value(found, APPOINTMENT, 0x820D) == datetime(2024, 3, 4, 23, tzinfo=UTC)
    assert value(found, APPOINTMENT, 0x820E) == datetime(2024, 3, 6, 23, tzinfo=UTC)
    assert (value(found, APPOINTMENT, 0x8215), value(found, APPOINTMENT, 0x8213)) == (True, 2880)
    assert value(read("DTSTART;VALUE=DATE:20240305\n"), APPOINTMENT, 0x8213) == 1440
    midnight = "DTSTART;TZID=Europe/Berlin:20240305T000000\nDTEND;TZID=Europe/Berlin:20240306T000000\n"
    assert value(read(midnight + "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE\n"), APPOINTMENT, 0x8215) is True
    assert value(read(midnight), APPOINTMENT, 0x8215) is False


def test_lengths_by_duration_and_ends_before_the_start() -> None:
    assert value(read("DTSTART:20240305T090000Z\nDURATION:P1DT2H\n"), APPOINTMENT, 0x8213) == 26 * 60
    assert value(read("DTSTART:20240305T090000Z\n"), APPOINTMENT, 0x8213) == 0
    found = read("DTSTART:20240305T090000Z\nDTEND:20240304T090000Z\n")
    assert (value(found, APPOINTMENT, 0x8213), codes(found)) == (0, ["date-unreadable"])
    assert [duration(text) for text in ("PT15M", "-P1W", "P", "PT", "P1", "x", "P99999999999W")] == [
        timedelta(minutes=15), timedelta(days=-7), None, None, None, None, None,
    ]  # fmt: skip


def test_zones_come_from_the_calendar_or_from_their_names() -> None:
    utc = datetime(2024, 7, 5, 7, tzinfo=UTC)
    own = read("DTSTART;TZID=Berlin of old:20240705T090000\n", more=BERLIN)
    assert value(own, APPOINTMENT, 0x820D) == utc
    definition = value(own, APPOINTMENT, 0x825E)
    assert "Berlin of old".encode("utf-16-le") in definition
    assert struct.pack("<3i", -60, 0, -60) + struct.pack("<8H", 0, 10, 0, 5, 3, 0, 0, 0) in definition
    winter = read("DTSTART;TZID=Berlin of old:20241205T090000\n", more=BERLIN)
    assert value(winter, APPOINTMENT, 0x820D) == datetime(2024, 12, 5, 8, tzinfo=UTC)
    named = read(
        "DTSTART;TZID=W. Europe Standard Time:20240705T090000\n",
        more=BERLIN.replace("Berlin of old", "W. Europe Standard Time"),
    )
    assert value(named, APPOINTMENT, 0x820D) == utc
    assert "W. Europe Standard Time".encode("utf-16-le") in value(named, APPOINTMENT, 0x825E)
    other = BERLIN.replace("Berlin of old", "Europe/Berlin").replace("+0100", "+0300").replace("+0200", "+0400")
    assert value(read("DTSTART;TZID=Europe/Berlin:20240705T090000\n", more=other), APPOINTMENT, 0x820D) == datetime(
        2024, 7, 5, 5, tzinfo=UTC
    )
    unknown = read("DTSTART;TZID=Nowhere:20240705T090000\n")
    assert (value(unknown, APPOINTMENT, 0x820D), codes(unknown)) == (
        datetime(2024, 7, 5, 9, tzinfo=UTC),
        ["timezone-approximate"],
    )


@given(st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)))
def test_a_vtimezone_agrees_with_the_iana_data(when: datetime) -> None:
    component = parse(b"BEGIN:VCALENDAR\n" + BERLIN.encode() + b"END:VCALENDAR").components[0]
    known = Zones(parse(b"BEGIN:VCALENDAR\nEND:VCALENDAR").components[0]).named("Europe/Berlin", when)[0]
    observed = Zones(component).named("Berlin of old", when)[0]
    if when.year >= 1997:  # the present rule
        assert when.replace(tzinfo=UTC).astimezone(observed).replace(tzinfo=None) == when.replace(
            tzinfo=UTC
        ).astimezone(known).replace(tzinfo=None)


def test_a_series_with_deleted_moved_and_cancelled_occurrences() -> None:
    override = "END:VEVENT\nBEGIN:VEVENT\nUID:u1@example.com\nRECURRENCE-ID;TZID=Europe/Berlin:{}T090000\n{}"
    found = read(
        TIMES + "SUMMARY:Talk\nLOCATION:A\nRRULE:FREQ=WEEKLY;COUNT=6\n"
        "EXDATE;TZID=Europe/Berlin:20240312T090000\nEXDATE:20240402T070000Z\n"
        + override.format("20240319", "SUMMARY:Talk\nLOCATION:B\nDTSTART;TZID=Europe/Berlin:20240320T110000\nDURATION:PT1H\n")
        + override.format("20240326", "STATUS:CANCELLED\n")
    )  # fmt: skip
    assert found.losses == ()
    blob = decode(value(found, APPOINTMENT, 0x8216))
    assert [moment.date() for moment in blob.deleted] == [
        date(2024, 3, 12),
        date(2024, 3, 19),
        date(2024, 3, 26),
        date(2024, 4, 2),
    ]
    (change,) = blob.exceptions
    assert (change["start"], change["end"]) == (datetime(2024, 3, 20, 11), datetime(2024, 3, 20, 12))
    assert (change["original"], change["location"], "subject" in change) == (datetime(2024, 3, 19, 9), "B", False)
    assert wall(blob.head["last"]) == datetime(2024, 4, 9)
    assert (value(found, APPOINTMENT, 0x8223), value(found, APPOINTMENT, 0x8231), value(found, MEETING, 0x0005)) == (
        True,
        2,
        True,
    )
    assert value(found, APPOINTMENT, 0x8232) == "every Tuesday from 9:00 AM to 10:30 AM"
    assert value(found, APPOINTMENT, 0x8235) == datetime(2024, 3, 4, 23, tzinfo=UTC)
    assert value(found, APPOINTMENT, 0x8236) == datetime(2024, 4, 8, 22, tzinfo=UTC)
    assert len(value(found, APPOINTMENT, 0x8233)) == 48
    assert value(found, APPOINTMENT, 0x8234) == "(UTC+01:00) W. Europe Standard Time"


def test_a_series_without_end_is_clipped_where_outlooks_calendar_ends() -> None:
    found = read(
        "DTSTART;TZID=America/Los_Angeles:20160802T080000\nDURATION:PT30M\nRRULE:FREQ=WEEKLY;BYDAY=TU;WKST=SU\n"
    )
    assert value(found, APPOINTMENT, 0x8236) == datetime(1601, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=915046235400000000 // 10
    )
    assert struct.pack("<II", 0x0D073520, 0x5AE980DF) in value(found, APPOINTMENT, 0x8216)


def test_a_single_occurrence_names_its_day_in_the_global_id() -> None:
    found = read("RECURRENCE-ID;TZID=Europe/Berlin:20240823T090000\n" + TIMES)
    assert value(found, MEETING, 0x0003)[16:20].hex() == "07e80817"
    assert value(found, MEETING, 0x0023)[16:20] == bytes(4)
    assert value(found, APPOINTMENT, 0x8228) == datetime(2024, 8, 23, 7, tzinfo=UTC)
    assert (value(found, MEETING, 0x0005), value(found, MEETING, 0x000A), value(found, APPOINTMENT, 0x8223)) == (
        True,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("RRULE:FREQ=HOURLY\n", "event-recurrence"), ("RRULE:FREQ=YEARLY;BYDAY=20MO\n", "event-recurrence"),
        ("RRULE:FREQ=WEEKLY\nRRULE:FREQ=DAILY\n", "event-exception"),
        ("RRULE:FREQ=WEEKLY\nRDATE:20240306T090000Z\n", "event-exception"),
        ("RRULE:FREQ=WEEKLY\nEXDATE:20240306T080000Z\n", "event-exception"), ("RRULE:FREQ=WEEKLY\nEXDATE:x\n", "date-unreadable"),
        ("RRULE:FREQ=WEEKLY;BYDAY=FR\n", "event-exception"), ("RRULE:RSCALE=CHINESE;FREQ=YEARLY\n", "event-recurrence"),
        ("ATTACH;ENCODING=BASE64;VALUE=BINARY:AAAA\n", "calendar-attachment"), ("nonsense\n", "calendar-line"),
        ("SEQUENCE:many\n", "calendar-number"), ("BEGIN:VALARM\nTRIGGER:PT5M\nEND:VALARM\n", "event-detail"),
        ("END:VEVENT\nBEGIN:VEVENT\nUID:u2\n", "calendar-several"), ("SUMMARY:a\0b\n", "text-replaced"),
    ],
)  # fmt: skip
def test_what_a_meeting_mail_cannot_hold_is_a_loss(lines: str, code: str) -> None:
    assert codes(read(TIMES + lines)) == [code]


def test_times_without_a_zone_are_of_the_calendars_or_a_loss() -> None:
    floating = "DTSTART:20240305T090000\n"
    found = read(floating)
    assert (value(found, APPOINTMENT, 0x820D), codes(found)) == (
        datetime(2024, 3, 5, 9, tzinfo=UTC),
        ["timezone-approximate"],
    )
    for zone in ("X-WR-TIMEZONE:Europe/Berlin\n", BERLIN):
        found = read(floating, more=zone)
        assert (value(found, APPOINTMENT, 0x820D), codes(found)) == (datetime(2024, 3, 5, 8, tzinfo=UTC), [])


def test_an_update_says_so() -> None:
    found = read(TIMES + "SEQUENCE:1\nX-MICROSOFT-CDO-APPT-SEQUENCE:3\n")
    assert (value(found, APPOINTMENT, 0x8201), value(found, MEETING, 0x0026)) == (3, 0x10000)


def test_folded_lines_may_break_inside_a_character() -> None:
    raw = calendar(TIMES + "LOCATION:caf\u00e9\n").replace(b"\xc3\xa9", b"\xc3\r\n \xa9")
    found = meeting(raw, method="")
    assert found is not None and value(found, APPOINTMENT, 0x8208) == "caf\u00e9"


def test_events_without_start_or_uid_are_still_meetings() -> None:
    found = read("SUMMARY:x\n")
    assert (value(found, APPOINTMENT, 0x820D), codes(found)) == (None, ["event-without-start"])
    bare = meeting(
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20240305T090000Z\nEND:VEVENT\nEND:VCALENDAR", method="REQUEST"
    )
    assert bare is not None and codes(bare) == ["event-without-uid"]


@st.composite
def rules(draw: Any) -> str:
    days = st.lists(st.sampled_from(["SU", "MO", "TU", "WE", "TH", "FR", "SA"]), unique=True, min_size=1, max_size=4)
    rule = draw(st.sampled_from([
        "FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY",
        "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTHDAY=30", "FREQ=MONTHLY;BYDAY=TU,SA",
        f"FREQ=WEEKLY;BYDAY={','.join(draw(days))}", f"FREQ=MONTHLY;BYDAY={draw(st.sampled_from(['1', '2', '+3', '4', '-1']))}TU",
        f"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS={draw(st.sampled_from([1, 2, 3, 4, -1]))}",
        f"FREQ=YEARLY;BYMONTH={(month := draw(st.integers(1, 12)))};BYDAY=3TH", f"FREQ=YEARLY;BYMONTH={month}",
    ]))  # fmt: skip
    rule += f";INTERVAL={draw(st.integers(1, 3))};WKST={draw(st.sampled_from(['MO', 'SU', 'TH']))}"
    end = draw(st.sampled_from(["", "count", "until"]))
    if end == "count":
        rule += f";COUNT={draw(st.integers(1, 30))}"
    elif end == "until":
        rule += f";UNTIL={draw(st.dates(date(2025, 1, 1), date(2030, 1, 1))):%Y%m%d}T{draw(st.integers(0, 23)):02}0000"
    return str(rule)


@settings(deadline=None)
@example("FREQ=MONTHLY;BYMONTHDAY=31;INTERVAL=1;WKST=MO", datetime(2020, 4, 30))
@example("FREQ=YEARLY;INTERVAL=1;COUNT=3", datetime(2020, 2, 29))
@given(rules(), st.datetimes(datetime(2020, 1, 1), datetime(2024, 12, 31)))
def test_series_have_the_dates_of_an_rrule_library(rule: str, when: datetime) -> None:
    start = when.replace(second=0, microsecond=0)
    try:
        series, losses = series_of(Source(rule, start, 30, timedelta()))
    except RecurrenceRefused:
        assume(False)
        return
    theirs = [moment.date() for moment in islice(rrulestr(rule, dtstart=start), 60)]
    if theirs[:1] != [start.date()]:
        assert [loss.code for loss in losses][:1] == ["event-exception"]
        if "COUNT" in rule:  # RFC 5545 counts the first occurrence, the library does not
            theirs = theirs[:-1] if len(theirs) < 60 else theirs
        losses = losses[1:]
    if losses:
        assert "without a day" in losses[0].detail and "COUNT" not in rule and "UNTIL" not in rule
        return
    ours = list(islice((day for day in series.dates() if day not in series.deleted), 60))
    assert ours == theirs
    encode(series)


@needs_samples
def test_every_sample_calendar_gives_a_meeting_or_none_that_can_be_written(tmp_path: Path) -> None:
    found = [meeting(path.read_bytes(), method="REQUEST") for path in sorted(SAMPLES.rglob("*.ics"))]
    assert len(found) == 395
    contents = [one for one in found if one]
    assert len(contents) > 250
    for one in contents:
        if (blob := value(one, APPOINTMENT, 0x8216)) is not None:
            decode(blob)
    written(tmp_path, contents)


@needs_samples
def test_a_real_request_in_full() -> None:
    found = meeting((SAMPLES / "aspose-email__Aspose.Email-for-Java" / "email__test.ics").read_bytes(), method="")
    assert found is not None and found.message_class == "IPM.Schedule.Meeting.Request"


def written(tmp_path: Path, contents: list[MeetingContent]) -> None:
    file = io.BytesIO()
    with Writer(lambda part: FileSink(file), seed=b"ics", display_name="x") as writer:
        for one in contents:
            properties = {0x30070040: datetime(2024, 1, 1, tzinfo=UTC), 0x001A001F: one.message_class, **one.properties}
            writer.add_message(writer.top, Message(properties, one.recipients))
    path = tmp_path / "meetings.pst"
    path.write_bytes(file.getvalue())
    Checked(path)


def test_damaged_calendars_give_meetings_that_can_be_written(tmp_path: Path) -> None:
    """Seeded damage to a calendar with everything in it: no exception, and what comes out can be stored."""
    override = "END:VEVENT\nBEGIN:VEVENT\nUID:u1@example.com\nRECURRENCE-ID:20240319T080000Z\nSUMMARY:é\n"
    override += "DTSTART:20240320T110000Z\n"
    alarm = "BEGIN:VALARM\nTRIGGER:-PT15M\nEND:VALARM\n"
    whole = calendar(
        "DTSTART;TZID=Berlin of old:20240305T090000\nDURATION:PT1H\n"
        "RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=TU;UNTIL=20240601T000000Z\n"
        "EXDATE:20240312T080000Z\nCATEGORIES:a,b\n" + PEOPLE + alarm + override, more=BERLIN,
    )  # fmt: skip
    draw, contents = random.Random(11), []
    for _ in range(800):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.choice(b"0123456789:;,=-+TZ\n\0\x80" + bytes((draw.randrange(256),)))
        found = meeting(bytes(data), method="REQUEST")
        if found:
            contents.append(found)
    assert len(contents) > 300
    written(tmp_path, contents[::3])
