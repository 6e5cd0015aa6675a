"""The series of an event: its pattern, its cancelled and its changed occurrences, by the wall clock of its zone.

Rules of this file: pure. An exception is matched by its original day in the series' own zone (Q-080); one that was on no day of
the pattern is kept all the same, with a loss. A cancelled day that is none of the series changes nothing, with a loss.
Source: reference/mapi-mapping.md §3.2, §3.3; reference/graph.md 3.6; quirks.md Q-079, Q-080.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from exporters.mail.compose.calendar_times import Moment
from exporters.mail.compose.event_texts import BUSY, location_of
from exporters.mail.compose.event_times import Place, Span, day_of, places_of, span_of
from exporters.mail.compose.graph_body import body_of
from exporters.mail.compose.graph_item import Item, Record, listing, mapping, number
from exporters.mail.compose.graph_recurrence import Repeated, day_of_occurrence, repeated, start_date
from exporters.mail.compose.property_sets import Properties
from exporters.mail.compose.recurrence import Changed, RecurrenceRefused, Series

_LONGEST = 255  # characters of a subject or place in the blob
_MOST_EXCEPTIONS = 5000  # the blob counts in 16 bits, and Outlook gives up long before


@dataclass(frozen=True)
class EventSeries:
    """A series with the zone of its clock, its first occurrence, and the rows of its changed occurrences."""

    series: Series
    place: Place
    first: Span
    exceptions: tuple[tuple[Changed, Record], ...]


def series_of(item: Item, more: Properties, *, all_day: bool) -> EventSeries | None:
    """The series of an event; None for a single one, and for one that Outlook cannot repeat, with a loss."""
    graph = item.graph
    recurrence = mapping(graph.get("recurrence"))
    if not recurrence:
        if item.line(graph.get("type")).lower() == "seriesmaster":
            item.losses.add("event-recurrence", "a series without a recurrence is shown as a single event")
        return None
    found = _placed(item, more, recurrence, all_day=all_day)
    if found is None:
        item.losses.add("event-without-start", "a series without a start")
        return None
    place, span = found
    try:
        rule = repeated(recurrence, span.start.wall.date())
        start = datetime.combine(rule.first, span.start.wall.time().replace(second=0, microsecond=0))
        bare = Series(rule.pattern, start, span.minutes, rule.count, rule.until)
        changed = _changed(item, bare, place, all_day=all_day)
        deleted = _deleted(item, bare, rule, set(changed))
        exceptions = tuple(changed.values())
        series = replace(bare, deleted=deleted, changed=tuple(one for one, _ in exceptions), admits_strangers=True)
    except RecurrenceRefused as error:
        item.losses.add("event-recurrence", f"a series is shown as a single event: {error}")
        return None
    end = place.at(start + (span.end.wall - span.start.wall), is_date=all_day)
    first = Span(place.at(start, is_date=all_day), end, all_day)
    if rule.first == span.start.wall.date() and span.start.wall.second == 0:
        first = Span(span.start, end, all_day)  # an hour that comes twice: the one that was meant
    return EventSeries(series, place, first, exceptions)


def _placed(item: Item, more: Properties, recurrence: Record, *, all_day: bool) -> tuple[Place, Span] | None:
    """The zone of a series, and its first span there: of the zones it may have, the first in which it starts on its day."""
    graph = item.graph
    names = (mapping(recurrence.get("range")).get("recurrenceTimeZone"), graph.get("originalStartTimeZone"))
    places = places_of(item, more, (*names, graph.get("originalEndTimeZone")))
    day = start_date(recurrence)
    first: tuple[Place, Span] | None = None
    for place in places:
        span = span_of(item, graph, place, all_day=all_day)
        if span is None:
            return None
        first = first or (place, span)
        if day is None or span.start.wall.date() in (day, _first_day(recurrence, day)):
            return place, span
    if first is not None:
        item.losses.add("timezone-approximate", f"the series starts on {day}, but not in any zone that it names")
    return first


def _first_day(recurrence: Record, start: date) -> date | None:
    try:
        return repeated(recurrence, start).first
    except RecurrenceRefused:
        return None


def _deleted(item: Item, bare: Series, rule: Repeated, changed: set[date]) -> tuple[date, ...]:
    """Days that do not take place. Of a range that ends before it begins, the one that the blob has to have."""
    days = set()
    for one in listing(item.graph.get("cancelledOccurrences")):
        day = day_of_occurrence(one)
        if day is None:
            item.losses.add("event-exception", f"a cancelled occurrence without a day: {str(one)[-40:]!r}")
        else:
            days.add(day)
    days -= changed
    known = bare.dates_among(days)
    if days - known:
        some = ", ".join(map(str, sorted(days - known)[:5]))
        item.losses.add("event-exception", f"{len(days - known)} cancelled days are none of the series: {some}")
    if rule.is_empty:
        item.losses.add("event-recurrence", "the series ends before its first occurrence: it has none")
        known |= {rule.first} - changed
    return tuple(sorted(known))


def _changed(item: Item, bare: Series, place: Place, *, all_day: bool) -> dict[date, tuple[Changed, Record]]:
    """The changed occurrences with their rows, by original day."""
    rows = [mapping(row) for row in listing(item.graph.get("exceptionOccurrences"))]
    if len(rows) > _MOST_EXCEPTIONS:
        item.losses.add("event-exception", f"{len(rows) - _MOST_EXCEPTIONS} changed occurrences are too many")
    candidates = [list(dict.fromkeys(_original_days(item, row, place, all_day=all_day))) for row in rows]
    known = bare.dates_among({day for days in candidates for day in days})
    found: dict[date, tuple[Changed, Record]] = {}
    for row, days in zip(rows[:_MOST_EXCEPTIONS], candidates, strict=False):
        day = next((day for day in days if day in known), days[0] if days else None)
        if day is None:
            item.losses.add("event-exception", "a changed occurrence does not say which one it was")
            continue
        if day not in known:
            item.losses.add("event-exception", f"the changed occurrence of {day} is none of the pattern; it is kept")
        if day in found:
            item.losses.add("event-exception", f"the occurrence of {day} is changed twice; the later one is kept")
        change = _change(item, row, datetime.combine(day, bare.start.time()), bare.minutes, place, all_day=all_day)
        found[day] = (change, row)
    return dict(sorted(found.items()))


def _original_days(item: Item, row: Record, place: Place, *, all_day: bool) -> Iterator[date]:
    """The days that an exception may have been on, the likeliest first."""
    moment = item.moment(row.get("originalStart"), "originalStart")
    if moment is not None:
        yield day_of(item, moment, place) if all_day else place.wall(moment).date()
    named = day_of_occurrence(row.get("occurrenceId"))
    if named is not None:
        yield named
    if moment is None and named is None and (start := item.moment(row.get("start"), "start")) is not None:
        yield place.wall(start).date()


def _change(item: Item, row: Record, original: datetime, minutes: int, place: Place, *, all_day: bool) -> Changed:
    """What an occurrence has that the series has not; a field that its row lacks is as in the series."""
    master = item.graph
    is_day = row.get("isAllDay") if isinstance(row.get("isAllDay"), bool) else all_day
    span = span_of(item, row, place, all_day=bool(is_day))
    start = span.start.wall if span is not None else original
    end = span.end.wall if span is not None else original + timedelta(minutes=minutes)
    subject, where = item.title(row.get("subject")), location_of(item, row)
    busy = BUSY.get(item.line(row.get("showAs")).lower())
    reminder = row.get("isReminderOn")
    delta = number(row.get("reminderMinutesBeforeStart"))
    attached = bool(listing(row.get("attachments"))) or row.get("hasAttachments") is True
    return Changed(
        original,
        start.replace(second=0, microsecond=0),
        end.replace(second=0, microsecond=0),
        subject[:_LONGEST] if "subject" in row and subject != item.title(master.get("subject")) else None,
        where[:_LONGEST] if {"location", "locations"} & row.keys() and where != location_of(item, master) else None,
        busy if busy is not None and busy != BUSY.get(item.line(master.get("showAs")).lower(), 2) else None,
        all_day=bool(is_day) if bool(is_day) != all_day else None,
        reminder_minutes=delta if delta is not None and delta != master.get("reminderMinutesBeforeStart") else None,
        reminder_set=reminder
        if isinstance(reminder, bool) and reminder != (master.get("isReminderOn") is True)
        else None,
        has_attachments=True if attached else None,
        body_differs=body_differs(item, row),
    )


def body_differs(item: Item, row: Record) -> bool:
    """Whether an occurrence has a text of its own; null is none (Q-078)."""
    if not isinstance(mapping(row.get("body")).get("content"), str):
        return False
    return body_of(item, row.get("body")) != body_of(item, item.graph.get("body"))


def files_by_owner(item: Item) -> dict[str, list[Record]]:
    """The attachments of a series and of its exceptions, which stand in one list, by the id of the event that they hang on.

    The id of an attachment begins as that of its event does; what could be of several is of the series.
    """
    own = item.id
    others = [str(mapping(row).get("id")) for row in listing(item.graph.get("exceptionOccurrences"))]
    found: dict[str, list[Record]] = {own: []}
    for entry in (mapping(one) for one in listing(item.record.get("attachments"))):
        text = entry.get("of") or entry.get("id")
        scores = {one: _common(str(text), one) for one in (own, *others)}
        best = max(scores.values())
        nearest = [one for one, score in scores.items() if score == best]
        found.setdefault(nearest[0] if len(nearest) == 1 else own, []).append(entry)
    return found


def _common(text: str, other: str) -> int:
    """How many characters two ids have in common at their beginning."""
    return next(
        (at for at, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), min(len(text), len(other))
    )


def moment_of(place: Place, day: date) -> Moment:
    """Midnight of a day of the series."""
    return place.at(datetime.combine(day, time()))
