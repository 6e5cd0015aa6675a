"""Series of Graph: their blobs expand to the instants that a naive walk through the days gives, in many zones."""

# ruff: noqa: DTZ001 - the wall clock names no zone
import calendar
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporters.mail.compose import Box, event_message
from exporters.mail.compose.defined_zones import defined_zone
from exporters.mail.compose.timezones import named_zone
from tests.independent.recurrence_expansion import occurrences, parse
from tests.unit.mail.graph_records import APPT, BERLIN, codes, event, nothing, record, utc, value, weekly

NAMES = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
ZONES = {
    "W. Europe Standard Time": "Europe/Berlin", "GMT Standard Time": "Europe/London",
    "Pacific Standard Time": "America/Los_Angeles",
    "Eastern Standard Time": "America/New_York", "Newfoundland Standard Time": "America/St_Johns",
    "Tokyo Standard Time": "Asia/Tokyo", "India Standard Time": "Asia/Kolkata", "Nepal Standard Time": "Asia/Katmandu",
    "AUS Eastern Standard Time": "Australia/Sydney", "Lord Howe Standard Time": "Australia/Lord_Howe",
    "Chatham Islands Standard Time": "Pacific/Chatham", "New Zealand Standard Time": "Pacific/Auckland",
    "E. South America Standard Time": "America/Sao_Paulo", "Line Islands Standard Time": "Pacific/Kiritimati",
    "Europe/Dublin": "Europe/Dublin", "America/Anchorage": "America/Anchorage", "Asia/Tehran": "Asia/Tehran", "UTC": "UTC",
}  # fmt: skip
END = date(2029, 1, 1)


def weekday(day: date) -> int:
    return (day.weekday() + 1) % 7


def matches(pattern: dict[str, Any], start: date, day: date) -> bool:
    """Whether a day is one of a Graph pattern, by the words of Graph's documentation."""
    kind, interval = pattern["type"], pattern["interval"]
    if kind == "daily":
        return (day - start).days % interval == 0
    if kind == "weekly":
        first = NAMES.index(pattern["firstDayOfWeek"])
        week = (day - timedelta((weekday(day) - first) % 7)) - (start - timedelta((weekday(start) - first) % 7))
        return NAMES[weekday(day)] in pattern["daysOfWeek"] and week.days // 7 % interval == 0
    months = (day.year - start.year) * 12 + day.month - start.month
    if kind.endswith("Yearly"):
        if day.month != pattern["month"] or (day.year - start.year) % interval:
            return False
    elif months % interval:
        return False
    length = calendar.monthrange(day.year, day.month)[1]
    if kind.startswith("absolute"):
        return day.day == min(pattern["dayOfMonth"], length)
    fitting = [n for n in range(1, length + 1) if NAMES[weekday(day.replace(day=n))] in pattern["daysOfWeek"]]
    place = ("first", "second", "third", "fourth", "last").index(pattern["index"])
    return day.day == fitting[-1 if place == 4 else min(place, len(fitting) - 1)]


def naive(recurrence: dict[str, Any], until: date) -> Iterator[date]:
    """The days of a series, one day after the other."""
    limits, start = recurrence["range"], date.fromisoformat(recurrence["range"]["startDate"])
    last = min(until, date.fromisoformat(limits["endDate"])) if limits["type"] == "endDate" else until
    left = limits["numberOfOccurrences"] if limits["type"] == "numbered" else 1 << 30
    day = start
    while day <= last and left:
        if matches(recurrence["pattern"], start, day):
            left -= 1
            yield day
        day += timedelta(1)


