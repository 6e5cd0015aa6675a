"""Recurrence blobs: Outlook's own byte for byte, and round trips through a decoder written from [MS-OXOCAL]."""

# ruff: noqa: DTZ001 - the wall clock names no zone
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.mail.compose.global_ids import global_object_id, occurrence_of
from exporters.mail.compose.recurrence import Changed, Frequency, Pattern, RecurrenceRefused, Series, described, encode

D, W, M, Y = Frequency.DAILY, Frequency.WEEKLY, Frequency.MONTHLY, Frequency.YEARLY


def at(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]


OUTLOOK = Series(
    Pattern(W, weekdays=4), at(2016, 8, 2, 8), 30, deleted=(date(2016, 8, 9),),
    changed=(
        Changed(at(2016, 8, 30, 8), at(2016, 8, 30, 10), at(2016, 8, 30, 10, 30), body_differs=True),
        Changed(at(2016, 8, 23, 8), at(2016, 8, 23, 9), at(2016, 8, 23, 9, 30), body_differs=True),
    ),
)  # fmt: skip
# name: the series, and the bytes of reference/mapi-mapping.md §3.2
EXAMPLES = {
    "Outlook's own": (OUTLOOK, """
        0430 0430 0B20 0100 0000 C0210000 01000000 00000000 04000000 23200000 0A000000 00000000
        03000000 805C070D 40AB070D A0D2070D 02000000 40AB070D A0D2070D
        2035070D DF80E95A 06300000 09300000 E0010000 FE010000 0200
        5CAD070D 7AAD070D 20AD070D 0002 F8D4070D 16D5070D 80D4070D 0002
        00000000 04000000 00000000 00000000 04000000 00000000 00000000 00000000"""),
    "every 3 days": (Series(Pattern(D, 3), at(2026, 3, 2, 9), 30, count=5), """
        043004300A2000000000400B0000E01000000000000022200000050000000000000000000000000000000017540D805A540D06300000093000
        001C0200003A02000000000000000000000000"""),
    "every 2nd week": (Series(Pattern(W, 2, weekdays=42, first_weekday=1), at(2026, 3, 2, 10), 60, until=date(2026, 6, 30)), """
        043004300B20010000000000000002000000000000002A000000212000001B0000000100000000000000000000000017540D00BA560D063000
        0009300000580200009402000000000000000000000000"""),
    "last Thursday": (Series(Pattern(M, 2, weekdays=16, nth=5), at(2026, 2, 26, 9), 60), """
        043004300C200300000060AE000002000000000000001000000005000000232000000A0000000000000000000000000000008000540DDF80E9
        5A06300000093000001C0200005802000000000000000000000000"""),
    "24 December": (Series(Pattern(Y, day=24), at(2025, 12, 24), 1440), """
        043004300D2002000000C05607000C0000000000000018000000232000000A0000000000000000000000000000008098520DDF80E95A063000
        000930000000000000A005000000000000000000000000"""),
    "4th Thursday of November": (Series(Pattern(Y, weekdays=16, nth=4), at(2026, 11, 26), 1440), """
        043004300D200300000000AE06000C000000000000001000000004000000232000000A00000000000000000000000000000020005A0DDF80E9
        5A063000000930000000000000A005000000000000000000000000"""),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples_byte_for_byte(name: str) -> None:
    series, digits = EXAMPLES[name]
    assert encode(series).hex() == bytes.fromhex("".join(digits.split())).hex()


@dataclass
class Decoded:
    """What a blob says, read by the tables of [MS-OXOCAL] 2.2.1.44 alone."""

    head: dict[str, int] = field(default_factory=dict)
    specific: tuple[int, ...] = ()
    deleted: list[datetime] = field(default_factory=list)
    modified: list[datetime] = field(default_factory=list)
    exceptions: list[dict[str, Any]] = field(default_factory=list)


def wall(minutes: int) -> datetime:
    return datetime(1601, 1, 1) + timedelta(minutes=minutes)


def decode(blob: bytes) -> Decoded:
    place = 0

    def take(form: str) -> tuple[Any, ...]:
        nonlocal place
        found = struct.unpack_from(f"<{form}", blob, place)
        place += struct.calcsize(f"<{form}")
        return found

    def text(width: int, size: int) -> str:
        (raw,) = take(f"{size * width}s")
        return str(raw.decode("utf-16-le" if width == 2 else "cp1252"))

    out = Decoded()
    assert take("HH") == (0x3004, 0x3004)
    names = ("frequency", "kind", "calendar", "first", "period", "sliding")
    out.head.update(zip(names, take("HHHIII"), strict=True))
    out.specific = take({0: "", 1: "I", 2: "I", 3: "II"}[out.head["kind"]])
    out.head.update(zip(("end", "count", "dow"), take("III"), strict=True))
    for dates in (out.deleted, out.modified):
        dates.extend(map(wall, take(f"{take('I')[0]}I")))
    out.head.update(zip(("start", "last", "v1", "v2", "from", "to"), take("6I"), strict=True))
    assert (out.head["v1"], out.head["v2"]) == (0x3006, 0x3009)
    for _ in range(take("H")[0]):
        one: dict[str, Any] = dict(zip(("start", "end", "original"), map(wall, take("III")), strict=True))
        (one["flags"],) = take("H")
        numbers = {
            2: "type",
            4: "delta",
            8: "reminder",
            0x20: "busy",
            0x40: "attachment",
            0x80: "all_day",
            0x100: "color",
        }
        for bit in (1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100):
            if one["flags"] & bit and bit in numbers:
                (one[numbers[bit]],) = take("I")
            elif one["flags"] & bit:
                total, size = take("HH")
                assert total == size + 1
                one["subject8" if bit == 1 else "location8"] = text(1, size)
        out.exceptions.append(one)
    assert take("I") == (0,)
    for one in out.exceptions:
        assert take("III") == (4, 0, 0)
        if one["flags"] & 0x11:
            assert [wall(value) for value in take("III")] == [one["start"], one["end"], one["original"]]
            for bit, name in ((1, "subject"), (0x10, "location")):
                if one["flags"] & bit:
                    one[name] = text(2, take("H")[0])
            assert take("I") == (0,)
    assert take("I") == (0,)
    assert place == len(blob)
    return out


def expanded(found: Decoded, limit: int) -> list[date]:
    """The dates of a blob from FirstDateTime, Period and the pattern alone ([MS-OXOCAL] 2.2.1.44.1)."""
    start, dates = wall(found.head["start"]).date(), []
    period, kind = found.head["period"], found.head["kind"]
    first = found.head["first"]
    unit = period * {0: 1, 1: 10080}.get(kind, 43920)  # 43920: minutes of 30.5 days, more than a month has on average
    skipped = max(0, (found.head["start"] - first) // unit - 1)
    for number in range(skipped, skipped + 60000):
        if len(dates) >= limit:
            break
        if kind in (2, 3):
            base = wall(first)
            months = (base.year - 1601) * 12 + base.month - 1 + number * period
            year, month = 1601 + months // 12, months % 12 + 1
            length = ((date(year + month // 12, month % 12 + 1, 1)) - date(year, month, 1)).days
            if kind == 2:
                days = [date(year, month, min(found.specific[0], length))]
            else:
                mask, nth = found.specific
                fit = [d for d in range(1, length + 1) if 1 << (date(year, month, d).weekday() + 1) % 7 & mask]
                days = [date(year, month, fit[-1] if nth == 5 else fit[nth - 1])]
        elif kind == 1:
            week = wall(first + number * period * 10080).date()
            days = [d for n in range(7) if 1 << ((d := week + timedelta(n)).weekday() + 1) % 7 & found.specific[0]]
        else:
            days = [wall(first + number * period).date()]
        dates += [day for day in days if day >= start]
    return dates[:limit]


@st.composite
def patterns(draw: Callable[..., Any]) -> Pattern:
    frequency = draw(st.sampled_from(Frequency))
    interval, first = draw(st.integers(1, 4)), draw(st.integers(0, 6))
    mask = draw(st.integers(1, 127))
    if frequency == D:
        return draw(st.sampled_from([Pattern(D, interval, first_weekday=first), Pattern(D, 1, weekdays=0x3E)]))  # type: ignore[no-any-return]
    if frequency == W:
        return Pattern(W, interval, weekdays=mask, first_weekday=first)
    if draw(st.booleans()):
        return Pattern(frequency, interval, day=draw(st.integers(1, 31)), first_weekday=first)
    return Pattern(frequency, interval, weekdays=mask, nth=draw(st.integers(1, 5)), first_weekday=first)


@st.composite
def series(draw: Callable[..., Any]) -> Series:
    pattern = draw(patterns())
    days = list(islice(pattern.dates(draw(st.dates(date(1990, 1, 1), date(2040, 1, 1)))), 12))
    start = datetime.combine(days[0], datetime.min.time()) + timedelta(minutes=draw(st.integers(0, 1439)))
    end = draw(st.sampled_from(["count", "until", "never"]))
    picked = draw(st.lists(st.sampled_from(days), unique=True, max_size=5))
    changed = []
    for number, day in enumerate(picked[: len(picked) // 2]):
        original = datetime.combine(day, start.time())
        moved = original + timedelta(minutes=draw(st.integers(0, 600)))
        changed.append(Changed(
            original, moved, moved + timedelta(minutes=30 + number),
            subject=draw(st.none() | st.text(st.characters(codec="latin-1"), max_size=9)),
            location=draw(st.none() | st.text(st.characters(codec="utf-16"), max_size=9)),
            busy=draw(st.none() | st.integers(0, 4)), all_day=draw(st.none() | st.booleans()),
            reminder_minutes=draw(st.none() | st.integers(0, 999)), reminder_set=draw(st.none() | st.booleans()),
            body_differs=draw(st.booleans()),
        ))  # fmt: skip
    return Series(
        pattern, start, draw(st.integers(0, 3000)), count=12 if end == "count" else None,
        until=days[-1] + timedelta(draw(st.integers(0, 3))) if end == "until" else None,
        deleted=tuple(picked[len(picked) // 2 :]), changed=tuple(changed),
    )  # fmt: skip


@settings(deadline=None)
@given(series())
def test_round_trips(one: Series) -> None:
    found = decode(encode(one))
    assert (
        found.head["start"] == int((one.start.replace(hour=0, minute=0) - datetime(1601, 1, 1)).total_seconds()) // 60
    )
    assert found.head["to"] - found.head["from"] == one.minutes
    gone = sorted([*one.deleted, *(change.original_start.date() for change in one.changed)])
    assert [moment.date() for moment in found.deleted] == gone
    assert [moment.date() for moment in found.modified] == sorted(change.start.date() for change in one.changed)
    changes = sorted(one.changed, key=lambda change: change.start)
    seen = [
        (e["original"], e["start"], e["end"], e.get("subject"), e.get("location"), e.get("busy"))
        for e in found.exceptions
    ]
    assert seen == [
        (c.original_start, c.start, c.end, c.subject, c.location, c.busy) for c in changes
    ]  # fmt: skip
    assert [bool(e["flags"] & 0x200) for e in found.exceptions] == [c.body_differs for c in changes]
    if one.endless:
        assert (found.head["end"], found.head["count"], found.head["last"]) == (0x2023, 10, 0x5AE980DF)
        assert expanded(found, 12) == list(islice(one.dates(), 12))
    else:
        dates = list(one.dates())
        assert found.head["count"] == len(dates)
        assert expanded(found, len(dates)) == dates
        assert wall(found.head["last"]).date() == (one.until or dates[-1])
    assert described(one)


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        (Pattern(D, 3), {"freq": DAILY, "interval": 3}),
        (Pattern(D, 1, weekdays=0x3E), {"freq": DAILY, "byweekday": range(5)}),
        (Pattern(W, 2, weekdays=0b0101010, first_weekday=1), {"freq": WEEKLY, "interval": 2, "byweekday": (0, 2, 4), "wkst": 0}),
        (Pattern(W, 2, weekdays=0b1000001), {"freq": WEEKLY, "interval": 2, "byweekday": (5, 6), "wkst": 6}),
        (Pattern(M, 2, weekdays=16, nth=5), {"freq": MONTHLY, "interval": 2, "byweekday": 3, "bysetpos": -1}),
        (Pattern(M, 1, weekdays=0x3E, nth=2), {"freq": MONTHLY, "byweekday": range(5), "bysetpos": 2}),
        (Pattern(M, 1, day=31), {"freq": MONTHLY, "bymonthday": -1}),
        (Pattern(Y, 1, weekdays=16, nth=4), {"freq": YEARLY, "bymonth": 11, "byweekday": 3, "bysetpos": 4}),
    ],
)  # fmt: skip
def test_dates_are_those_of_an_rrule_library(pattern: Pattern, rule: dict[str, Any]) -> None:
    start = next(pattern.dates(date(2026, 11, 1)))
    theirs = rrule(dtstart=datetime.combine(start, datetime.min.time()), count=50, **rule)
    assert list(islice(pattern.dates(start), 50)) == [moment.date() for moment in theirs]


def test_what_the_blob_cannot_say_is_refused() -> None:
    good = Series(Pattern(W, weekdays=4), at(2016, 8, 2, 8), 30)
    wrong = [
        {"start": at(2016, 8, 3)}, {"count": 0}, {"until": date(2016, 8, 1)}, {"count": 2, "until": date(2017, 1, 1)},
        {"deleted": (date(2016, 8, 10),)}, {"deleted": (date(2016, 8, 9),) * 2}, {"minutes": -1},
        {"count": 2, "deleted": (date(2016, 8, 16),)},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(RecurrenceRefused):
            replace(good, **change)  # type: ignore[arg-type]
    for arguments in ((D, 0), (D, 2, 0x3E), (W, 1), (W, 1, 200), (M, 1), (M, 1, 0, 32), (M, 1, 4, 0, 6), (Y, 1, 4, 3)):
        with pytest.raises(RecurrenceRefused):
            Pattern(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "start", "minutes", "words"),
    [
        (Pattern(W, weekdays=4), at(2016, 8, 2, 8), 30, "every Tuesday from 8:00 AM to 8:30 AM"),
        (Pattern(W, 2, weekdays=42), at(2016, 8, 1, 13), 60,
         "every 2 weeks on Monday, Wednesday and Friday from 1:00 PM to 2:00 PM"),
        (Pattern(D, weekdays=0x3E), at(2016, 8, 1), 1440, "every weekday"),
        (Pattern(M, day=31), at(2016, 8, 31), 1440, "day 31 of every month"),
        (Pattern(Y, weekdays=16, nth=4), at(2026, 11, 26), 1440, "the fourth Thursday of November of every year"),
    ],
)  # fmt: skip
def test_series_in_words(pattern: Pattern, start: datetime, minutes: int, words: str) -> None:
    assert described(Series(pattern, start, minutes)) == words


def test_global_object_ids_are_decoded_dated_and_wrapped() -> None:
    sample = (
        "040000008200E00074C5B7101A82E00800000000D08AA8F019ECD1010000000000000000"
        "1000000033E8E3DAB52AEB4E9597CB068B12F50E"
    )  # fmt: skip
    assert global_object_id(sample) == bytes.fromhex(sample)
    dated = global_object_id(sample.lower(), date(2016, 8, 23))
    assert dated[16:20].hex() == "07e00817"
    assert (dated[:16], dated[20:]) == (bytes.fromhex(sample)[:16], bytes.fromhex(sample)[20:])
    assert global_object_id(dated.hex()) == bytes.fromhex(sample)
    assert (occurrence_of(dated.hex()), occurrence_of(sample), occurrence_of("x")) == (date(2016, 8, 23), None, None)
    foreign = (
        "040000008200E00074C5B7101A82E008 00000000 0000000000000000 0000000000000000 1F000000 7643616C2D556964 01000000"
        + b"abc123@example.com\0".hex()
    )
    assert global_object_id("abc123@example.com") == bytes.fromhex(foreign)
    assert len(global_object_id("abc123@example.com")) == 71
    for broken in ("040000008200E00074C5B7101A82E008", "040000008200E00074C5B7101A82E00800zz"):
        assert b"vCal-Uid" in global_object_id(broken)
