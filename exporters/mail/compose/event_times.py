"""When an event takes place: its start and end by the wall clock of its own zone.

Rules of this file: pure. All-day events are dates, given as midnights of UTC or as UTC instants of a local midnight (Q-080): both
become midnights of the event's zone. A zone without a usable name is that of its definition, if served, else the mailbox's.
Source: reference/mapi-mapping.md §3.1 (all day), §3.4; quirks.md Q-076, Q-080.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from exporters.mail.compose.calendar_times import LAST, Moment
from exporters.mail.compose.defined_zones import defined_zone
from exporters.mail.compose.graph_item import Item, Record
from exporters.mail.compose.property_sets import APPOINTMENT, BINARY, Properties
from exporters.mail.compose.timezones import named_zone
from exporters.pst import NamedProperty

DEFINITIONS = tuple(NamedProperty(APPOINTMENT, name, BINARY) for name in (0x8260, 0x825E, 0x825F))


@dataclass(frozen=True)
class Place:
    """A zone, and the key by which Outlook knows it. `is_guess`: the event itself does not name it."""

    zone: tzinfo
    key: str
    is_guess: bool = False

    def wall(self, moment: Moment) -> datetime:
        """The wall clock here at a moment; of an hour that comes twice, `fold` tells which."""
        return moment.utc.astimezone(self.zone).replace(tzinfo=None)

    def at(self, wall: datetime, *, is_date: bool = False) -> Moment:
        """The moment at which the clock here shows `wall`."""
        return Moment(wall, self.zone, self.key, is_date)


@dataclass(frozen=True)
class Span:
    """From when to when, by the clock of one zone."""

    start: Moment
    end: Moment
    all_day: bool

    @property
    def minutes(self) -> int:
        """By the wall clock, as a series repeats it."""
        return int((self.end.wall - self.start.wall).total_seconds()) // 60


def places_of(item: Item, more: Properties, names: Sequence[object]) -> list[Place]:
    """The zones in which an event may have been made, the likeliest first: by name, by definition, the mailbox's.

    A name that stands for none is a loss, unless a definition was served.
    """
    found: list[Place] = []
    unknown = ""
    for name in names:
        text = item.line(name)
        known = named_zone(text) if text else None
        if known is not None:
            found.append(Place(*known))
        elif text and not found:
            unknown = unknown or text
    defined = [zone for key in DEFINITIONS if isinstance(blob := more.get(key), bytes) and (zone := defined_zone(blob))]
    if unknown and not defined:
        item.losses.add(
            "timezone-approximate", f"time zone {unknown[:80]!r} is unknown; another one of the event was used"
        )
    own = [Place(*item.box.zone, is_guess=True)]
    return ([Place(*zone) for zone in defined] + found if unknown else found) + own


def span_of(item: Item, row: Record, place: Place, *, all_day: bool, until: Place | None = None) -> Span | None:
    """When an event (or one occurrence, `row`) takes place, by the clock of `place`; None without a start.

    `until`: the zone of the end, where it is another one.
    """
    given = item.moment(row.get("start"), "start")
    if given is None:
        return None
    ended = item.moment(row.get("end"), "end") or given
    if ended.utc < given.utc:
        item.losses.add("date-unreadable", f"the event ends, {ended.wall.isoformat()}, before it begins")
        ended = given
    if not all_day:
        last = until or place
        return Span(place.at(place.wall(given)), last.at(last.wall(ended)), all_day=False)
    first, after = _midnight(item, given, place), _midnight(item, ended, place)
    if after <= first:
        after = min(first + timedelta(1), LAST)
    return Span(place.at(first, is_date=True), place.at(after, is_date=True), all_day=True)


def day_of(item: Item, moment: Moment, place: Place) -> date:
    """The date that a time of an all-day event means (Q-080)."""
    return _midnight(item, moment, place).date()


def _midnight(item: Item, moment: Moment, place: Place) -> datetime:
    """The midnight that a time of an all-day event means (Q-080).

    What is no midnight, neither as written nor in the event's zone, stays the time that it is; in a zone that is only supposed to
    be the event's, the nearest midnight is taken.
    """
    if moment.wall.time() == time():
        return datetime.combine(moment.wall, time())
    wall = place.wall(moment)
    if wall.time() == time():
        return wall
    what = "the nearest day was taken" if place.is_guess else "it is kept"
    item.losses.add("timezone-approximate", f"an all-day event at {wall.isoformat()}: {what}")
    return datetime.combine(min(wall + timedelta(hours=12), LAST), time()) if place.is_guess else wall
