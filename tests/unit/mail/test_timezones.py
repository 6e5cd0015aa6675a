"""Time zones: Outlook's bytes, rules found in the IANA data, names."""

# ruff: noqa: DTZ001 - the wall clock names no zone
import struct
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.mail.compose.calendar_text import parse
from exporters.mail.compose.calendar_times import observed_zone
from exporters.mail.compose.defined_zones import defined_zone
from exporters.mail.compose.timezones import (
    Change,
    Rule,
    Zone,
    described,
    encode_definition,
    encode_struct,
    named_zone,
    windows_key,
    zone_of,
)
from tests.independent.recurrence_reading import read_definition

NOON = datetime(2026, 6, 1, 12)
PACIFIC = Rule(480, Change(11, 0, 1, 2), Change(3, 0, 2, 2))
PACIFIC_STRUCT = """
    E0010000 00000000 C4FFFFFF 0000 0000 0B00 0000 0100 0200 0000 0000 0000 0000 0000 0300 0000 0200 0200 0000 0000 0000"""
BERLIN_STRUCT = """
    C4FFFFFF 00000000 C4FFFFFF 0000 0000 0A00 0000 0500 0300 0000 0000 0000 0000 0000 0300 0000 0500 0200 0000 0000 0000"""


def raw(digits: str) -> bytes:
    return bytes.fromhex("".join(digits.split()))


def pacific_display() -> bytes:
    key = "Pacific Standard Time".encode("utf-16-le")
    rest = """0100 0201 3E00 0200 D707 0100 0000 0100 00000000 00000000 E0010000 00000000 C4FFFFFF
              0000 0B00 0000 0100 0200 0000 0000 0000 0000 0300 0000 0200 0200 0000 0000 0000"""
    return raw("0201 3000 0200 1500") + key + raw(rest)


def test_outlooks_bytes_for_pacific_time() -> None:
    assert encode_struct(PACIFIC).hex() == raw(PACIFIC_STRUCT).hex()
    rule = Rule(480, PACIFIC.standard, PACIFIC.daylight, year=2007)
    assert encode_definition(Zone("Pacific Standard Time", (rule,))).hex() == pacific_display().hex()
    assert len(pacific_display()) == 118


def test_rules_are_found_in_the_iana_data() -> None:
    assert zone_of(ZoneInfo("America/Los_Angeles"), "P", NOON).rules == (PACIFIC,)
    berlin = zone_of(ZoneInfo("Europe/Berlin"), "W. Europe Standard Time", NOON)
    assert encode_struct(berlin.rules[0]).hex() == raw(BERLIN_STRUCT).hex()
    assert described(berlin) == "(UTC+01:00) W. Europe Standard Time"
    assert zone_of(ZoneInfo("Asia/Tokyo"), "T", NOON).rules == (Rule(-540),)
    assert zone_of(UTC, "UTC", NOON).rules == (Rule(0),)
    assert zone_of(timezone(timedelta(hours=5, minutes=45)), "N", NOON).rules == (Rule(-345),)
    dublin = zone_of(ZoneInfo("Europe/Dublin"), "GMT Standard Time", NOON).rules[0]
    assert (dublin.bias, dublin.standard, dublin.daylight) == (0, Change(10, 0, 5, 2), Change(3, 0, 5, 1))
    sydney = zone_of(ZoneInfo("Australia/Sydney"), "S", NOON).rules[0]
    assert (sydney.bias, sydney.standard, sydney.daylight) == (-600, Change(4, 0, 1, 3), Change(10, 0, 1, 2))
    lord_howe = zone_of(ZoneInfo("Australia/Lord_Howe"), "L", NOON).rules[0]
    assert (lord_howe.bias, lord_howe.daylight_bias) == (-630, -30)


def test_a_zone_with_other_changes_is_approximate() -> None:
    zone = zone_of(ZoneInfo("Africa/Casablanca"), "Morocco Standard Time", datetime(2015, 6, 1))
    assert (zone.approximate, zone.rules) == (True, (Rule(-60),))
    assert not zone_of(ZoneInfo("Europe/Berlin"), "B", NOON, 2050).approximate


def test_a_change_of_the_rules_inside_a_series_gives_a_rule_of_that_year() -> None:
    zone = zone_of(ZoneInfo("America/New_York"), "Eastern Standard Time", datetime(2005, 6, 1), 2010)
    assert [(rule.year, rule.daylight and rule.daylight.month) for rule in zone.rules] == [(1601, 4), (2007, 3)]
    blob = encode_definition(zone, recurrence=True)
    assert struct.unpack_from("<H", blob, 6 + 2 + 2 * len(zone.key))[0] == 2
    flags = [struct.unpack_from("<HH", blob, 10 + 2 * len(zone.key) + 66 * n + 4) for n in range(2)]
    assert flags == [(0, 1601), (3, 2007)]
    assert encode_definition(zone)[10 + 2 * len(zone.key) + 4 :][:4] == struct.pack("<HH", 2, 2007)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Europe/Berlin", "W. Europe Standard Time"), ("W. Europe Standard Time", "W. Europe Standard Time"),
        ("w. europe standard time", "W. Europe Standard Time"),
        ("/mozilla.org/20070129_1/Europe/Berlin", "W. Europe Standard Time"),
        ("America/Los Angeles", "Pacific Standard Time"), ("US/Pacific", "Pacific Standard Time"), ("UTC", "UTC"),
        ('"Asia/Kolkata"', "India Standard Time"), ("posix/Europe/Vaduz", "W. Europe Standard Time"),
    ],
)  # fmt: skip
def test_names(name: str, key: str) -> None:
    found = named_zone(name)
    assert found is not None and found[1] == key


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "custom_America/New_York", "../../etc/passwd", "Europe", "a\0b", "x" * 5000]
)
def test_names_of_no_zone(name: str) -> None:
    assert named_zone(name) is None