@st.composite
def recurrences(draw: Callable[..., Any]) -> dict[str, Any]:
    start = draw(st.dates(date(2023, 1, 1), date(2026, 12, 31)))
    days = draw(
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=7, unique=True)
        | st.sampled_from([list(NAMES), list(NAMES[1:6]), [NAMES[0], NAMES[6]]])
    )
    pattern = {
        "type": draw(
            st.sampled_from(
                ["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"]
            )
        ),
        "interval": draw(st.integers(1, 5)),
        "daysOfWeek": days,
        "firstDayOfWeek": draw(st.sampled_from(NAMES)),
        "dayOfMonth": draw(st.integers(1, 31)),
        "month": draw(st.integers(1, 12)),
        "index": draw(st.sampled_from(["first", "second", "third", "fourth", "last"])),
    }
    kind = draw(st.sampled_from(["endDate", "numbered", "noEnd"]))
    limits = {
        "type": kind,
        "startDate": start.isoformat(),
        "endDate": (start + timedelta(draw(st.integers(0, 900)))).isoformat() if kind == "endDate" else "0001-01-01",
        "numberOfOccurrences": draw(st.integers(1, 40)) if kind == "numbered" else 0,
    }
    return {"pattern": pattern, "range": limits}


def as_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


@settings(deadline=None, max_examples=40)
@given(
    recurrences(), st.sampled_from(sorted(ZONES)), st.integers(0, 1439), st.integers(0, 4000), st.booleans(), st.data()
)
def test_blob_expands_to_the_instants_of_the_pattern(
    recurrence: dict[str, Any], name: str, minute: int, minutes: int, all_day: bool, data: st.DataObject
) -> None:
    zone = ZoneInfo(ZONES[name])
    days = list(naive(recurrence, END))
    assume(days)
    recurrence["range"]["recurrenceTimeZone"] = name
    start = datetime.fromisoformat(recurrence["range"]["startDate"]) + timedelta(minutes=0 if all_day else minute)
    length = timedelta(days=minutes // 1440 + 1) if all_day else timedelta(minutes=minutes)
    for moment in (start, start + length):  # a clock shows no time that is left out
        assume(moment.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment)
    picked = data.draw(st.lists(st.sampled_from(days), unique=True, max_size=6))
    cancelled, changed = set(picked[::2]), picked[1::2]
    truth = [datetime.combine(day, start.time()) for day in days if day not in picked]
    wanted = [(at.replace(tzinfo=zone), (at + length).replace(tzinfo=zone)) for at in truth]
    exceptions = []
    for number, day in enumerate(changed):
        original = datetime.combine(day, start.time()).replace(tzinfo=zone)
        moved = original.astimezone(UTC) + timedelta(
            days=data.draw(st.integers(-3, 3)) if all_day else 0, minutes=30 * (not all_day)
        )
        if all_day:
            moved = (datetime.combine(day, start.time()) + timedelta(data.draw(st.integers(-3, 3)))).replace(
                tzinfo=zone
            )
        end = (
            (moved.astimezone(zone).replace(tzinfo=None) + timedelta(1)).replace(tzinfo=zone)
            if all_day
            else moved + timedelta(hours=1)
        )
        for at in (moved, end):  # the blob has wall times: of an hour that comes twice it means the first
            assume(at.astimezone(zone).fold == 0)
        wanted.append((moved, end))
        exceptions.append({
            "id": f"X{number}", "type": "exception", "originalStart": as_utc(original) + "Z", "subject": "Review",
            "start": utc(as_utc(moved)), "end": utc(as_utc(end)), "isAllDay": all_day,
        })  # fmt: skip
    graph = event(
        type="seriesMaster", recurrence=recurrence, isAllDay=all_day, originalStartTimeZone=name,
        start=utc(as_utc(start.replace(tzinfo=zone))), end=utc(as_utc((start + length).replace(tzinfo=zone))),
        cancelledOccurrences=[f"OID.AAMkE1=.{day.isoformat()}" for day in sorted(cancelled)], exceptionOccurrences=exceptions,
    )  # fmt: skip
    converted = event_message(record(graph), BERLIN, nothing)
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes)
    have = [
        (one.replace(tzinfo=zone), other.replace(tzinfo=zone))
        for one, other in occurrences(parse(blob), END + timedelta(9))
    ]
    limit = datetime(2028, 12, 20, tzinfo=UTC)
    assert instants(have, limit) == instants(wanted, limit)
    assert not codes(converted) - {"timezone-approximate"}
    definition = value(converted, APPT, 0x8260)
    assert isinstance(definition, bytes)
    assert defined_zone(definition) is not None


