"""Events of a mailbox as they unfold: series into occurrences, with exceptions in the place of what they replace.

Rules of this file: an occurrence has an id that names its series and its day, and gives all that its series has; cancelled days
and days with an exception give none; an exception stands where it was moved to.
Source: reference/graph.md 3.6; quirks Q-079, Q-080.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from exporters.rehearsal.documents import Row
from exporters.rehearsal.event_times import Zones, on_day
from exporters.rehearsal.mailbox_rows import NUMBERS, made_id, read_id
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.recurrences import days_of

_DAY_BITS = 24
_FAR = timedelta(days=2)  # wall time and UTC are never further apart


@dataclass(frozen=True)
class Window:
    """Instants, the end not among them."""

    start: datetime
    end: datetime


def masters(box: Mailbox, calendar: int) -> list[int]:
    """Single events and series of a calendar, without exceptions."""
    return [n for n in box.members("event", calendar) if box.row("event", n).get("type") != "exception"]


def original_start(row: Row, zones: Zones) -> str | None:
    """When an exception would have been, in UTC."""
    local = row.get("_originalStartLocal")
    if local is None:
        return None
    at = zones.instant({"dateTime": local, "timeZone": row["start"]["timeZone"]})
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def occurrence_id(box: Mailbox, n: int, day: date) -> str:
    """The id of an occurrence that is nothing but its series and its day."""
    return made_id("occurrence", box.user, n << _DAY_BITS | day.toordinal(), box.folder)


def occurrence(box: Mailbox, item_id: str) -> tuple[int, Row] | None:
    """The series and the row of an occurrence by its id; None if it is none, or is no longer. Raises IdError."""
    kind, user, number = read_id(item_id)
    n, day = number >> _DAY_BITS, date.fromordinal(max(1, number & ((1 << _DAY_BITS) - 1)))
    if kind != NUMBERS["occurrence"] or user != box.user or item_id != occurrence_id(box, n, day):
        return None
    events = box.rows["event"]
    if n >= events.count or n in events.gone or "recurrence" not in events.row(n):
        return None
    if day not in set(_days(box, n, day)):
        return None
    return n, _occurrence_row(box, n, day)


def _occurrence_row(box: Mailbox, n: int, day: date) -> Row:
    row = box.row("event", n)
    start, end = on_day(row["start"], row["end"], day)
    left = {
        key: value for key, value in row.items() if key not in ("recurrence", "cancelledOccurrences", "_immutableId")
    }
    return {
        **left,
        "id": occurrence_id(box, n, day),
        "type": "occurrence",
        "seriesMasterId": row["id"],
        "recurrence": None,
        "start": start,
        "end": end,
        "_attachments": [],
    }


def _days(box: Mailbox, n: int, until: date) -> Iterator[date]:
    """Days of a series on which nothing but its pattern stands."""
    row = box.row("event", n)
    cancelled = {str(one).rpartition(".")[2] for one in row.get("cancelledOccurrences", ())}
    replaced = {str(box.row("event", other).get("_originalStartLocal"))[:10] for other in box.exceptions().get(n, [])}
    return (day for day in days_of(row["recurrence"], until) if day.isoformat() not in cancelled | replaced)


def unfolded(box: Mailbox, n: int, window: Window, zones: Zones) -> list[tuple[int, Row]]:
    """What an event puts into a window: itself, or its occurrences and exceptions, in the order of their starts."""
    row = box.row("event", n)
    if "recurrence" not in row or row["recurrence"] is None:
        found = [(n, row)]
    else:
        until = (window.end + _FAR).date()
        found = [(n, _occurrence_row(box, n, day)) for day in _days(box, n, until)]
        found += [(other, box.row("event", other)) for other in box.exceptions().get(n, [])]
    inside = [(at, one) for one in found if (at := _starts_inside(one[1], window, zones)) is not None]
    return [one for _, one in sorted(inside, key=lambda pair: pair[0])]


def _starts_inside(row: Row, window: Window, zones: Zones) -> datetime | None:
    """Its start if some of the event lies in the window."""
    start, end = zones.instant(row["start"]), zones.instant(row["end"])
    if start is None or end is None:
        start = datetime.fromisoformat(str(row["start"]["dateTime"])[:19]).replace(tzinfo=UTC)
        end = datetime.fromisoformat(str(row["end"]["dateTime"])[:19]).replace(tzinfo=UTC)
    return start if start < window.end and (end > window.start or start >= window.start) else None