def test_every_iana_zone_has_rules_and_nearly_every_one_a_windows_key() -> None:
    zones = sorted(available_timezones() - {"localtime", "Factory"})
    without = [name for name in zones if windows_key(name) is None]
    assert len(without) < len(zones) / 10, without
    for name in zones:
        assert zone_of(ZoneInfo(name), name, NOON).rules


@settings(deadline=None)
@given(st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Tehran", "America/Santiago"]),
       st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)))  # fmt: skip
def test_the_rule_gives_the_offset_of_any_day_of_its_year(name: str, when: datetime) -> None:
    """An evaluation of the rule, written from [MS-OXOCAL] 2.2.1.41.1, against the IANA data (not within a day of a change)."""
    zone = zone_of(ZoneInfo(name), name, when)
    rule = zone.rules[0]
    if zone.approximate or rule.standard is None or rule.daylight is None:
        return

    def moment(change: Change) -> datetime:
        days = [d for d in range(1, 32) if _weekday(when.year, change.month, d) == change.weekday]
        day = days[-1] if change.week == 5 else days[change.week - 1]
        return datetime(when.year, change.month, day, change.hour, change.minute, change.second)

    to_standard, to_daylight = moment(rule.standard), moment(rule.daylight)
    if min(abs(when - to_standard), abs(when - to_daylight)) < timedelta(days=1):
        return
    northern = to_daylight < to_standard
    daylight = to_daylight < when < to_standard if northern else not to_standard < when < to_daylight
    assert (
        -(rule.bias + (rule.daylight_bias if daylight else 0)) * 60
        == when.replace(tzinfo=ZoneInfo(name)).utcoffset().total_seconds()
    )  # type: ignore[union-attr]


def test_an_instant_before_a_leap_is_shown_by_the_clock_before_it() -> None:
    """Else the leap itself seems to come an hour earlier, in the zone of a VTIMEZONE and in one of a definition."""
    berlin = ZoneInfo("Europe/Berlin")
    lines = b"""BEGIN:VTIMEZONE
TZID:Ours
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
END:VTIMEZONE
"""
    observed = observed_zone(parse(lines).components[0])
    defined = defined_zone(encode_definition(zone_of(berlin, "W. Europe Standard Time", datetime(2026, 1, 1))))
    assert observed is not None and defined is not None
    assert zone_of(observed, "Ours", datetime(2026, 1, 1)).rules == zone_of(berlin, "x", datetime(2026, 1, 1)).rules
    for day in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)):
        for minutes in range(0, 1440, 15):
            at = (day + timedelta(minutes=minutes)).astimezone(berlin)
            for zone in (observed, defined[0]):
                shown = at.astimezone(zone)
                assert shown.replace(tzinfo=None) == at.replace(tzinfo=None)
                assert (shown.fold, shown.utcoffset()) == (at.fold, at.utcoffset())


def test_what_is_no_definition_of_a_zone_is_none() -> None:
    whole = encode_definition(zone_of(ZoneInfo("Europe/Berlin"), "W. Europe Standard Time", datetime(2026, 1, 1)))
    assert defined_zone(whole) is not None
    assert [defined_zone(whole[:size]) for size in range(len(whole))] == [None] * len(whole)
    assert defined_zone(b"\3" + whole[1:]) is None
    assert defined_zone(whole[:-26] + b"\xff" * 26) is None


def _weekday(year: int, month: int, day: int) -> int | None:
    try:
        return (datetime(year, month, day).weekday() + 1) % 7
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("name", "year"), [("America/Nuuk", 2023), ("Asia/Amman", 2022), ("Asia/Almaty", 2024), ("Europe/Volgograd", 2020)]
)
def test_a_year_in_which_the_offset_changes_for_good(name: str, year: int) -> None:
    source = ZoneInfo(name)
    zone = zone_of(source, name, datetime(year - 1, 6, 1), year + 1)
    read = read_definition(encode_definition(zone, recurrence=True))
    assert not zone.approximate
    wall = datetime(year - 1, 1, 1)
    while wall.year < year + 2:
        assert read.instant(wall) == wall.replace(tzinfo=source).astimezone(UTC), wall
        wall += timedelta(hours=1)