def instants(spans: list[tuple[datetime, datetime]], limit: datetime) -> list[tuple[datetime, datetime]]:
    found = ((start.astimezone(UTC), end.astimezone(UTC)) for start, end in spans)
    return sorted(one for one in found if one[0] < limit)


@pytest.mark.parametrize("name", sorted(ZONES))
def test_definitions_say_the_offsets_of_their_zone(name: str) -> None:
    """Read back from the blob, hour by hour around each change of four years."""
    noon = utc(as_utc(datetime(2026, 3, 2, 12, tzinfo=ZoneInfo(ZONES[name]))))
    recurrence = weekly(recurrenceTimeZone=name)
    graph = event(type="seriesMaster", recurrence=recurrence, originalStartTimeZone=name, start=noon, end=noon)
    definition = value(event_message(record(graph), Box(time_zone="UTC"), nothing), APPT, 0x8260)
    assert isinstance(definition, bytes)
    found = defined_zone(definition)
    assert found is not None
    known = named_zone(name)
    assert known is not None and found[1] == known[1]
    zone, at = ZoneInfo(ZONES[name]), datetime(2026, 3, 3, tzinfo=UTC)
    while at.year < 2030:
        assert at.astimezone(found[0]).utcoffset() == at.astimezone(zone).utcoffset(), at
        at += timedelta(minutes=30)


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ({"type": "daily", "interval": 3}, {"freq": DAILY, "interval": 3}),
        (
            {"type": "weekly", "interval": 2, "daysOfWeek": ["monday", "friday"], "firstDayOfWeek": "monday"},
            {"freq": WEEKLY, "interval": 2, "byweekday": (0, 4), "wkst": 0},
        ),
        ({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31}, {"freq": MONTHLY, "bymonthday": -1}),
        (
            {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["weekday"], "index": "last"},
            {"freq": MONTHLY, "byweekday": range(5), "bysetpos": -1},
        ),
        (
            {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["weekendDay"], "index": "second"},
            {"freq": MONTHLY, "byweekday": (5, 6), "bysetpos": 2},
        ),
        (
            {"type": "relativeMonthly", "interval": 2, "daysOfWeek": ["day"], "index": "last"},
            {"freq": MONTHLY, "interval": 2, "bymonthday": -1},
        ),
        (
            {"type": "relativeYearly", "interval": 1, "daysOfWeek": ["thursday"], "index": "fourth", "month": 11},
            {"freq": YEARLY, "bymonth": 11, "byweekday": 3, "bysetpos": 4},
        ),
    ],
)  # fmt: skip
def test_days_are_those_of_an_rrule_library(pattern: dict[str, Any], rule: dict[str, Any]) -> None:
    recurrence = {
        "pattern": pattern,
        "range": {"type": "numbered", "startDate": "2026-03-02", "numberOfOccurrences": 30},
    }
    blob = value(
        event_message(record(event(type="seriesMaster", recurrence=recurrence)), BERLIN, nothing), APPT, 0x8216
    )
    assert isinstance(blob, bytes)
    theirs = rrule(dtstart=datetime(2026, 3, 2, 9), count=30, **rule)
    assert [start for start, _ in occurrences(parse(blob), date(2100, 1, 1))] == list(theirs)


def test_q076_a_recurrence_that_ends_in_year_one_does_not_end() -> None:
    recurrence = weekly(type="endDate", endDate="0001-01-01")
    converted = event_message(record(event(type="seriesMaster", recurrence=recurrence)), BERLIN, nothing)
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes) and parse(blob).end_type == 0x2023
    assert not converted.losses


