"""RRULE, EXDATE and changed occurrences of iCalendar as a series of Outlook's.

Rules of this file: pure. What Outlook cannot repeat is no series (RecurrenceRefused with the reason); what a series cannot hold
is left out with a loss. iCalendar leaves out days that a month does not have, Outlook moves them to the month's last day.
Source: RFC 5545 3.3.10; [MS-OXCICAL] 2.1.3.2.2; reference/mapi-mapping.md §3.2.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from exporters.mail.compose.calendar_times import WEEKDAYS, nth_weekday, parsed, rule_parts
from exporters.mail.compose.losses import Loss
from exporters.mail.compose.recurrence import (
    EVERY_DAY,
    LAST,
    LAST_DAY,
    Changed,
    Frequency,
    Pattern,
    RecurrenceRefused,
    Series,
    weekday,
)

_FREQUENCIES = {
    "DAILY": Frequency.DAILY,
    "WEEKLY": Frequency.WEEKLY,
    "MONTHLY": Frequency.MONTHLY,
    "YEARLY": Frequency.YEARLY,
}
_UNDERSTOOD = frozenset({
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "RSCALE", "SKIP", "BYHOUR",
    "BYMINUTE", "BYSECOND",
})  # fmt: skip
_MAX_OCCURRENCES = 200_000  # of a series with a count; beyond that lies the end of the calendar for anything but daily


@dataclass(frozen=True)
class Source:
    """A series as iCalendar has it, in the wall clock of its own zone.

    `until` of the rule is read with `utc_offset`, which turns a UTC time into that wall clock.
    """

    rule: str
    start: datetime
    minutes: int
    utc_offset: timedelta
    deleted: tuple[date, ...] = ()
    changed: tuple[Changed, ...] = ()


def series_of(source: Source) -> tuple[Series, list[Loss]]:
    """The series that stands for a rule, and what it leaves out. Raises RecurrenceRefused, saying why, if there is none."""
    parts = rule_parts(source.rule)
    pattern = pattern_of(parts, source.start)
    losses: list[Loss] = []
    count, until = _end(parts, source)
    first = source.start.date()
    exact = pattern.day >= 29 and not _is_last_day(parts)
    begins = next((day for day in pattern.dates(first) if not exact or day.day == pattern.day), LAST_DAY)
    if begins != first:
        losses.append(Loss("event-exception", f"the first occurrence, {first}, does not follow the rule {source.rule}"))
        first = begins
        count = count - 1 if count else count
        if count == 0 or (until and until < first):
            raise RecurrenceRefused("only its first occurrence takes place, which does not follow the rule")
    surplus: list[date] = []
    if exact:
        count, surplus = _short_months(pattern, first, count, until, losses)
    if count is not None:
        found = len(list(islice(pattern.dates(first), min(count, _MAX_OCCURRENCES))))
        if found < count:
            losses.append(
                Loss("event-exception", f"after {found} occurrences the calendar ends; the rule says {count}")
            )
            count = None
    if until is not None and until >= LAST_DAY:
        until = None
    start = datetime.combine(first, source.start.time())
    bare = Series(pattern, start, source.minutes, count, until)
    changed, deleted = _held(bare, source, set(surplus), losses)
    return Series(pattern, start, source.minutes, count, until, tuple(sorted(deleted)), tuple(changed)), losses


def _held(bare: Series, source: Source, surplus: set[date], losses: list[Loss]) -> tuple[list[Changed], set[date]]:
    """The changed and the deleted occurrences that are of the series; others are losses."""
    changed: dict[date, Changed] = {}
    for change in source.changed:
        day = change.original_start.date()
        if day in changed:
            losses.append(Loss("event-exception", f"the occurrence of {day} is changed twice; the later one is kept"))
        changed[day] = change
    deleted = set(source.deleted) - set(changed)
    known = bare.dates_among(deleted | set(changed))
    for what, days in (("changed", set(changed) - known), ("deleted", deleted - known)):
        if days:
            some = ", ".join(map(str, sorted(days)[:5]))
            losses.append(Loss("event-exception", f"{len(days)} {what} occurrences are none of the series: {some}"))
    return [change for day, change in sorted(changed.items()) if day in known], (deleted & known) | (
        surplus - set(changed)
    )


def _end(parts: dict[str, str], source: Source) -> tuple[int | None, date | None]:
    if "COUNT" in parts:
        count = _number(parts["COUNT"])
        if count < 1:
            raise RecurrenceRefused(f"COUNT={parts['COUNT']}")
        return count, None
    if "UNTIL" not in parts:
        return None, None
    found = parsed(parts["UNTIL"])
    if found is None:
        raise RecurrenceRefused(f"UNTIL={parts['UNTIL']}")
    wall, in_utc, is_date = found
    wall = wall + source.utc_offset if in_utc else wall
    day = wall.date()
    if not is_date and wall.time() < source.start.time():
        day -= timedelta(1)
    if day < source.start.date():
        raise RecurrenceRefused("it ends before it begins")
    return None, day


def _short_months(
    pattern: Pattern, first: date, count: int | None, until: date | None, losses: list[Loss]
) -> tuple[int | None, list[date]]:
    """Dates that Outlook adds in months without that day, to be deleted; and the count with them."""
    if count is None and until is None:
        losses.append(
            Loss("event-exception", f"in months without a day {pattern.day} an occurrence was added on their last day")
        )
        return None, []
    surplus, good, number = [], 0, 0
    for number, day in enumerate(islice(pattern.dates(first), _MAX_OCCURRENCES), 1):  # noqa: B007
        if until is not None and day > until:
            break
        if day.day == pattern.day:
            good += 1
            if good == count:
                break
        else:
            surplus.append(day)
    return (number if count is not None else None), surplus


def _is_last_day(parts: dict[str, str]) -> bool:
    return parts.get("BYMONTHDAY") == "-1"


def pattern_of(parts: dict[str, str], start: datetime) -> Pattern:
    """The pattern of a rule for a series from `start`. Raises RecurrenceRefused for what Outlook has no pattern for."""
    unknown = set(parts) - _UNDERSTOOD
    if unknown:
        raise RecurrenceRefused(f"{', '.join(sorted(unknown))} cannot be expressed")
    if parts.get("RSCALE", "GREGORIAN") != "GREGORIAN":
        raise RecurrenceRefused(f"calendar {parts['RSCALE']}")
    for name, own in (("BYHOUR", start.hour), ("BYMINUTE", start.minute), ("BYSECOND", start.second)):
        if name in parts and parts[name] != str(own):
            raise RecurrenceRefused(f"{name}={parts[name]}")
    frequency = _FREQUENCIES.get(parts.get("FREQ", ""))
    if frequency is None:
        raise RecurrenceRefused(f"FREQ={parts.get('FREQ', '')}")
    interval = _number(parts.get("INTERVAL", "1"))
    first_weekday = WEEKDAYS.get(parts.get("WKST", "MO"), 1)
    if frequency == Frequency.DAILY:
        return _daily(parts, interval, first_weekday)
    if frequency == Frequency.WEEKLY:
        _without(parts, "BYMONTH", "BYMONTHDAY", "BYSETPOS")
        mask, ordinals = _days(parts)
        if ordinals:
            raise RecurrenceRefused("weekdays of a week have no ordinals")
        return Pattern(frequency, interval, weekdays=mask or 1 << weekday(start.date()), first_weekday=first_weekday)
    return _monthly(parts, frequency, interval, first_weekday, start)


def _daily(parts: dict[str, str], interval: int, first_weekday: int) -> Pattern:
    _without(parts, "BYMONTH", "BYMONTHDAY", "BYSETPOS")
    mask, ordinals = _days(parts)
    if ordinals or (mask not in (0, EVERY_DAY) and interval != 1):
        raise RecurrenceRefused("every few days, but on certain weekdays only")
    if mask == 0x3E:
        return Pattern(Frequency.DAILY, weekdays=mask, first_weekday=first_weekday)
    if mask not in (0, EVERY_DAY):
        return Pattern(Frequency.WEEKLY, weekdays=mask, first_weekday=first_weekday)
    return Pattern(Frequency.DAILY, interval, first_weekday=first_weekday)


def _monthly(
    parts: dict[str, str], frequency: Frequency, interval: int, first_weekday: int, start: datetime
) -> Pattern:
    if frequency == Frequency.YEARLY:
        if _number(parts.get("BYMONTH", str(start.month))) != start.month:
            raise RecurrenceRefused("it begins in another month than the rule's")
        if "BYDAY" in parts and "BYMONTH" not in parts:
            raise RecurrenceRefused("weekdays of a year")
    else:
        _without(parts, "BYMONTH")
    mask, ordinals = _days(parts)
    if not mask:
        _without(parts, "BYSETPOS")
        day = _number(parts.get("BYMONTHDAY", str(start.day)))
        if day == -1:
            day = 31
        if not 1 <= day <= 31:
            raise RecurrenceRefused(f"BYMONTHDAY={day}")
        return Pattern(frequency, interval, day=day, first_weekday=first_weekday)
    _without(parts, "BYMONTHDAY")
    if not ordinals and "BYSETPOS" not in parts and frequency == Frequency.MONTHLY and interval == 1:  # all of them
        return Pattern(Frequency.WEEKLY, weekdays=mask, first_weekday=first_weekday)
    if ordinals and len(ordinals) == 1 and mask.bit_count() == 1 and "BYSETPOS" not in parts:
        nth = ordinals[0]
    elif not ordinals and "BYSETPOS" in parts:
        nth = _number(parts["BYSETPOS"])
    else:
        raise RecurrenceRefused(f"BYDAY={parts['BYDAY']} in a month")
    if nth not in (1, 2, 3, 4, -1):
        raise RecurrenceRefused(f"the {nth}th weekday of a month")
    return Pattern(frequency, interval, weekdays=mask, nth=LAST if nth == -1 else nth, first_weekday=first_weekday)


def _days(parts: dict[str, str]) -> tuple[int, list[int]]:
    """The mask of BYDAY, and its ordinals where it has some."""
    mask, ordinals = 0, []
    for text in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        found = nth_weekday(text)
        if found is None:
            raise RecurrenceRefused(f"BYDAY={parts['BYDAY']}")
        mask |= 1 << found[1]
        if found[0]:
            ordinals.append(found[0])
    return mask, ordinals


def _without(parts: dict[str, str], *names: str) -> None:
    for name in names:
        if name in parts:
            raise RecurrenceRefused(f"{name}={parts[name]} with FREQ={parts['FREQ']}")


def _number(text: str) -> int:
    try:
        return int(text[:9])
    except ValueError:
        raise RecurrenceRefused(f"{text[:40]!r} is no number") from None