def test_q079_deleted_occurrences_of_a_series_stay_deleted() -> None:
    graph = event(
        type="seriesMaster",
        recurrence=weekly(type="numbered", numberOfOccurrences=4),
        cancelledOccurrences=["OID.AAMkE1=.2026-03-09", "OID.AAMkE1=.2026-03-23", "OID.AAMkE1=.2026-03-10"],
    )
    converted = event_message(record(graph), BERLIN, nothing)
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes)
    assert [start for start, _ in occurrences(parse(blob), END)] == [datetime(2026, 3, 2, 9), datetime(2026, 3, 16, 9)]
    assert parse(blob).count == 4
    assert [loss.detail for loss in converted.losses] == ["1 cancelled days are none of the series: 2026-03-10"]


def test_q080_an_exception_of_an_all_day_series_is_found_by_its_day_in_the_zone_of_the_series() -> None:
    graph = event(
        type="seriesMaster", isAllDay=True, start=utc("2024-02-29T23:00:00"), end=utc("2024-03-01T23:00:00"),
        recurrence={
            "pattern": {"type": "daily", "interval": 7},
            "range": {"type": "noEnd", "startDate": "2024-03-01", "recurrenceTimeZone": "W. Europe Standard Time"},
        },
        exceptionOccurrences=[{
            "id": "X", "originalStart": "2024-03-14T23:00:00Z", "isAllDay": True, "subject": "Moved",
            "start": utc("2024-03-15T23:00:00"), "end": utc("2024-03-16T23:00:00"),
        }],
    )  # fmt: skip
    converted = event_message(record(graph), BERLIN, nothing)
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes)
    found = parse(blob)
    assert (found.from_minute, found.to_minute, found.deleted) == (0, 1440, [date(2024, 3, 15)])
    (change,) = found.changes
    assert (change.original, change.start, change.subject) == (datetime(2024, 3, 15), datetime(2024, 3, 16), "Moved")
    assert not converted.losses


def test_a_range_that_ends_before_its_first_day_has_none() -> None:
    recurrence = weekly(type="endDate", startDate="2026-03-03", endDate="2026-03-05")
    converted = event_message(record(event(type="seriesMaster", recurrence=recurrence)), BERLIN, nothing)
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes) and occurrences(parse(blob), END) == []
    assert "event-recurrence" in codes(converted)


def test_an_exception_of_a_day_that_is_not_of_the_pattern_takes_place_all_the_same() -> None:
    moved = {
        "originalStart": "2026-03-10T08:00:00Z",
        "start": utc("2026-03-12T08:00:00"),
        "end": utc("2026-03-12T08:30:00"),
    }
    graph = event(
        type="seriesMaster", recurrence=weekly(type="numbered", numberOfOccurrences=2), exceptionOccurrences=[moved]
    )
    converted = event_message(record(graph), BERLIN, nothing)
    blob = value(converted, APPT, 0x8216)
    assert isinstance(blob, bytes)
    assert [start.day for start, _ in occurrences(parse(blob), END)] == [2, 9, 12]
    assert codes(converted) == {"event-exception"}


def test_what_cannot_be_repeated_is_a_single_event_with_a_loss() -> None:
    for pattern in (
        {"type": "lunar"},
        {},
        {"type": "weekly", "daysOfWeek": ["someday"]},
        {"type": "daily", "interval": 99999},
    ):
        graph = event(type="seriesMaster", recurrence={"pattern": pattern, "range": {"startDate": "2026-03-02"}})
        converted = event_message(record(graph), BERLIN, nothing)
        assert value(converted, APPT, 0x8216) is None and value(converted, APPT, 0x8223) is False
        assert value(converted, APPT, 0x820D) == datetime(2026, 3, 2, 8, tzinfo=UTC)
        assert codes(converted) == {"event-recurrence"}, pattern
